//! Users and roles on real members: what is granted holds through each of them, what is taken away
//! is gone through all of them at once, and nothing of it is lost by crashes, joins and backups.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use system_tests::cluster::Cluster;
use system_tests::http::Answer;
use system_tests::program::{self, Ended, Running};
use system_tests::wait;
use system_tests::watch::Stream;

const ROOT: &str = "root:secret";
const ADA: &str = "ada:lovelace";

/// The headers with which a user shows itself, in base64 by hand: nothing of ours is used here.
const AS_ROOT: &str = "Authorization: Basic cm9vdDpzZWNyZXQ=\r\n";
const AS_ADA: &str = "Authorization: Basic YWRhOmxvdmVsYWNl\r\n";

/// Of `raftkv`: what was asked can not be had.
const REFUSED: Option<i32> = Some(2);

/// Longer than looking at passwords takes on a machine that is busy with other tests.
const TIMEOUT: &str = "40s";

/// `raftkv` with these words, and standard input; it asks all members.
fn raftkv(cluster: &Cluster, line: &[&str], stdin: &str) -> Ended {
    let ports = cluster.ports();
    let endpoints: Vec<String> = ports.iter().map(|port| format!("localhost:{port}")).collect();
    let mut command = program::command(cluster.directory(), line);
    command.env("RAFTKV_ENDPOINTS", endpoints.join(",")).env("RAFTKV_TIMEOUT", TIMEOUT);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // One that reads nothing may have ended.
    process.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The same of a user, where it must be done; what it prints.
fn done(cluster: &Cluster, user: &str, line: &str) -> String {
    let words: Vec<&str> = ["--user", user].into_iter().chain(line.split(' ')).collect();
    let ended = raftkv(cluster, &words, "");
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    ended.stdout
}

/// A request with further headers to one member.
fn ask(cluster: &Cluster, number: usize, headers: &str, line: &str, body: &str) -> Answer {
    let (port, length) = (cluster.ports()[number], body.len());
    let head = format!("{line} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}");
    let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    cluster.http(number).send(request.as_bytes()).unwrap()
}

/// A user ada who may read and write below `app/`; authentication is on.
fn turn_on(cluster: &Cluster) {
    for (line, stdin) in [
        ("user add root --password-stdin", "secret\n"),
        ("user grant root root", ""),
        ("user add ada --password-stdin", "lovelace"),
        ("role add app", ""),
        ("role grant app readwrite --prefix app/", ""),
        ("user grant ada app", ""),
        ("auth enable", ""),
    ] {
        let ended = raftkv(cluster, &line.split(' ').collect::<Vec<_>>(), stdin);
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    }
}

fn started(later: u16) -> Cluster {
    let mut cluster = Cluster::prepare_with(3, later, &[]);
    cluster.start_all();
    cluster.leader();
    turn_on(&cluster);
    cluster
}

#[test]
fn a_user_has_what_its_roles_have_through_each_member_and_loses_it_through_all_at_once() {
    let cluster = started(0);
    for number in cluster.numbers() {
        let own = format!("/kv/app/{number}");
        let put = |headers, target: &str| {
            ask(&cluster, number, headers, &format!("PUT {target}"), r#"{"value":"v"}"#)
        };
        let get =
            |headers, target: &str| ask(&cluster, number, headers, &format!("GET {target}"), "");
        assert_eq!(put(AS_ADA, &own).status, 200, "{number}");
        assert_eq!(get(AS_ADA, &own).json()["value"], "v", "{number}");
        assert_eq!(get(AS_ADA, "/kv?prefix=app/").status, 200, "{number}");
        for refused in [
            put(AS_ADA, "/kv/other"),
            get(AS_ADA, "/kv/other"),
            get(AS_ADA, "/kv?prefix=ap"),
            get(AS_ADA, "/users"),
            get(AS_ADA, "/snapshot"),
            put(AS_ADA, "/users/ada/roles/root"),
        ] {
            let told = (refused.status, refused.code());
            assert_eq!(told, (403, "permission_denied".to_owned()), "{number}: {refused:?}");
        }
        assert_eq!(put("", &own).code(), "unauthenticated", "{number}");
        assert!(get("", &own).header("www-authenticate").is_some(), "{number}");
    }

    // The same as the command line has it.
    assert_eq!(done(&cluster, ADA, "get app/0"), "app/0 = v\n");
    let denied = raftkv(&cluster, &["--user", ADA, "put", "other", "v"], "");
    assert_eq!(denied.code, REFUSED, "{denied:?}");
    assert!(denied.stderr.contains("Ask root for a role"), "{denied:?}");
    let nobody = raftkv(&cluster, &["get", "app/0"], "");
    assert_eq!(nobody.code, REFUSED, "{nobody:?}");
    assert!(nobody.stderr.contains("name a user with --user"), "{nobody:?}");
    let silent = raftkv(&cluster, &["--user", "ada", "get", "app/0"], "");
    assert_eq!(silent.code, REFUSED, "{silent:?}");
    assert!(silent.stderr.contains("standard input is no terminal"), "{silent:?}");

    let mut by_variable = program::command(cluster.directory(), &["get", "app/0", "-o", "plain"]);
    let address = format!("localhost:{}", cluster.ports()[0]);
    let output = by_variable.envs([("RAFTKV_USER", ADA), ("RAFTKV_ENDPOINTS", &address)]).output();
    assert_eq!(output.unwrap().stdout, b"v\n");

    // Somebody watches, through each member.
    let mut streams: Vec<Stream> = cluster
        .ports()
        .into_iter()
        .map(|port| Stream::open_as(port, "prefix=app/", None, AS_ADA).unwrap())
        .collect();

    done(&cluster, ROOT, "role revoke app --prefix app/");
    for number in cluster.numbers() {
        for line in ["PUT /kv/app/x", "GET /kv/app/0"] {
            let refused = ask(&cluster, number, AS_ADA, line, r#"{"value":"v"}"#);
            assert_eq!(refused.code(), "permission_denied", "{number}: {line}: {refused:?}");
        }
    }
    for stream in &mut streams {
        let last = last_of(stream);
        assert!(last.contains("event: error") && last.contains("permission_denied"), "{last}");
    }
}

/// The last message that a stream tells before it ends.
fn last_of(stream: &mut Stream) -> String {
    let mut last = String::new();
    while let Some(message) = stream.message().unwrap() {
        last = message;
    }
    last
}

#[test]
fn users_and_tokens_survive_the_end_of_all_members_and_tokens_end_with_their_password() {
    let mut cluster = started(0);
    let body = r#"{"user":"ada","password":"lovelace"}"#;
    let answer = ask(&cluster, 0, "", "POST /auth/login", body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["token"].as_str().unwrap().to_owned();
    let as_token = format!("Authorization: Bearer {token}\r\n");
    let wrong = ask(&cluster, 1, "", "POST /auth/login", &body.replace("love", "hate"));
    assert_eq!(wrong.code(), "unauthenticated", "{wrong:?}");

    let status_through_each = |cluster: &Cluster, expected: u16| {
        for number in cluster.numbers() {
            let answer = ask(cluster, number, &as_token, "PUT /kv/app/t", r#"{"value":"v"}"#);
            assert_eq!(answer.status, expected, "{number}: {answer:?}");
        }
    };
    status_through_each(&cluster, 200);
    let listed = done(&cluster, ROOT, "user list -o plain");

    cluster.kill(cluster.numbers());
    cluster.start_all();
    cluster.leader();
    status_through_each(&cluster, 200);
    assert_eq!(done(&cluster, ROOT, "user list -o plain"), listed);
    assert_eq!(listed, "ada\tyes\tapp\nroot\tyes\troot\n");
    assert_eq!(done(&cluster, ADA, "auth status"), "authentication is on; you are ada\n");

    let line = ["--user", ROOT, "user", "passwd", "ada", "--password-stdin"];
    let changed = raftkv(&cluster, &line, "byron\n");
    assert_eq!(changed.code, Some(0), "{changed:?}");
    status_through_each(&cluster, 401);
    for number in cluster.numbers() {
        let old = ask(&cluster, number, AS_ADA, "GET /kv/app/t", "");
        assert_eq!(old.code(), "unauthenticated", "{number}: {old:?}");
    }
    assert_eq!(done(&cluster, "ada:byron", "get app/t"), "app/t = v\n");
    done(&cluster, ROOT, "auth disable");
    assert_eq!(ask(&cluster, 2, "", "GET /kv/app/t", "").json()["value"], "v");
    cluster.check_converged();
}

#[test]
fn a_token_that_was_ended_is_refused_by_each_member_and_after_a_restart() {
    let mut cluster = started(0);
    let log_in = || {
        let body = r#"{"user":"ada","password":"lovelace"}"#;
        let answer = ask(&cluster, 0, "", "POST /auth/login", body);
        format!("Authorization: Bearer {}\r\n", answer.json()["token"].as_str().unwrap())
    };
    let (ended, other) = (log_in(), log_in());
    let mut streams: Vec<Stream> = cluster
        .ports()
        .into_iter()
        .map(|port| Stream::open_as(port, "prefix=app/", None, &ended).unwrap())
        .collect();
    let put = |cluster: &Cluster, number: usize, headers: &str| {
        ask(cluster, number, headers, "PUT /kv/app/t", r#"{"value":"v"}"#)
    };
    for number in cluster.numbers() {
        assert_eq!(put(&cluster, number, &ended).status, 200, "{number}");
    }
    let basic = ask(&cluster, 1, AS_ADA, "POST /auth/logout", "");
    assert_eq!((basic.status, basic.code().as_str()), (400, "no_token"), "{basic:?}");

    let done = ask(&cluster, 1, &ended, "POST /auth/logout", "");
    assert_eq!((done.status, &done.json()["status"]), (200, &"changed".into()), "{done:?}");
    // The member that answered first: it has applied the end, and lets no write in any more.
    for number in [1, 0, 2] {
        for line in ["GET /kv/app/t", "POST /auth/logout"] {
            let refused = ask(&cluster, number, &ended, line, "");
            assert_eq!(refused.code(), "unauthenticated", "{number}: {line}: {refused:?}");
        }
        let refused = put(&cluster, number, &ended);
        assert_eq!(refused.code(), "unauthenticated", "{number}: {refused:?}");
        assert_eq!(put(&cluster, number, &other).status, 200, "{number}");
    }
    for stream in &mut streams {
        let last = last_of(stream);
        assert!(last.contains("event: error") && last.contains("unauthenticated"), "{last}");
    }

    cluster.kill(cluster.numbers());
    cluster.start_all();
    cluster.leader();
    for number in cluster.numbers() {
        assert_eq!(put(&cluster, number, &ended).code(), "unauthenticated", "{number}");
        assert_eq!(put(&cluster, number, &other).status, 200, "{number}");
    }
    cluster.check_converged();
}

fn wait_until_it_is(cluster: &Cluster, port: u16, standing: &str) {
    let address = format!("localhost:{port}");
    wait::until_true(&format!("the new member is a {standing}"), || {
        let page = cluster.http(1).get("/cluster/members").json();
        let members = page["members"].as_array().unwrap();
        members.iter().any(|member| member["address"] == address && member["standing"] == standing)
    });
}

#[test]
fn a_member_joins_on_behalf_of_root_alone() {
    let mut cluster = started(1);
    let port = cluster.spare_port();
    for (user, words) in [
        (None, "unauthenticated"),
        (Some(ADA), "permission_denied"),
        (Some("root:wrong"), "unauthenticated"),
    ] {
        let given: Vec<&str> = user.into_iter().flat_map(|user| ["--join-user", user]).collect();
        let refused = cluster.add_as("node-4", port, 0, &given);
        cluster.forget(refused);
        let line = cluster.member(refused).command_line();
        let ended = program::run(cluster.directory(), &line);
        assert_eq!(ended.code, Some(1), "{user:?}: {ended:?}");
        for word in [words, "set --join-user NAME:PASSWORD"] {
            assert!(ended.stderr.contains(word), "{user:?}: {word}: {ended:?}");
        }
    }

    // Root brings it in, and its vote too.
    let fourth = cluster.add_as("node-4", port, 0, &["--join-user", ROOT]);
    cluster.member(fourth).start();
    wait_until_it_is(&cluster, port, "voter");
    let through = ask(&cluster, fourth, AS_ADA, "PUT /kv/app/4", r#"{"value":"v"}"#);
    assert_eq!(through.status, 200, "{through:?}");
    assert_eq!(ask(&cluster, fourth, "", "GET /kv/app/4", "").code(), "unauthenticated");
    assert!(!cluster.member(fourth).log().contains("secret"), "its log tells the password");
    cluster.check_converged();
}

#[test]
fn a_learner_that_may_not_ask_for_its_vote_says_what_to_set_and_goes_on() {
    let mut cluster = started(1);
    let fourth = cluster.add(0, &["--learner", "--join-user", ROOT]);
    let port = cluster.ports()[fourth];
    cluster.member(fourth).start();
    wait_until_it_is(&cluster, port, "learner");
    // What it has in its log it need not be told again.
    wait::until_true("it has the log", || {
        let status = cluster.http(fourth).request("GET", "/cluster/status", "");
        status.is_ok_and(|status| status.json()["log"]["applied"].as_u64() > Some(0))
    });
    cluster.stop(fourth);

    // The same without the user, who may do nothing for it any more; and it wants to vote now.
    let line = cluster.member(fourth).command_line();
    let line: Vec<_> = line
        .into_iter()
        .filter(|word| word != "--learner" && word != "--join-user" && word != ROOT)
        .collect();
    let again = Running::start(cluster.directory(), &line).unwrap();
    wait::until_true("it says why it does not vote", || {
        let log = again.stderr();
        log.contains("this member was not promoted") && log.contains("set --join-user")
    });
    wait_until_it_is(&cluster, port, "learner");
    wait::until_true("root promotes it", || {
        let line = ["--user", ROOT, "member", "promote", "node-4"];
        raftkv(&cluster, &line, "").code == Some(0)
    });
    wait_until_it_is(&cluster, port, "voter");
}

#[test]
fn a_backup_is_for_root_and_has_the_users() {
    let old = started(0);
    done(&old, ADA, "put app/k v");
    let file = old.directory().join("backup");
    let file = file.to_str().unwrap();
    let denied = raftkv(&old, &["--user", ADA, "snapshot", "save", file], "");
    assert_eq!(denied.code, REFUSED, "{denied:?}");
    assert!(!std::path::Path::new(file).exists());
    done(&old, ROOT, &format!("snapshot save {file}"));

    let mut new = Cluster::prepare(1);
    let (data, port) = (new.member(0).data(), new.member(0).port());
    let (data, address) = (data.to_str().unwrap(), format!("localhost:{port}"));
    let line = ["snapshot", "restore", file, "--data", data, "--advertise", &address];
    let restored = program::run(new.directory(), &line);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    new.start_all();
    new.leader();
    assert_eq!(ask(&new, 0, "", "GET /kv/app/k", "").code(), "unauthenticated");
    assert_eq!(done(&new, ADA, "get app/k"), "app/k = v\n");
    let role: Value = serde_json::from_str(&done(&new, ROOT, "role get app -o json")).unwrap();
    assert_eq!(role["permissions"][0]["prefix"], "app/", "{role}");
    assert_eq!(ask(&new, 0, AS_ROOT, "GET /auth", "").json()["user"], "root");
}

#[test]
fn an_empty_password_lets_nobody_in_and_can_not_be_set() {
    let cluster = started(0);
    done(&cluster, ROOT, "user add no-password --no-password");
    done(&cluster, ROOT, "user grant no-password root");
    for (user, basic) in [
        ("ada", "YWRhOg=="),
        ("root", "cm9vdDo="),
        ("no-password", "bm8tcGFzc3dvcmQ6"),
        ("nobody", "bm9ib2R5Og=="),
        ("", "Og=="),
    ] {
        let pair = format!(r#"{{"user":"{user}","password":""}}"#);
        let etcds = format!(r#"{{"name":"{user}","password":""}}"#);
        let as_user = format!("Authorization: Basic {basic}\r\n");
        for answer in [
            ask(&cluster, 0, "", "POST /auth/login", &pair),
            ask(&cluster, 0, "", "POST /v3/auth/authenticate", &etcds),
            ask(&cluster, 0, &as_user, "GET /kv/app/1", ""),
            ask(&cluster, 0, &as_user, "PUT /kv/app/1", r#"{"value":"v"}"#),
        ] {
            // etcd has no code for a user who gets in by other means: 500, in its words.
            let is_etcds = answer.body.contains("no password user");
            assert!([400, 401].contains(&answer.status) || is_etcds, "{user}: {answer:?}");
            assert!(answer.json()["token"].is_null(), "{user}: {answer:?}");
        }
    }
    for (line, body) in [
        ("POST /users", r#"{"name":"new","password":""}"#),
        ("PUT /users/ada/password", r#"{"password":""}"#),
    ] {
        let answer = ask(&cluster, 0, AS_ROOT, line, body);
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_parameter"), "{answer:?}");
    }
    for line in ["user add new --password-stdin", "user passwd ada --password-stdin"] {
        let words: Vec<&str> = ["--user", ROOT].into_iter().chain(line.split(' ')).collect();
        let ended = raftkv(&cluster, &words, "\n");
        assert_eq!(ended.code, REFUSED, "{ended:?}");
        assert!(ended.stderr.contains("the password is empty"), "{ended:?}");
    }
    assert_eq!(done(&cluster, ROOT, "user list -o plain").lines().count(), 3, "nobody was added");
    done(&cluster, ADA, "put app/1 v");
}
