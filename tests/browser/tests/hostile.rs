//! Data that would be a program, pages of others, and files that are none.

#![allow(clippy::unwrap_used, reason = "a test that can not go on says where, and ends")]

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use browser_tests::{Browser, Dev};
use serde_json::json;
use system_tests::http::{connect, read_head};
use system_tests::scratch::Scratch;
use system_tests::wait;

const ATTACK: &str = "<img src=x onerror=\"window.hurt=1\"><script>window.hurt=1</script>";

#[test]
fn no_script_runs_from_keys_or_values() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 1);
    let key = ATTACK.replace('%', "%25").replace(' ', "%20").replace('"', "%22");
    let key = key.replace('<', "%3C").replace('>', "%3E");
    dev.put(1, &key, &json!({ "value": ATTACK }).to_string());
    wait::until_true("it is shown as text", || browser.row(ATTACK).as_deref() == Some(ATTACK));
    browser.click("#keys-rows .key-name");
    let shown = "return document.querySelector('#key-detail').innerText.includes('onerror')";
    browser.until("its value is shown", shown);
    browser.click_named("#timeline-kinds button", "Keys");
    let told = "return document.querySelector('#timeline').innerText.includes('onerror')";
    browser.until("the event is told", told);
    assert_eq!(browser.run("return window.hurt ?? null"), json!(null));
    assert_eq!(browser.run("return document.querySelectorAll('main img').length"), 0);
    assert_eq!(browser.complaints(), [""; 0], "not even refused by the policy: it was never tried");
}

#[test]
fn a_value_of_a_mebibyte_is_cut() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    browser.open_dashboard(&dev.page(1), 1);
    let value = "x".repeat(1 << 20);
    dev.put(1, "large", &json!({ "value": value }).to_string());
    wait::until_true("it is seen", || browser.row("large").is_some_and(|row| row.len() < 1_000));
    browser.click("#keys-rows .key-name");
    let shown = "return document.querySelector('#key-detail').innerText.length";
    let length = browser.until_with("its value is shown", shown, |length| {
        length.as_u64().filter(|length| *length > 1_000)
    });
    assert!(length < 100_000, "{length}");
}

/// Serves one page, from another origin than any member's.
fn another_origin(page: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
            // A browser that has gone has nothing to be told.
            write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len()).ok();
        }
    });
    format!("http://127.0.0.1:{port}/")
}

#[test]
fn a_page_of_another_origin_gets_nothing() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    let (page, dashboard) = (dev.page(1), dev.dashboard());
    let parent = dashboard.split('#').next().unwrap().to_owned();
    browser.open(&another_origin("<title>evil</title>"));
    let script = "
        const [member, parent] = arguments;
        window.got = [];
        const socket = new WebSocket(`${member.replace('http', 'ws')}ws`);
        socket.onopen = () => got.push('opened');
        socket.onmessage = () => got.push('message');
        socket.onerror = () => got.push('error');
        const form = (url, body) => fetch(url, { method: 'POST', mode: 'no-cors', body })
            .then((answer) => got.push(answer.type), () => got.push('refused'));
        form(`${parent}dev/do`, '{\"do\":\"crash\",\"member\":\"node-1\"}');
        fetch(`${member}kv/k`).then(() => got.push('read'), () => got.push('unread'));
        fetch(`${parent}dev/state`).then(() => got.push('read'), () => got.push('unread'));
        const words = new URLSearchParams({ key: 'stolen', value: '1' });
        form(`${member}kv/k`, words);";
    browser.run_with(script, &[page.into(), parent.into()]);
    let got = browser.until("all was tried", "return got.length >= 5 && got");
    let got: Vec<&str> =
        got.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert!(!got.contains(&"opened") && !got.contains(&"message"), "{got:?}");
    assert!(!got.contains(&"read"), "{got:?}");
    assert_eq!(dev.http(1).get("/kv/k").code(), "not_found", "nothing was written");
    assert!(dev.leader(1).is_some(), "nobody was crashed");
}

#[test]
fn a_file_that_is_no_trace_breaks_nothing() {
    let (dev, browser, scratch) = (Dev::start(1, &[]), Browser::start(), Scratch::new());
    browser.open_dashboard(&dev.page(1), 1);
    let bytes: &[&[u8]] = &[
        b"\x00\x01\xff not a trace",
        b"",
        b"{\"kind\":\"role\"}",
        b"[1,2,3]\n{\"kind\":7,\"t_us\":\"x\"}\n{\"kind\":\"message\",\"t_us\":1,\"member\":{}}",
        br#"{"kind":"appended","t_us":1,"member":"a","first":1e300,"last":1e300,"term":1}"#,
        br#"{"kind":"role","t_us":1,"role":"leader","term":1}"#,
    ];
    for (number, bytes) in bytes.iter().enumerate() {
        let file = scratch.path().join(format!("{number}.jsonl"));
        std::fs::write(&file, bytes).unwrap();
        browser.click("#open-traces");
        browser.press("dialog input[type=file]", &file.display().to_string());
        let says = "return document.querySelector('dialog .problem').innerText";
        browser.until_with("the page says what is wrong", says, |text| {
            text.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        });
        browser.click_named("dialog button", "Close");
        browser.until("the dialog is gone", "return !document.querySelector('dialog[open]')");
    }
    browser.wait_banner("The only member works");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn two_hundred_sockets_that_never_read_leave_the_page_alone() {
    let (dev, browser) = (Dev::start(1, &[]), Browser::start());
    let port = dev.page(1).trim_end_matches('/').rsplit_once(':').unwrap().1.parse().unwrap();
    let open = || {
        let mut socket = connect(port).unwrap();
        write!(
            socket,
            "GET /ws HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .unwrap();
        let mut socket = BufReader::new(socket);
        assert_eq!(read_head(&mut socket).unwrap().0, 101);
        socket
    };
    let _open: Vec<_> = (0..200).map(|_| open()).collect();
    browser.open_dashboard(&dev.page(1), 1);
    dev.put(1, "still", r#"{"value":"served"}"#);
    wait::until_true("the page goes on", || browser.row("still").is_some());
}
