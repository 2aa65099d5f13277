//! Every command of docs/raft-by-hand.md, word for word but for the port, with the real curl,
//! against a member whose two peers have been killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs};

use system_tests::cluster::Cluster;
use system_tests::document::{Block, Step, blocks, matches};
use system_tests::wait;

/// Ends the output of a command.
const MARK: &str = "@@ the command above ended with ";

/// What the page calls the members, and where it finds the third.
const NAMES: [(&str, &str); 2] = [("node-8001", "node-1"), ("node-8002", "node-2")];
const PORT: &str = "localhost:8003";

fn steps() -> Vec<Step> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/raft-by-hand.md");
    let consoles = blocks(&fs::read_to_string(page).unwrap()).into_iter();
    let steps = consoles.map(|block| match block {
        Block::Console(steps) => steps,
        Block::Sh(_) => panic!("the page has commands whose output it does not show"),
    });
    steps.flatten().collect()
}

/// All commands in one shell, so that what one sets the next one has.
fn printed_by(steps: &[Step], port: u16) -> Vec<(String, String)> {
    let script = steps.iter().map(|step| {
        let mut command = step.command.replace(PORT, &format!("localhost:{port}"));
        NAMES.iter().for_each(|(name, ours)| command = command.replace(name, ours));
        format!("{command}\necho\necho \"{MARK}$?\"\n")
    });
    let mut shell = Command::new("sh");
    shell.args(["-c", &script.collect::<String>()]).stdin(Stdio::null());
    let ended = shell.output().unwrap();
    assert!(ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    let printed = String::from_utf8(ended.stdout).unwrap();
    // Each part but the first begins with the code of the command before it.
    let outputs = printed.split(MARK).enumerate().map(|(number, part)| match number {
        0 => part,
        _ => part.split_once('\n').unwrap_or_default().1,
    });
    let commands = steps.iter().map(|step| step.command.clone());
    commands.zip(outputs.map(str::to_owned)).collect()
}

#[test]
fn the_page_is_played_as_it_is_written() {
    let mut cluster = Cluster::prepare_with(3, 0, &["--raft-http"]);
    cluster.start_all();
    cluster.leader();
    for number in [0, 1] {
        cluster.member(number).kill();
    }
    let mut http = cluster.http(2);
    wait::until_true("the third member knows no leader", || {
        http.get("/cluster/status").json()["leader"].is_null()
    });
    let steps = steps();
    assert!(steps.len() >= 12, "the page has lost its commands");
    let printed = printed_by(&steps, cluster.ports()[2]);
    assert_eq!(printed.len(), steps.len());
    for (Step { output, .. }, (command, printed)) in steps.iter().zip(&printed) {
        assert!(matches(output, printed), "{command} printed\n{printed}instead of\n{output}");
    }
}
