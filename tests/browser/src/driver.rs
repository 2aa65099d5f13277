//! The process of chromedriver, on a port that it chose.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use system_tests::scratch::Scratch;
use system_tests::wait;

/// What it prints, before its port.
const STARTED: &str = "was started successfully on port ";

/// How many are started, at most, until one has a port.
const ATTEMPTS: usize = 3;

/// A chromedriver. Dropped, it is killed; its browsers are ended before by whoever has them.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    port: u16,
    _scratch: Scratch,
}

impl Driver {
    /// Starts one, and another if the first gives up: it asks for a port of IPv4 and then wants the
    /// same one of IPv6, which somebody else may have.
    pub(crate) fn start() -> Driver {
        let mut said = Vec::new();
        for _ in 0..ATTEMPTS {
            match Driver::try_start() {
                Ok(driver) => return driver,
                Err(last_words) => said.push(last_words),
            }
        }
        panic!("chromedriver gave up {ATTEMPTS} times: {said:#?}");
    }

    /// What it said, if it ended without a port.
    fn try_start() -> Result<Driver, String> {
        let scratch = Scratch::new();
        let output = scratch.path().join("chromedriver");
        let file = File::create(&output).unwrap();
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null());
        command.stdout(file.try_clone().unwrap()).stderr(file);
        let process = command.spawn().expect("chromedriver is installed");
        let mut driver = Driver { process, port: 0, _scratch: scratch };
        driver.port = wait::until("chromedriver says its port, or ends", || {
            let ended = driver.process.try_wait().unwrap().is_some();
            let said = fs::read_to_string(&output).unwrap();
            port(&said).map(Ok).or_else(|| ended.then_some(Err(said)))
        })?;
        Ok(driver)
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

fn port(said: &str) -> Option<u16> {
    let (_, port) = said.split_once(STARTED)?;
    port.split_once('.')?.0.parse().ok()
}
