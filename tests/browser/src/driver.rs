//! The process of chromedriver, on a port that it chose.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use system_tests::scratch::Scratch;
use system_tests::wait;

/// What it prints, before its port.
const STARTED: &str = "was started successfully on port ";

/// A chromedriver. Dropped, it is killed; its browsers are ended before by whoever has them.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    port: u16,
    _scratch: Scratch,
}

impl Driver {
    pub(crate) fn start() -> Driver {
        let scratch = Scratch::new();
        let output = scratch.path().join("chromedriver");
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null());
        command.stdout(File::create(&output).unwrap()).stderr(Stdio::null());
        let process = command.spawn().expect("chromedriver is installed");
        let port = wait::until("chromedriver says its port", || {
            let said = fs::read_to_string(&output).unwrap();
            let (_, port) = said.split_once(STARTED)?;
            port.split_once('.')?.0.parse().ok()
        });
        Driver { process, port, _scratch: scratch }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
