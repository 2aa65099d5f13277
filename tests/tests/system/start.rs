//! What can be wrong when a member starts: each ends with an exit code and a message that says
//! what to do, and leaves the cluster unharmed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;

use system_tests::cluster::Cluster;
use system_tests::http;
use system_tests::ledger::Ledger;
use system_tests::load::Load;
use system_tests::ports::Ports;
use system_tests::program::{self, Ended};
use system_tests::scratch::Scratch;
use system_tests::wait;

/// Wrong usage, as docs/cli.md has it.
const USAGE: Option<i32> = Some(2);

/// A member that could not start.
const COULD_NOT_START: Option<i32> = Some(1);

/// `raftkv start` ended by itself, with this code and all these words.
fn check_refused(ended: &Ended, code: Option<i32>, words: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "it says {word:?}: {}", ended.stderr);
    }
}

fn start(directory: &Path, arguments: &[&str]) -> Ended {
    program::run(directory, &[&["start"], arguments].concat())
}

/// Starts a member of a cluster once more, by the same command line, in a directory of its own.
fn start_again(cluster: &mut Cluster, number: usize) -> Ended {
    let line: Vec<OsString> = cluster.member(number).command_line();
    program::run(Scratch::new().path(), &line)
}

/// Its log is on a full disk, often enough the one that made it end.
#[test]
fn who_can_not_tell_why_ends_with_the_same_code() {
    let scratch = Scratch::new();
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (arguments, code) in [
        (&["start", "--peers", "localhost"][..], USAGE),
        (&["start", "--data-dir", "/dev/null/here"], COULD_NOT_START),
    ] {
        let mut command = program::command(scratch.path(), arguments);
        let status = command.stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), code, "{arguments:?}");
    }
}

#[test]
fn contradictory_and_impossible_settings_are_wrong_usage() {
    let scratch = Scratch::new();
    let cases: [(&[&str], &str); 8] = [
        (&["--listen", "127.0.0.1:9001", "--port", "9002"], "drop one of the two"),
        (&["--listen", "0.0.0.0"], "--insecure"),
        (&["--peers", "10.0.0.2:8001"], "--advertise HOST:PORT is missing"),
        (&["--peers", "localhost:8002,127.0.0.1:8002"], "listed twice"),
        (&["--peers", "localhost"], "--peers"),
        (&["--node-id", "a b"], "--node-id"),
        (&["--election-timeout-ms", "100"], "heartbeats"),
        (&["--wal-segment-bytes", "5000"], "multiple of 4096"),
    ];
    for (arguments, words) in cases {
        check_refused(&start(scratch.path(), arguments), USAGE, &[words]);
    }
    check_refused(&start(scratch.path(), &["--prot", "8001"]), USAGE, &["--port"]);
    let made = fs::read_dir(scratch.path()).unwrap().count();
    assert_eq!(made, 2, "nothing was made but the two files of the output");
}

#[test]
fn a_settings_file_that_is_wrong_is_told_line_by_line() {
    let scratch = Scratch::new();
    let cases = [
        ("node_id = \"a\"\nelection_timeout = 5\n", "election_timeout"),
        ("port = \"many\"\n", "port"),
        ("port = \n", "raftkv.toml"),
    ];
    for (text, words) in cases {
        fs::write(scratch.path().join("raftkv.toml"), text).unwrap();
        check_refused(&start(scratch.path(), &[]), USAGE, &["raftkv.toml", "line", words]);
    }
    fs::remove_file(scratch.path().join("raftkv.toml")).unwrap();
    let missing = start(scratch.path(), &["--config", "none.toml"]);
    check_refused(&missing, USAGE, &["none.toml", "--config must name"]);
    let good = start(scratch.path(), &["--check-config", "--node-id", "a"]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert!(good.stdout.contains("the settings are valid"), "{good:?}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let scratch = Scratch::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let ended = start(scratch.path(), &["--port", &port]);
    let taken = format!("port {port} is taken");
    check_refused(&ended, COULD_NOT_START, &[&taken, "choose another --port"]);
}

#[test]
fn a_data_directory_that_can_not_be_used_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.path().join("file");
    fs::write(&file, "not a directory").unwrap();
    for data in [file.clone(), file.join("below")] {
        let ended = start(scratch.path(), &["--port", "0", "--data-dir", data.to_str().unwrap()]);
        check_refused(&ended, COULD_NOT_START, &[file.to_str().unwrap()]);
    }
    if let Some(unwritable) = unwritable(scratch.path()) {
        let data = unwritable.join("data");
        let ended = start(scratch.path(), &["--port", "0", "--data-dir", data.to_str().unwrap()]);
        check_refused(&ended, COULD_NOT_START, &[unwritable.to_str().unwrap()]);
    }
}

/// A directory in which nothing can be made, whoever runs the tests: root may write anywhere but
/// where the kernel itself says no.
fn unwritable(scratch: &Path) -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() {
        let path = scratch.join("read-only");
        fs::create_dir(&path).unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).unwrap();
        return Some(path);
    }
    let kernel = PathBuf::from("/sys");
    kernel.exists().then_some(kernel)
}

