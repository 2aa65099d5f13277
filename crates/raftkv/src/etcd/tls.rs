//! What etcd's flags say of TLS. Whether it is spoken at a place its URL says; with which
//! certificates, the flags.

use server::config::{ClientTls, PairFiles, PeerTls, PeerTrust, TlsWays, own_made, split_list};

use super::flags::Flags;
use std::path::Path;

/// Which of the URLs begin with https.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    /// One at least of those for clients.
    pub(super) to_clients: bool,
    /// Those for peers.
    pub(super) to_peers: bool,
}

/// The certificates, and whom a member trusts; says in `notes` what is passed over.
pub(super) fn ways(
    flags: &Flags,
    spoken: Spoken,
    data_dir: &Path,
    notes: &mut Vec<String>,
) -> Result<TlsWays, String> {
    let mut ways = TlsWays::default();
    let client_names = Names { cert: "cert-file", key: "key-file", auto: "auto-tls" };
    let peer_names = Names { cert: "peer-cert-file", key: "peer-key-file", auto: "peer-auto-tls" };
    match spoken.to_clients {
        true => {
            let (pair, made) = client_names.pair(flags, data_dir, "client")?;
            ways.clients = Some(clients(flags, pair)?);
            ways.own_made = made;
        }
        false => client_names.note_passed_over(flags, "client", notes),
    }
    match spoken.to_peers {
        true => {
            let (pair, made) = peer_names.pair(flags, data_dir, "peer")?;
            let trust = trust(flags, made.is_some())?;
            ways.peers = Some(PeerTls { pair, trust });
            ways.own_made = ways.own_made.or(made);
        }
        false => peer_names.note_passed_over(flags, "peer", notes),
    }
    Ok(ways)
}

struct Names {
    cert: &'static str,
    key: &'static str,
    auto: &'static str,
}

impl Names {
    /// The pair, and that one again if it is still to be made.
    fn pair(
        &self,
        flags: &Flags,
        data_dir: &Path,
        side: &str,
    ) -> Result<(PairFiles, Option<PairFiles>), String> {
        let (cert, key) = (flags.text(self.cert), flags.text(self.key));
        match (cert.is_empty(), key.is_empty()) {
            (false, false) => {
                Ok((PairFiles { cert_file: cert.into(), key_file: key.into() }, None))
            }
            (true, true) if flags.is_on(self.auto) => {
                let pair = own_made(data_dir);
                Ok((pair.clone(), Some(pair)))
            }
            _ => Err(format!(
                "cannot listen on TLS for {side}s: --{} and --{} are not presented both; \
                 `raftkv cert` makes some for development, and --{} one that nobody signs",
                self.cert, self.key, self.auto
            )),
        }
    }

    fn note_passed_over(&self, flags: &Flags, side: &str, notes: &mut Vec<String>) {
        if !flags.text(self.cert).is_empty() || flags.is_on(self.auto) {
            notes.push(format!(
                "no {side} URL begins with https://: the certificate for {side}s is passed over"
            ));
        }
    }
}

/// As in etcd, clients must show a certificate as soon as it is said who signs them.
fn clients(flags: &Flags, pair: PairFiles) -> Result<ClientTls, String> {
    match flags.text("trusted-ca-file") {
        "" if flags.is_on("client-cert-auth") => {
            Err("--client-cert-auth: only together with --trusted-ca-file".to_owned())
        }
        "" => Ok(ClientTls { pair, ca_file: None, must_show: false }),
        ca_file => Ok(ClientTls { pair, ca_file: Some(ca_file.into()), must_show: true }),
    }
}

fn trust(flags: &Flags, auto: bool) -> Result<PeerTrust, String> {
    let allowed_names = split_list(flags.text("peer-cert-allowed-hostname"));
    match flags.text("peer-trusted-ca-file") {
        "" if !allowed_names.is_empty() => {
            Err("--peer-cert-allowed-hostname: only together with --peer-trusted-ca-file"
                .to_owned())
        }
        "" if auto && !flags.is_on("peer-client-cert-auth") => Ok(PeerTrust::Anyone),
        "" => Err("--peer-trusted-ca-file is missing: members show each other certificates, and \
                   it says who signs them"
            .to_owned()),
        ca_file => Ok(PeerTrust::Signed { ca_file: ca_file.into(), allowed_names }),
    }
}
