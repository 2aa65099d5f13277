//! Handshakes over real sockets: who gets in, as what, and who is refused.

mod world;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Entrance, Keeper, NoEntry, Takes, make_unless_good};
use crate::config::{ClientTls, Config, PeerTrust, Raw, TlsWays};
use world::{Certs, DEADLINE, call, dial, keeper, named, served, served_to, shown};

const LOCAL: &[&str] = &["localhost"];

/// A CA, and two members that it signed.
fn certs() -> Certs {
    let certs = Certs::new();
    certs.ca("ca");
    certs.signed("ca", "one", LOCAL);
    certs.signed("ca", "two", LOCAL);
    certs
}

#[tokio::test]
async fn members_meet_as_peers_and_clients_as_clients() {
    let certs = certs();
    let address = served(&keeper(&certs.ways("one", "ca", &[]))).await;
    let two = certs.ways("two", "ca", &[]);
    assert_eq!(dial(&two, address, "localhost").await, Ok('P'));
    assert_eq!(dial(&two, address, "127.0.0.1").await, Ok('P'), "one place (rule 3.2)");
    assert_eq!(call(&certs, ("ca", None), address, false).await, Ok('C'));
    let shown = call(&certs, ("ca", Some("two")), address, false).await;
    assert_eq!(shown, Ok('C'), "whoever does not come as a peer is none, whatever it shows");
}

/// A socket that sends so much of a handshake, and what becomes of it in so little time.
async fn slow(first: &[u8]) -> Result<(), NoEntry> {
    let certs = certs();
    let entrance = Entrance::Tls(keeper(&certs.ways("one", "ca", &[])), Takes::Everybody);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(first).await.unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    let admitted = entrance.admit(socket, Duration::from_millis(100)).await;
    // It was there to the end.
    drop(client);
    admitted.map(drop)
}

#[tokio::test]
async fn a_handshake_has_so_much_time_and_no_more() {
    let half_a_record = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    for first in [&b""[..], &half_a_record[..1], &half_a_record] {
        let admitted = tokio::time::timeout(DEADLINE, slow(first)).await.expect("it is given up");
        assert!(matches!(admitted, Err(NoEntry::Slow)), "{first:?}: {admitted:?}");
    }
}

#[tokio::test]
async fn who_has_no_certificate_of_the_peers_ca_is_no_peer() {
    let certs = certs();
    certs.ca("other");
    certs.signed("other", "foreign", LOCAL);
    certs.expired("ca", "expired", LOCAL);
    certs.by_itself("self-signed", LOCAL);
    let address = served(&keeper(&certs.ways("one", "ca", &[]))).await;
    for (name, why) in
        [("foreign", "UnknownCA"), ("expired", "Expired"), ("self-signed", "UnknownCA")]
    {
        let refused = dial(&certs.ways(name, "ca", &[]), address, "localhost").await;
        let error = refused.expect_err(name);
        assert!(error.contains(why), "{name}: {error}");
    }
    let nobody = call(&certs, ("ca", None), address, true).await.unwrap_err();
    assert!(nobody.contains("CertificateRequired"), "{nobody}");
}

#[tokio::test]
async fn a_client_of_the_clients_ca_is_no_peer() {
    let certs = certs();
    certs.ca("clients");
    certs.signed("clients", "app", &[]);
    let mut ways = certs.ways("one", "ca", &[]);
    let ca_file = Some(certs.files("clients").cert_file);
    ways.clients = Some(ClientTls { ca_file, must_show: true, ..ways.clients.unwrap() });
    let address = served(&keeper(&ways)).await;
    assert_eq!(call(&certs, ("ca", Some("app")), address, false).await, Ok('C'));
    let as_peer = call(&certs, ("ca", Some("app")), address, true).await.unwrap_err();
    assert!(as_peer.contains("UnknownCA"), "{as_peer}");
    let peer = call(&certs, ("ca", Some("two")), address, false).await.unwrap_err();
    assert!(peer.contains("UnknownCA"), "a member is no client: {peer}");
    let nobody = call(&certs, ("ca", None), address, false).await.unwrap_err();
    assert!(nobody.contains("CertificateRequired"), "{nobody}");
}

