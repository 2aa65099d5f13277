//! `raftkv dev` as a user has it: one command, real child processes, Ctrl-C, and the door through
//! which its members are broken by hand.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::cluster::leader_named_by;
use crate::http::{Answer, Http};
use crate::ports::Ports;
use crate::program::Running;
use crate::scratch::Scratch;
use crate::wait;

/// `raftkv dev` in a directory and on ports of its own.
#[derive(Debug)]
pub struct Dev {
    scratch: Scratch,
    ports: Ports,
    running: Running,
}

impl Dev {
    /// So many members, and ports for so many that are added later; not announced yet.
    pub fn start(members: u16, later: u16, arguments: &[&str]) -> Dev {
        // The last one is the dashboard's.
        let (scratch, ports) = (Scratch::new(), Ports::in_a_row(members + later + 1));
        let count = members.to_string();
        let line = [&["--members", &count], arguments].concat();
        let running = launch(&scratch, &ports, &line);
        Dev { scratch, ports, running }
    }

    /// Runs it once more, where the run before ended.
    pub fn start_again(&mut self, arguments: &[&str]) {
        self.running = launch(&self.scratch, &self.ports, arguments);
    }

    /// What the terminal does at Ctrl-C: a signal to the parent, which the children do not see.
    pub fn interrupt(&mut self) {
        let process = Pid::from_raw(self.running.id().cast_signed()).unwrap();
        kill_process(process, Signal::INT).unwrap();
        assert_eq!(self.running.wait(), Some(0), "{}", self.running.stderr());
    }

    /// `kill -9` to the parent.
    pub fn kill(&mut self) {
        self.running.kill();
    }

    /// Waits until the parent has said where the members are.
    pub fn wait_announced(&self) {
        wait::until_true("the members are announced", || self.says("Ctrl-C stops them"));
    }

    /// Whether the parent has said this.
    pub fn says(&self, text: &str) -> bool {
        self.running.stdout().contains(text)
    }

    /// All that the parent has said.
    pub fn stdout(&self) -> String {
        self.running.stdout()
    }

    /// Waits until nobody listens at any port.
    pub fn wait_ended(&self) {
        wait::until_true("no member is left", || self.ports.are_free());
    }

    /// Whether nobody listens at any port.
    pub fn has_ended(&self) -> bool {
        self.ports.are_free()
    }

    /// Where data and logs are.
    pub fn directory(&self) -> &std::path::Path {
        self.scratch.path()
    }

    /// The port of a member, by its number from 1 on.
    pub fn port(&self, number: usize) -> u16 {
        self.ports.numbers()[number - 1]
    }

    /// A client of a member, by its number from 1 on.
    pub fn http(&self, number: usize) -> Http {
        Http::new(self.port(number))
    }

    /// The port of the dashboard.
    pub fn dashboard_port(&self) -> u16 {
        self.ports.numbers()[self.ports.numbers().len() - 1]
    }

    /// What is behind `#token=` in the URL that was printed.
    pub fn token(&self) -> String {
        let said = self.running.stdout();
        let (_, token) = said.split_once("/#token=").expect("the banner names the dashboard");
        token.lines().next().unwrap().to_owned()
    }

    /// A request to the door, with these header lines and this body.
    pub fn ask(&self, line: &str, headers: &str, body: &str) -> Answer {
        let port = self.dashboard_port();
        let host = if headers.contains("Host:") {
            String::new()
        } else {
            format!("Host: localhost:{port}\r\n")
        };
        let length = body.len();
        let head = format!("{line} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\n\r\n");
        Http::new(port).send(format!("{head}{body}").as_bytes()).unwrap()
    }

    /// `POST dev/do`, as the dashboard sends it.
    pub fn try_to(&self, action: &Value) -> Answer {
        let token = self.token();
        let headers = format!("Raftkv-Dev-Token: {token}\r\nContent-Type: application/json\r\n");
        self.ask("POST /dev/do", &headers, &action.to_string())
    }

    /// The same of what is done; answers the state after it.
    pub fn act(&self, action: &Value) -> Value {
        let answer = self.try_to(action);
        assert_eq!(answer.status, 200, "{action}: {answer:?}");
        answer.json()
    }

    /// Does something to one member, by its number.
    pub fn act_on(&self, action: &str, number: usize) -> Value {
        self.act(&json!({ "do": action, "member": name(number) }))
    }

    /// `GET dev/state`.
    pub fn state(&self) -> Value {
        let answer =
            self.ask("GET /dev/state", &format!("Raftkv-Dev-Token: {}\r\n", self.token()), "");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What the state says of one member, by its number.
    pub fn member(&self, number: usize) -> Value {
        let state = self.state();
        let members = state["members"].as_array().unwrap();
        members.iter().find(|member| member["name"] == name(number)).unwrap().clone()
    }

    /// The number of the member that all of these name as their leader; it is one of them.
    pub fn leader_among(&self, members: &[usize]) -> usize {
        wait::until("the members agree on a leader", || {
            let named: Vec<String> = members
                .iter()
                .map(|number| leader_named_by(&mut self.http(*number)))
                .collect::<Option<_>>()?;
            let first = members.iter().find(|number| name(**number) == named[0])?;
            named.iter().all(|leader| *leader == named[0]).then_some(*first)
        })
    }

    /// A write through one member is acknowledged, sooner or later.
    pub fn write(&self, number: usize, key: &str) {
        let mut http = self.http(number);
        wait::until_true("a write is acknowledged", || {
            let answer =
                http.request("PUT", &format!("/kv/{key}?timeout_ms=1000"), r#"{"value":"v"}"#);
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }
}

/// What the member with this number is called.
pub fn name(number: usize) -> String {
    format!("node-{number}")
}

fn launch(scratch: &Scratch, ports: &Ports, arguments: &[&str]) -> Running {
    let numbers = ports.numbers();
    let (port, dashboard) = (numbers[0].to_string(), numbers[numbers.len() - 1].to_string());
    let line = [&["dev", "--port", &port, "--dashboard-port", &dashboard], arguments].concat();
    Running::start(scratch.path(), &line).unwrap()
}

impl Drop for Dev {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (said, errors) = (self.running.stdout(), self.running.stderr());
            eprintln!("--- what dev said\n{said}{errors}");
        }
    }
}
