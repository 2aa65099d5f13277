//! Members in containers: `compose.yaml` at the root, built and run by the Docker that is here,
//! under a name of the test's own. Its ports are the file's, so one test runs at a time.

use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use crate::deployed::repository;
use crate::wait;

/// Where `compose.yaml` publishes the members.
pub const PORTS: [u16; 3] = [8001, 8002, 8003];

/// What the members' services are called, in the order of their ports.
pub const SERVICES: [&str; 3] = ["raftkv-1", "raftkv-2", "raftkv-3"];

/// The image that is built.
pub const IMAGE: &str = "raftkv:latest";

/// Members of `compose.yaml`. Dropped, they go with their volumes and networks.
#[derive(Debug)]
pub struct Containers {
    project: String,
}

impl Containers {
    /// Builds the image; nothing runs yet.
    pub fn build() -> Containers {
        let containers = Containers { project: format!("raftkv-test-{}", std::process::id()) };
        containers.compose(&["build"]);
        containers
    }

    /// Starts all members, in the background.
    pub fn up(&self) {
        self.compose(&["up", "--detach", "--no-build"]);
    }

    /// Stops and starts them all in good order.
    pub fn restart(&self) {
        self.compose(&["restart"]);
    }

    /// `docker VERB CONTAINER`, of the member `number`, from 0.
    pub fn docker(&self, verb: &str, number: usize) {
        said(docker(&[verb, &self.id(number)]));
    }

    /// The program in the container of a member.
    pub fn exec(&self, number: usize, arguments: &[&str]) -> Output {
        let id = self.id(number);
        docker(&[&["exec", &id, "raftkv"], arguments].concat()).output().unwrap()
    }

    /// Cuts a member off from the others, and from this machine.
    pub fn disconnect(&self, number: usize) {
        said(docker(&["network", "disconnect", &self.network(), &self.id(number)]));
    }

    /// Ends that.
    pub fn connect(&self, number: usize) {
        let (network, id) = (self.network(), self.id(number));
        said(docker(&["network", "connect", "--alias", SERVICES[number], &network, &id]));
    }

    /// A field of what Docker knows of a member's container, as a template of Go names it.
    pub fn inspect(&self, number: usize, field: &str) -> String {
        inspect(&self.id(number), field)
    }

    /// Waits until Docker finds all members healthy.
    pub fn wait_healthy(&self) {
        for (number, service) in SERVICES.iter().enumerate() {
            wait::until_true(&format!("{service} is healthy"), || {
                self.inspect(number, "{{.State.Health.Status}}") == "healthy"
            });
        }
    }

    fn id(&self, number: usize) -> String {
        let id = self.compose(&["ps", "--quiet", SERVICES[number]]);
        assert!(!id.is_empty(), "{} has a container", SERVICES[number]);
        id
    }

    fn network(&self) -> String {
        format!("{}_default", self.project)
    }

    fn compose(&self, arguments: &[&str]) -> String {
        said(self.compose_command(arguments))
    }

    fn compose_command(&self, arguments: &[&str]) -> Command {
        let plugin = docker(&["compose", "version"]).output().unwrap().status.success();
        let mut command = match plugin {
            true => docker(&["compose"]),
            false => Command::new("docker-compose"),
        };
        command.args(["--project-name", &self.project]).args(arguments);
        command.current_dir(repository());
        command
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        if thread::panicking() {
            let logs = self.compose_command(&["logs", "--tail=25", "--no-color"]).output().unwrap();
            eprintln!("{}", String::from_utf8_lossy(&logs.stdout));
        }
        // What can not be removed is seen by whoever looks.
        self.compose_command(&["down", "--volumes", "--timeout=1"]).output().ok();
    }
}

/// A field of what Docker knows of a container or an image.
pub fn inspect(name: &str, field: &str) -> String {
    said(docker(&["inspect", "--format", field, name]))
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).current_dir(Path::new("/"));
    command
}

/// Runs a command that must succeed; what it printed, without the space around it.
fn said(mut command: Command) -> String {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