#[tokio::test]
async fn a_verified_certificate_names_a_user_and_no_other_does() {
    let certs = certs();
    certs.signed("ca", "jörg", &[]);
    let mut ways = certs.ways("one", "ca", &[]);
    let asked = served(&keeper(&ways)).await;
    assert_eq!(named(&certs, "jörg", asked).await, "", "nobody asked for it, so nobody looked");
    let ca_file = Some(certs.files("ca").cert_file);
    ways.clients = Some(ClientTls { ca_file, ..ways.clients.unwrap() });
    let verified = served(&keeper(&ways)).await;
    assert_eq!(named(&certs, "jörg", verified).await, "jörg");
    assert_eq!(named(&certs, "two", verified).await, "two", "a client, if it comes as one");
    certs.ca("other");
    certs.signed("other", "root", &[]);
    certs.by_itself("self-signed", &[]);
    for foreign in ["root", "self-signed"] {
        let refused = call(&certs, ("ca", Some(foreign)), verified, false).await.unwrap_err();
        assert!(refused.contains("UnknownCA"), "{foreign}: {refused}");
    }
}

#[tokio::test]
async fn where_members_have_a_port_of_their_own_nobody_comes_by_the_others() {
    let certs = certs();
    let member = keeper(&certs.ways("one", "ca", &[]));
    let (clients, peers) =
        (served_to(&member, Takes::Clients).await, served_to(&member, Takes::Peers).await);
    let two = certs.ways("two", "ca", &[]);
    assert_eq!(dial(&two, peers, "localhost").await, Ok('P'));
    assert_eq!(call(&certs, ("ca", None), clients, false).await, Ok('C'));
    let astray = dial(&two, clients, "localhost").await.unwrap_err();
    assert!(astray.contains("NoApplicationProtocol"), "{astray}");
    let nobody = call(&certs, ("ca", None), peers, false).await.unwrap_err();
    assert!(nobody.contains("CertificateRequired"), "{nobody}");
}

#[tokio::test]
async fn clients_may_show_nothing_unless_they_must() {
    let certs = certs();
    let mut ways = certs.ways("one", "ca", &[]);
    let ca_file = Some(certs.files("ca").cert_file);
    ways.clients = Some(ClientTls { ca_file, ..ways.clients.unwrap() });
    let address = served(&keeper(&ways)).await;
    assert_eq!(call(&certs, ("ca", None), address, false).await, Ok('C'));
    assert_eq!(call(&certs, ("ca", Some("two")), address, false).await, Ok('C'));
    certs.expired("ca", "expired", &[]);
    let expired = call(&certs, ("ca", Some("expired")), address, false).await.unwrap_err();
    assert!(expired.contains("Expired"), "what is shown is looked at: {expired}");
}

#[tokio::test]
async fn a_member_knows_whom_it_dials() {
    let certs = certs();
    certs.ca("other");
    certs.signed("other", "foreign", LOCAL);
    certs.expired("ca", "expired", LOCAL);
    let two = certs.ways("two", "ca", &[]);
    for (name, called, why) in [
        ("foreign", "localhost", "UnknownIssuer"),
        ("expired", "localhost", "expired"),
        ("one", "kv.example", "not valid for name"),
    ] {
        let address = served(&keeper(&certs.ways(name, "ca", &[]))).await;
        let error = dial(&two, address, called).await.expect_err(name);
        assert!(error.contains(why), "{name}: {error}");
    }
}

#[tokio::test]
async fn names_that_are_allowed_stand_for_the_address_on_both_sides() {
    let certs = certs();
    certs.signed("ca", "peer", &["peer.example"]);
    certs.signed("ca", "other-peer", &["peer.example"]);
    let named = |name| certs.ways(name, "ca", &["peer.example"]);
    let address = served(&keeper(&named("other-peer"))).await;
    assert_eq!(dial(&named("peer"), address, "anywhere").await, Ok('P'));
    let two = dial(&certs.ways("two", "ca", &["peer.example"]), address, "localhost").await;
    assert!(two.is_err(), "it bears no such name: {two:?}");
    let address = served(&keeper(&named("one"))).await;
    let error = dial(&named("peer"), address, "localhost").await.unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn a_member_alone_takes_itself_and_nobody_else() {
    let certs = certs();
    let mut ways = certs.ways("one", "ca", &[]);
    ways.peers.as_mut().unwrap().trust = PeerTrust::Itself;
    let address = served(&keeper(&ways)).await;
    assert_eq!(dial(&ways, address, "whatever.it.is").await, Ok('P'));
    let two = dial(&certs.ways("two", "ca", &[]), address, "localhost").await.unwrap_err();
    assert!(two.contains("UnknownCA"), "{two}");
}

#[tokio::test]
async fn peers_that_trust_anyone_are_let_to_the_peers_doors_alone() {
    let certs = certs();
    let mut ways = certs.ways("one", "ca", &[]);
    ways.peers.as_mut().unwrap().trust = PeerTrust::Anyone;
    let address = served(&keeper(&ways)).await;
    assert_eq!(call(&certs, ("ca", None), address, true).await, Ok('P'));
}

/// The first flight of a client that knows TLS 1.1 and nothing newer: a record with a ClientHello
/// of one suite and no extensions.
fn hello_of_tls_1_1() -> Vec<u8> {
    let (record, hello) = ([0x16, 3, 1, 0, 45], [1, 0, 0, 41, 3, 2]);
    let (random, rest) = ([7; 32], [0, 0, 2, 0, 0x2f, 1, 0]);
    [&record[..], &hello, &random, &rest].concat()
}

/// An alert that ends it: fatal, protocol_version or handshake_failure.
const ALERTS: [&[u8]; 2] = [&[0x15, 3, 3, 0, 2, 2, 70], &[0x15, 3, 3, 0, 2, 2, 40]];

#[tokio::test]
async fn old_tls_and_no_tls_are_told_so() {
    let certs = certs();
    let address = served(&keeper(&certs.ways("one", "ca", &[]))).await;
    let mut old = TcpStream::connect(address).await.unwrap();
    old.write_all(&hello_of_tls_1_1()).await.unwrap();
    let mut answer = Vec::new();
    old.read_to_end(&mut answer).await.unwrap();
    assert!(ALERTS.contains(&answer.as_slice()), "{answer:?}");
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /kv/a HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"tls_required\""), "{answer}");
}

