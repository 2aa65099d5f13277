//! A directory of certificates, and a port that takes whoever they let in.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, TlsStream};

use super::super::identity::Identity;
use super::super::issue::{Authority, Made, Wanted};
use super::super::{
    Arrival, Entered, Entrance, Keeper, NoEntry, PEER_PROTOCOL, Stream, Takes, Way,
};
use crate::config::{ClientTls, PairFiles, PeerTls, PeerTrust, TlsWays};

pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Certificates in a directory that goes with it.
pub(super) struct Certs {
    dir: PathBuf,
}

impl Certs {
    pub(super) fn new() -> Certs {
        let number = getrandom::u64().unwrap();
        let dir = std::env::temp_dir().join(format!("raftkv-tls-{number:x}"));
        fs::create_dir_all(&dir).unwrap();
        Certs { dir }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn files(&self, name: &str) -> PairFiles {
        PairFiles {
            cert_file: self.file(&format!("{name}.crt")),
            key_file: self.file(&format!("{name}.key")),
        }
    }

    pub(super) fn ca(&self, name: &str) {
        self.keep(name, &Authority::make(&wanted(name, &[], 1)).unwrap());
    }

    pub(super) fn signed(&self, ca: &str, name: &str, hosts: &[&str]) {
        self.keep(name, &self.authority(ca).issue(&wanted(name, hosts, 1)).unwrap());
    }

    pub(super) fn expired(&self, ca: &str, name: &str, hosts: &[&str]) {
        self.keep(name, &self.authority(ca).issue_expired(&wanted(name, hosts, 1)).unwrap());
    }

    pub(super) fn by_itself(&self, name: &str, hosts: &[&str]) {
        self.keep(name, &Made::by_itself(&wanted(name, hosts, 1)).unwrap());
    }

    fn authority(&self, name: &str) -> Authority {
        let files = self.files(name);
        let read = |file: &PathBuf| fs::read(file).unwrap();
        Authority::read(&read(&files.cert_file), &read(&files.key_file)).unwrap()
    }

    fn keep(&self, name: &str, made: &Made) {
        let files = self.files(name);
        fs::write(files.cert_file, &made.certificate).unwrap();
        fs::write(files.key_file, &made.key).unwrap();
    }

    /// Of a peer that shows the pair `name`, and trusts `ca`.
    pub(super) fn peer(&self, name: &str, ca: &str, allowed: &[&str]) -> PeerTls {
        let allowed_names = allowed.iter().map(|&name| name.to_owned()).collect();
        let ca_file = self.files(ca).cert_file;
        let trust = PeerTrust::Signed { ca_file, allowed_names };
        PeerTls { pair: self.files(name), trust }
    }

    /// Of a member that shows the pair `name` to everybody, and trusts `ca` for its peers.
    pub(super) fn ways(&self, name: &str, ca: &str, allowed: &[&str]) -> TlsWays {
        let clients = ClientTls { pair: self.files(name), ca_file: None, must_show: false };
        let peers = Some(self.peer(name, ca, allowed));
        TlsWays { clients: Some(clients), peers, own_made: None }
    }
}

impl Drop for Certs {
    fn drop(&mut self) {
        // What can not be removed lies in the directory for temporary files.
        fs::remove_dir_all(&self.dir).ok();
    }
}

pub(super) fn wanted(name: &str, hosts: &[&str], days: u32) -> Wanted {
    let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
    Wanted { name: name.to_owned(), hosts, days }
}

pub(super) fn keeper(ways: &TlsWays) -> Arc<Keeper> {
    Keeper::open(ways).unwrap().unwrap()
}

/// A port that tells whoever comes in as what, by a letter.
pub(super) async fn served(keeper: &Arc<Keeper>) -> SocketAddr {
    served_to(keeper, Takes::Everybody).await
}

/// The same where not everybody is taken.
pub(super) async fn served_to(keeper: &Arc<Keeper>, takes: Takes) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let entrance = Entrance::Tls(Arc::clone(keeper), takes);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            match entrance.admit(socket, DEADLINE).await {
                Ok(Entered { mut stream, arrival, user }) => {
                    let Arrival { tls, peer, client } = arrival;
                    assert!(tls && peer != client, "{arrival:?}");
                    // Whoever came may be gone.
                    let _ = stream.write_all(if peer { b"P" } else { b"C" }).await;
                    if let Some(user) = user {
                        let _ = stream.write_all(user.as_bytes()).await;
                    }
                    let _ = stream.shutdown().await;
                }
                Err(NoEntry::Handshake { .. } | NoEntry::PlainText | NoEntry::Slow) => {}
            }
        }
    });
    address
}

/// What a peer is taken for, or why it is not let in; it calls the other by `name`.
pub(super) async fn dial(
    dialler: &TlsWays,
    address: SocketAddr,
    name: &str,
) -> Result<char, String> {
    let way = Way::Tls(keeper(dialler));
    let socket = TcpStream::connect(address).await.unwrap();
    let stream = way.shake(socket, &format!("{name}:1")).await.map_err(|why| why.to_string())?;
    told(stream).await
}

/// The same of a client, which shows the pair `shown`; `says_peer` by its protocol.
pub(super) async fn call(
    certs: &Certs,
    shown: (&str, Option<&str>),
    address: SocketAddr,
    says_peer: bool,
) -> Result<char, String> {
    told(connect(certs, shown, address, says_peer).await?).await
}

/// Whom its certificate names, of a client that is let in.
pub(super) async fn named(certs: &Certs, shown: &str, address: SocketAddr) -> String {
    let mut stream = connect(certs, ("ca", Some(shown)), address, false).await.unwrap();
    let mut told = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut told)).await.unwrap().unwrap();
    told.strip_prefix('C').expect("it is let in as a client").to_owned()
}

async fn connect(
    certs: &Certs,
    (ca, shown): (&str, Option<&str>),
    address: SocketAddr,
    says_peer: bool,
) -> Result<Stream, String> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in super::super::files::certificates(&certs.files(ca).cert_file).unwrap() {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => config.with_no_client_auth(),
        Some(name) => {
            let pair = super::super::files::pair(&certs.files(name)).unwrap();
            let shows = Arc::new(rustls::sign::SingleCertAndKey::from(pair));
            config.with_client_cert_resolver(shows)
        }
    };
    if says_peer {
        config.alpn_protocols = vec![PEER_PROTOCOL.to_vec()];
    }
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
    let stream = shaken.map_err(|why| why.to_string())?;
    Ok(Stream::Tls(Box::new(TlsStream::from(stream))))
}

async fn told(mut stream: Stream) -> Result<char, String> {
    let mut answer = [0];
    let read = tokio::time::timeout(DEADLINE, stream.read(&mut answer)).await.unwrap();
    match read.map_err(|why| why.to_string())? {
        0 => Err("it was closed".to_owned()),
        _ => Ok(char::from(answer[0])),
    }
}

/// The subject of what clients are shown now.
pub(super) fn shown(keeper: &Keeper) -> String {
    let identity: Arc<Identity> = keeper.identity();
    identity.shown[0].1.subject.clone()
}
