//! Who asks, each with what is counted of it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use parking_lot::Mutex;

use super::bucket::Bucket;

/// So many clients are told apart: twice as many as can be connected. Past it those go that have
/// no connection and have been silent; if there are none, newcomers count as one.
pub(crate) const CLIENTS_MAX: usize = 16_384;

/// A full table is looked through for those that can go once in so many ns at most.
const SWEEP_INTERVAL_NS: u64 = 1_000_000_000;

/// Of an address of IPv6 so many bits are looked at: what is behind them one customer chooses.
const IPV6_BITS: u32 = 64;

/// What tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// Where it comes from.
    Address(IpAddr),
    /// Who it is.
    User(Arc<str>),
}

impl Key {
    pub(super) fn address(address: IpAddr) -> Key {
        Key::Address(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> (128 - IPV6_BITS) << (128 - IPV6_BITS);
                Ipv6Addr::from_bits(network).into()
            }
            v4 => v4,
        })
    }
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Client {
    /// Its requests that are not answered yet.
    pub(super) under_way: AtomicUsize,
    /// Its connections, of an address.
    pub(super) connections: AtomicUsize,
    pub(super) bucket: Bucket,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Clients {
    max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    clients: HashMap<Key, Arc<Client>>,
    /// For whom there is no place.
    others: Arc<Client>,
    /// When it is worth looking for places again.
    sweep_due_ns: u64,
}

impl Clients {
    pub(super) fn new(max: usize) -> Clients {
        Clients { max, table: Mutex::default() }
    }

    /// That client; it is known from now on.
    pub(super) fn find(&self, key: Key, now_ns: u64) -> Arc<Client> {
        let mut table = self.table.lock();
        if let Some(client) = table.clients.get(&key) {
            return Arc::clone(client);
        }
        if table.clients.len() >= self.max && now_ns >= table.sweep_due_ns {
            table.clients.retain(|_, client| {
                Arc::strong_count(client) > 1 || !client.bucket.is_full(now_ns)
            });
            table.sweep_due_ns = now_ns + SWEEP_INTERVAL_NS;
        }
        if table.clients.len() >= self.max {
            return Arc::clone(&table.others);
        }
        Arc::clone(table.clients.entry(key).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::bucket::Rate;
    use super::*;

    fn key(address: &str) -> Key {
        Key::address(address.parse().unwrap())
    }

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
        assert_ne!(key("::ffff:10.0.0.1"), key("::ffff:10.0.0.2"));
    }

    #[test]
    fn the_table_is_bounded_and_who_is_gone_makes_room() {
        let clients = Clients::new(2);
        let here = clients.find(key("10.0.0.1"), 0);
        let other = clients.find(key("10.0.0.2"), 0);
        let third = clients.find(key("10.0.0.3"), 0);
        let fourth = clients.find(key("10.0.0.4"), 0);
        assert!(Arc::ptr_eq(&third, &fourth), "those without a place count as one");
        assert!(!Arc::ptr_eq(&third, &other));
        drop(other);
        let soon = clients.find(key("10.0.0.3"), SWEEP_INTERVAL_NS - 1);
        assert!(Arc::ptr_eq(&third, &soon), "it is not looked through at every turn");
        let later = clients.find(key("10.0.0.3"), SWEEP_INTERVAL_NS);
        assert!(!Arc::ptr_eq(&third, &later));
        assert!(Arc::ptr_eq(&here, &clients.find(key("10.0.0.1"), SWEEP_INTERVAL_NS)));
    }

    #[test]
    fn who_comes_again_soon_meets_its_own_bucket() {
        let (clients, rate) = (Clients::new(1), Rate::per_second(1));
        clients.find(key("10.0.0.1"), 0).bucket.take(&rate, SWEEP_INTERVAL_NS).unwrap();
        clients.find(key("10.0.0.2"), SWEEP_INTERVAL_NS);
        let again = clients.find(key("10.0.0.1"), SWEEP_INTERVAL_NS);
        assert!(again.bucket.take(&rate, SWEEP_INTERVAL_NS).is_err());
    }
}