#[test]
fn a_data_directory_in_use_is_refused_and_its_user_goes_on() {
    let mut cluster = Cluster::start(3);
    let load = Load::start(&cluster);
    let ended = start_again(&mut cluster, 1);
    check_refused(&ended, COULD_NOT_START, &["in use by another process", "node-2"]);
    load.go_on();
    load.stop().check(&cluster);
}

#[test]
fn a_data_directory_of_another_member_is_refused() {
    let mut cluster = Cluster::start(3);
    let mut ledger = Ledger::default();
    ledger.write_done(&mut cluster.http(0), "k", "v");
    cluster.stop(2);
    let data = cluster.member(2).data();
    let scratch = Scratch::new();
    let name = ["--node-id", "node-7", "--port", "0", "--data-dir", data.to_str().unwrap()];
    let ended = start(scratch.path(), &name);
    check_refused(&ended, COULD_NOT_START, &["belongs to node-3, not to node-7"]);
    cluster.start_all();
    ledger.check(&cluster);
}

#[test]
fn a_member_that_was_wiped_while_the_cluster_lives_may_not_come_back() {
    let mut cluster = Cluster::start(3);
    let mut ledger = Ledger::default();
    ledger.write_done(&mut cluster.http(0), "before", "the wipe");
    let leader = cluster.leader();
    let victim = cluster.others(leader)[1];
    cluster.kill([victim]);
    let data = cluster.member(victim).data();
    let kept = data.with_extension("kept");
    fs::rename(&data, &kept).unwrap();
    let ended = start_again(&mut cluster, victim);
    let words = ["this cluster exists", "new or was wiped", "bring the old directory back"];
    check_refused(&ended, COULD_NOT_START, &words);
    ledger.write_done(&mut cluster.http(leader), "after", "the wipe");

    // What it says to do helps.
    fs::remove_dir_all(&data).unwrap();
    fs::rename(&kept, &data).unwrap();
    cluster.start_all();
    ledger.check(&cluster);
}

/// What befalls a data directory, and what its member says of it.
struct Damage {
    befall: fn(&Path),
    words: &'static [&'static str],
}

fn damage(befall: fn(&Path), words: &'static [&'static str]) -> Damage {
    Damage { befall, words }
}

/// A cluster with some writes, one follower of which was stopped.
struct Stopped {
    cluster: Cluster,
    ledger: Ledger,
    leader: usize,
    victim: usize,
    /// The data directory of that one.
    data: PathBuf,
}

fn follower_stopped() -> Stopped {
    let mut cluster = Cluster::start(3);
    let mut ledger = Ledger::default();
    for count in 0..50 {
        ledger.write_done(&mut cluster.http(0), &format!("k/{count}"), "v");
    }
    let leader = cluster.leader();
    let victim = cluster.others(leader)[0];
    cluster.stop(victim);
    let data = cluster.member(victim).data();
    Stopped { cluster, ledger, leader, victim, data }
}

#[test]
fn a_damaged_directory_is_refused_and_a_good_one_of_old_comes_back() {
    let Stopped { mut cluster, mut ledger, leader, victim, data } = follower_stopped();
    let cases = [
        damage(flip_in_the_newest_header, &["is corrupt at byte 0", "raftkv member replace"]),
        damage(flip_in_the_identity, &["IDENTITY", "is damaged"]),
        damage(remove_the_identity, &["holds a log but no IDENTITY"]),
        damage(remove_the_log, &["whose log is gone", "replace this member"]),
    ];
    let sound = data.with_extension("sound");
    copy(&data, &sound);
    for Damage { befall, words } in cases {
        befall(&data);
        check_refused(&start_again(&mut cluster, victim), COULD_NOT_START, words);
        fs::remove_dir_all(&data).unwrap();
        copy(&sound, &data);
    }
    ledger.write_done(&mut cluster.http(leader), "meanwhile", "two are enough");
    cluster.start_all();
    ledger.check(&cluster);
}

