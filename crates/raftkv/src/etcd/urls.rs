//! URLs as etcd's flags list them, and `--initial-cluster`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use server::config::Address;

/// A list has so many URLs at most.
const URLS_MAX: usize = 8;

/// One URL: what it says, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    /// Without a slash at its end, as etcd keeps it: ids are made of it.
    pub(super) written: String,
    /// It begins with https.
    pub(super) tls: bool,
    host: String,
    port: u16,
}

impl Url {
    /// Reads `http://host:port`, `https://host:port`.
    fn parse(text: &str) -> Result<Url, String> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            format!("{text:?}: URL scheme must be http, https, unix, or unixs; write http://…")
        })?;
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "http" | "https" => {}
            "unix" | "unixs" => {
                return Err(format!(
                    "{text:?}: raftkv listens on TCP alone: http://127.0.0.1:PORT is for this \
                     machine only, too"
                ));
            }
            _ => return Err(format!("{text:?}: URL scheme must be http or https")),
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#', '@']) {
            return Err(format!(
                "{text:?}: URL must not contain a path, or anything but host:port"
            ));
        }
        let no_port = || format!("{text:?}: URL address does not have the form \"host:port\"");
        let (host, port) = authority.rsplit_once(':').ok_or_else(no_port)?;
        let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        let port = port.and_then(|port| port.parse().ok()).ok_or_else(no_port)?;
        let written = format!("{scheme}://{authority}");
        Ok(Url { written, tls: scheme == "https", host: host.to_owned(), port })
    }

    /// Where to bind: etcd takes IP addresses, `localhost`, and no host for all of them.
    fn to_bind(&self) -> Result<SocketAddr, String> {
        let host = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip = match host.unwrap_or(&self.host) {
            "" => Ok(Ipv4Addr::UNSPECIFIED.into()),
            "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
            host => host.parse::<IpAddr>(),
        };
        let ip = ip.map_err(|_| format!("expected IP in URL for binding ({})", self.written))?;
        Ok((ip, self.port).into())
    }

    /// Where others reach it.
    pub(super) fn to_reach(&self) -> Result<Address, String> {
        let refuse = |why: &dyn std::fmt::Display| format!("{:?}: {why}", self.written);
        if self.port == 0 {
            return Err(refuse(&"nobody can be reached at port 0"));
        }
        Address::parse(&format!("{}:{}", self.host, self.port)).map_err(|why| refuse(&why))
    }
}

/// Reads a list; each URL once, in the order in which etcd shows them.
pub(super) fn list(text: &str) -> Result<Vec<Url>, String> {
    let items = text.split(',').filter(|item| !item.trim().is_empty());
    let mut urls: Vec<Url> = items.map(Url::parse).collect::<Result<_, _>>()?;
    urls.sort_by(|one, other| one.written.cmp(&other.written));
    urls.dedup();
    if urls.len() > URLS_MAX {
        return Err(format!("{} URLs, at most {URLS_MAX}", urls.len()));
    }
    Ok(urls)
}

/// A place to bind, and whether TLS is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) tls: bool,
}

/// Where to bind for them, each place once.
pub(super) fn places(urls: &[Url]) -> Result<Vec<Place>, String> {
    let mut places = Vec::new();
    for url in urls {
        add(&mut places, Place { address: url.to_bind()?, tls: url.tls })?;
    }
    Ok(places)
}

/// Adds a place, unless it is there.
pub(super) fn add(places: &mut Vec<Place>, place: Place) -> Result<(), String> {
    match places.iter().find(|other| other.address == place.address) {
        Some(other) if other.tls != place.tls => {
            Err(format!("{}: TLS is spoken at an address, or it is not", place.address))
        }
        Some(_) => Ok(()),
        None => {
            places.push(place);
            Ok(())
        }
    }
}

