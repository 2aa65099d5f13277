//! A `raftkv dev` of a test's own.

use serde_json::Value;
use system_tests::http::Http;
use system_tests::ports::Ports;
use system_tests::program::Running;
use system_tests::scratch::Scratch;
use system_tests::wait;

/// Members on ports of their own, with their parent.
#[derive(Debug)]
pub struct Dev {
    running: Running,
    ports: Ports,
    _scratch: Scratch,
}

impl Dev {
    /// Starts so many members, and waits until they are announced.
    pub fn start(members: u16, arguments: &[&str]) -> Dev {
        // One more for the door of the parent.
        let (scratch, ports) = (Scratch::new(), Ports::in_a_row(members + 1));
        let numbers = ports.numbers();
        let (port, control) = (numbers[0].to_string(), numbers[usize::from(members)].to_string());
        let count = members.to_string();
        let line =
            ["dev", "--port", &port, "--members", &count, "--dashboard-port", &control, "--fresh"];
        let running = Running::start(scratch.path(), &[&line, arguments].concat()).unwrap();
        let dev = Dev { running, ports, _scratch: scratch };
        wait::until_true("the members are announced", || {
            dev.running.stdout().contains("Ctrl-C stops them")
        });
        dev
    }

    /// The dashboard as it is printed, with the token.
    pub fn dashboard(&self) -> String {
        let said = self.running.stdout();
        let begins = |word: &&str| word.starts_with("http://") && word.contains("#token=");
        said.split_whitespace().find(begins).expect("the URL is printed").to_owned()
    }

    /// Does something by hand, as the page's buttons do.
    pub fn act(&self, deed: &Value) -> Value {
        self.ask("POST", "/dev/do", &deed.to_string())
    }

    /// Members, links and load, as the parent sees them.
    pub fn state(&self) -> Value {
        self.ask("GET", "/dev/state", "")
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let dashboard = self.dashboard();
        let (page, token) = dashboard.split_once("#token=").unwrap();
        let port = page.trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nRaftkv-Dev-Token: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = Http::new(port).send(request.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// Where the page of a member is, from 1.
    pub fn page(&self, member: usize) -> String {
        format!("http://localhost:{}/", self.ports.numbers()[member - 1])
    }

    /// A client of a member, from 1.
    pub fn http(&self, member: usize) -> Http {
        Http::new(self.ports.numbers()[member - 1])
    }

    /// Puts a value, waiting until it is acknowledged.
    pub fn put(&self, member: usize, key: &str, body: &str) {
        let mut http = self.http(member);
        wait::until_true("a write is acknowledged", || {
            let answer = http.request("PUT", &format!("/kv/{key}"), body);
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// The name of the member that leads, as a member says; none if it knows of none.
    pub fn leader(&self, asked: usize) -> Option<String> {
        let answer = self.http(asked).request("GET", "/cluster/leader", "").ok()?;
        let Value::String(name) = answer.json()["leader"]["name"].take() else { return None };
        Some(name)
    }
}
