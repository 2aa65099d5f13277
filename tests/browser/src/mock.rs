//! A cluster that is played by the page's own mock: what no real one does on demand.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use system_tests::ports::Ports;
use system_tests::wait;

/// The program, below this package.
const PROGRAM: &str = "../../crates/server/src/dashboard/tests/mock.mjs";

/// A played cluster. Dropped, it is killed.
#[derive(Debug)]
pub struct Mock {
    process: Child,
    ports: Ports,
}

impl Mock {
    /// Plays so many members.
    pub fn start(members: u16, arguments: &[&str]) -> Mock {
        let ports = Ports::in_a_row(members + 1);
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        let mut command = Command::new("node");
        command.arg(program).args(["--port", &ports.numbers()[0].to_string()]);
        command.args(["--members", &members.to_string()]).args(arguments);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let mock = Mock { process, ports };
        wait::until_true("the played cluster is there", || !mock.ports.are_free());
        mock
    }

    /// The page of the parent, with its hands.
    pub fn dashboard(&self) -> String {
        format!("http://localhost:{}/#token=mock", self.ports.numbers()[0])
    }

    /// The page of a member, from 1.
    pub fn page(&self, member: usize) -> String {
        format!("http://localhost:{}/", self.ports.numbers()[member])
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