#[test]
fn a_damaged_log_is_repaired_and_what_it_lost_comes_back() {
    let Stopped { mut cluster, mut ledger, leader, data, .. } = follower_stopped();
    flip_in_the_log(&data);
    ledger.write_done(&mut cluster.http(leader), "meanwhile", "two are enough");
    cluster.start_all();
    ledger.check(&cluster);
    let names = fs::read_dir(data.join("wal")).unwrap().map(|entry| entry.unwrap().file_name());
    let aside = names.filter(|name| name.to_string_lossy().starts_with("damaged-")).count();
    assert_eq!(aside, 1, "the damaged segment is set aside");
}

/// Flips a bit in the header of the newest segment's second frame: frames follow it, so it can not
/// be the torn end of the last flush.
fn flip_in_the_log(data: &Path) {
    flip(&newest_segment(data), 2 * 4_096 + 40);
}

/// Flips a bit in the checksum that the newest segment's header has and its frames begin with:
/// nothing in it tells any more what the member promised.
fn flip_in_the_newest_header(data: &Path) {
    flip(&newest_segment(data), 12);
}

fn newest_segment(data: &Path) -> PathBuf {
    let segments = fs::read_dir(data.join("wal")).unwrap().map(|entry| entry.unwrap().path());
    let is_segment = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".wal") && !name.starts_with("damaged-")
    };
    segments.filter(is_segment).max().unwrap()
}

fn flip_in_the_identity(data: &Path) {
    flip(&data.join("IDENTITY"), 60);
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x01;
    fs::write(path, bytes).unwrap();
}

fn remove_the_identity(data: &Path) {
    fs::remove_file(data.join("IDENTITY")).unwrap();
}

fn remove_the_log(data: &Path) {
    fs::remove_dir_all(data.join("wal")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        match path.is_dir() {
            true => copy(&path, &target),
            false => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

#[test]
fn a_peer_of_another_protocol_version_is_refused_by_a_fresh_member() {
    let (scratch, ports) = (Scratch::new(), Ports::in_a_row(2));
    let [own, peer] = [0, 1].map(|at| ports.numbers()[at]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, peer)).unwrap();
    thread::spawn(move || {
        // It answers until the test ends; whoever asked and left does not count.
        for stream in listener.incoming().flatten() {
            answer_in_version_2(stream, peer).ok();
        }
    });
    let (own, peers) = (own.to_string(), format!("localhost:{peer}"));
    let ended = start(scratch.path(), &["--port", &own, "--peers", &peers]);
    let words = ["speaks version 2 of the peer protocol", "the same version of raftkv"];
    check_refused(&ended, COULD_NOT_START, &words);
}

fn answer_in_version_2(stream: std::net::TcpStream, port: u16) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let read = std::io::BufRead::read_until(&mut stream, b'\n', &mut request)?;
        if read == 0 {
            return Ok(());
        }
    }
    let page =
        format!("{{\"protocol_version\":2,\"state\":\"fresh\",\"address\":\"localhost:{port}\"}}");
    let length = page.len();
    write!(stream.get_mut(), "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{page}")
}

#[test]
fn a_member_that_never_flushes_says_so() {
    let (scratch, ports) = (Scratch::new(), Ports::in_a_row(1));
    let port = ports.numbers()[0];
    let line = ["start", "--port", &port.to_string(), "--unsafe-no-fsync"];
    let running = program::Running::start(scratch.path(), &line).unwrap();
    let status = wait::until("it answers", || {
        http::Http::new(port).request("GET", "/cluster/status", "").ok()
    });
    assert_eq!(status.json()["unsafe_no_fsync"], true);
    let words = "--unsafe-no-fsync: a power cut loses acknowledged writes";
    assert!(running.stderr().contains(words), "{}", running.stderr());
}

#[test]
fn a_member_says_whom_it_waits_for() {
    let (mut cluster, silent) = (Cluster::prepare(3), 2);
    (0..silent).for_each(|number| cluster.member(number).start());
    let port = cluster.ports()[silent];
    let waits = |cluster: &mut Cluster| {
        let log = cluster.member(0).log();
        log.contains("waiting for peers") && log.contains(&format!("localhost:{port} ("))
    };
    wait::until_true("it names the missing peer", || waits(&mut cluster));
    let mut client = http::Http::new(cluster.ports()[0]);
    assert_eq!(client.get("/livez").status, 200);
    let health = client.get("/health");
    assert_eq!(health.status, 503);
    assert!(health.body.contains(&format!("localhost:{port}")), "{health:?}");
    let write = client.request("PUT", "/kv/k", r#"{"value":"v"}"#).unwrap();
    assert_eq!((write.status, write.code().as_str()), (503, "unavailable"));
    cluster.start_all();
    cluster.leader();
    Ledger::default().check(&cluster);
}