#[tokio::test]
async fn new_files_are_taken_into_use_and_broken_ones_are_not() {
    let certs = certs();
    let keeper = keeper(&certs.ways("one", "ca", &[]));
    let address = served(&keeper).await;
    assert_eq!(shown(&keeper), "CN=one");
    let (one, two) = (certs.files("one"), certs.files("two"));
    fs::copy(&two.cert_file, &one.cert_file).unwrap();
    keeper.renew();
    assert_eq!(shown(&keeper), "CN=one", "its key is not there yet");
    fs::copy(&two.key_file, &one.key_file).unwrap();
    keeper.renew();
    assert_eq!(shown(&keeper), "CN=two");
    for broken in ["", "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"] {
        fs::write(&one.cert_file, broken).unwrap();
        keeper.renew();
        assert_eq!(shown(&keeper), "CN=two", "{broken:?}");
    }
    fs::remove_file(&one.cert_file).unwrap();
    keeper.renew();
    assert_eq!(call(&certs, ("ca", None), address, false).await, Ok('C'));
}

/// What is wrong with files is said by name before anything is bound.
#[test]
fn files_that_can_not_be_used_are_named() {
    let certs = certs();
    let ways = |cert: &str, key: &str, ca: &str| {
        let mut ways = certs.ways("one", ca, &[]);
        let pair = &mut ways.clients.as_mut().unwrap().pair;
        (pair.cert_file, pair.key_file) = (certs.file(cert), certs.file(key));
        ways
    };
    fs::write(certs.file("text"), "no PEM").unwrap();
    fs::write(certs.file("long"), vec![b' '; (1 << 20) + 1]).unwrap();
    for (cert, key, ca, words) in [
        ("none", "one.key", "ca", "none: can not be read"),
        ("text", "one.key", "ca", "text: there is no certificate in it"),
        ("long", "one.key", "ca", "long: longer than"),
        ("one.crt", "one.crt", "ca", "one.crt: there is no key in it"),
        ("one.crt", "two.key", "ca", "one.crt: the key in"),
        ("one.crt", "one.key", "absent", "absent.crt: can not be read"),
    ] {
        let error = Keeper::open(&ways(cert, key, ca)).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(Keeper::open(&TlsWays::default()).unwrap().is_none());
}

#[tokio::test]
async fn a_certificate_of_its_own_is_made_once_and_kept() {
    let certs = Certs::new();
    let config = || -> Config {
        let data_dir = Some(certs.dir().join("data"));
        Raw { auto_tls: Some(true), data_dir, ..Raw::default() }.resolve().unwrap()
    };
    let (config, files) = (config(), config().tls.own_made.unwrap());
    make_unless_good(&config).unwrap();
    let made = fs::read(&files.cert_file).unwrap();
    let mode = fs::metadata(&files.key_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else reads the key");
    make_unless_good(&config).unwrap();
    assert_eq!(fs::read(&files.cert_file).unwrap(), made, "who trusts it may go on");
    fs::copy(&files.cert_file, certs.file("own.crt")).unwrap();
    let address = served(&keeper(&config.tls)).await;
    assert_eq!(call(&certs, ("own", None), address, false).await, Ok('C'));
    fs::write(&files.key_file, "").unwrap();
    make_unless_good(&config).unwrap();
    assert_ne!(fs::read(&files.cert_file).unwrap(), made, "a broken pair is made anew");
}