/// Reads `a=http://…,b=http://…`: the URL of each member by its name.
pub(super) fn cluster(text: &str) -> Result<BTreeMap<String, Url>, String> {
    let mut members = BTreeMap::new();
    for item in text.split(',').filter(|item| !item.trim().is_empty()) {
        let (name, url) = item.split_once('=').ok_or_else(|| {
            format!("{item:?}: write it as NAME=URL, separated by commas from the next")
        })?;
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("{item:?}: empty name for URL"));
        }
        if members.insert(name.to_owned(), Url::parse(url)?).is_some() {
            return Err(format!("{name} is there twice: here a member has one URL for its peers"));
        }
    }
    let mut reached = BTreeMap::new();
    for (name, url) in &members {
        if let Some(other) = reached.insert(url.to_reach()?, name) {
            return Err(format!("{other} and {name} have the same URL"));
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(|url| url.written.as_str()).collect()
    }

    #[test]
    fn lists_are_sorted_and_without_repetition() {
        let urls = list("http://b:2, http://a:10/,http://a:9,http://b:2").unwrap();
        assert_eq!(written(&urls), ["http://a:10", "http://a:9", "http://b:2"]);
        assert_eq!(list(""), Ok(Vec::new()));
        let many: Vec<String> = (1..=9).map(|port| format!("http://a:{port}")).collect();
        assert!(list(&many.join(",")).unwrap_err().contains("at most 8"));
    }

    #[test]
    fn what_is_no_url_of_ours_is_refused_with_the_reason() {
        for (text, words) in [
            ("localhost:2379", "URL scheme must be"),
            ("unix://sock:0", "TCP alone"),
            ("unixs://sock:0", "TCP alone"),
            ("ftp://a:1", "must be http"),
            ("http://localhost", "\"host:port\""),
            ("http://localhost:", "\"host:port\""),
            ("http://localhost:x", "\"host:port\""),
            ("http://localhost:+1", "\"host:port\""),
            ("http://localhost:65536", "\"host:port\""),
            ("http://localhost:1/path", "must not contain a path"),
            ("http://user@localhost:1", "must not contain a path"),
        ] {
            let error = list(text).unwrap_err();
            assert!(error.contains(words) && error.contains(text.trim()), "{text}: {error}");
        }
    }

    #[test]
    fn places_to_bind_are_ip_addresses() {
        let text = "http://localhost:1,http://127.0.0.1:1,http://[::]:2,http://0.0.0.0:3,http://:4";
        let bound = places(&list(text).unwrap()).unwrap();
        let shown: Vec<String> = bound.iter().map(|place| place.address.to_string()).collect();
        assert_eq!(shown, ["0.0.0.0:3", "127.0.0.1:1", "0.0.0.0:4", "[::]:2"]);
        assert!(places(&list("https://[::1]:1").unwrap()).unwrap()[0].tls);
        let both = places(&list("https://localhost:1,http://127.0.0.1:1").unwrap());
        assert!(both.unwrap_err().contains("TLS is spoken at an address"));
        let named = places(&list("http://kv.example:1").unwrap());
        assert_eq!(named, Err("expected IP in URL for binding (http://kv.example:1)".to_owned()));
    }

    #[test]
    fn a_cluster_has_one_url_for_each_name() {
        let members = cluster("b=http://10.0.0.2:2380,a=http://10.0.0.1:2380").unwrap();
        let shown: Vec<(&str, &str)> =
            members.iter().map(|(name, url)| (name.as_str(), url.written.as_str())).collect();
        assert_eq!(shown, [("a", "http://10.0.0.1:2380"), ("b", "http://10.0.0.2:2380")]);
        for (text, words) in [
            ("a", "NAME=URL"),
            ("=http://a:1", "empty name"),
            ("a=http://a:1,a=http://b:1", "a is there twice"),
            ("a=http://a:1,b=http://A:1", "a and b have the same URL"),
            ("a=http://localhost:1,b=http://127.0.0.1:1", "the same URL"),
            ("a=http://a:0", "port 0"),
            ("a=http://a b:1", "host"),
        ] {
            let error = cluster(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
