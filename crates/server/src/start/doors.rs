//! The sockets of a member, and what answers at them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::StartError;
use crate::config::Config;
use crate::http::{self, Limits, Listeners, Site};
use crate::tls::{Arrival, Entrance, Keeper, Takes};

/// Connections that those may have who only look after the member, where they have addresses of
/// their own.
const PROBES_MAX: usize = 64;

/// What a member is bound to.
pub(super) struct Sockets {
    all: Listeners,
    probes: Option<Listeners>,
}

impl Sockets {
    /// Binds every address; answers the configuration with the port that the system chose, if it
    /// was to choose.
    pub(super) async fn bind(
        config: Config,
        keeper: Option<&Arc<Keeper>>,
    ) -> Result<(Sockets, Config), StartError> {
        let first = bind(config.listen).await?;
        let bound = first.local_addr();
        let bound = bound.map_err(|error| StartError::of_bind(config.listen, error))?;
        let takes = match config.listen_peer {
            Some(_) => Takes::Clients,
            None => Takes::Everybody,
        };
        let mut all = vec![(first, entrance(&config, config.listen, keeper, takes))];
        if let Some(address) = config.listen_peer {
            let entrance = entrance(&config, address, keeper, Takes::Peers);
            all.push((bind(address).await?, entrance));
        }
        for &address in &config.etcd.listen_also {
            let entrance = entrance(&config, address, keeper, Takes::Everybody);
            all.push((bind(address).await?, entrance));
        }
        let mut probes = Vec::new();
        for &address in &config.etcd.listen_metrics {
            probes.push((bind(address).await?, entrance_of_probes(&config, address, keeper)));
        }
        for listener in &config.metrics_listen {
            let entrance = match keeper.filter(|_| listener.tls) {
                Some(keeper) => Entrance::Tls(Arc::clone(keeper), Takes::Clients),
                None => Entrance::Plain(Arrival { tls: false, peer: false, client: true }),
            };
            probes.push((bind(listener.address).await?, entrance));
        }
        let probes = (!probes.is_empty()).then(|| Listeners::new(probes));
        Ok((Sockets { all: Listeners::new(all), probes }, config.bound_to(bound)))
    }

    /// Of so many connections that clients may have, those that are left for the doors where
    /// everything is served.
    pub(super) fn affordable(&self, connections: usize) -> usize {
        match self.probes {
            Some(_) => connections - PROBES_MAX.min(connections / 2),
            None => connections,
        }
    }
}

/// What has to be passed at an address. Where one side speaks TLS, plain text is the other's alone.
fn entrance(
    config: &Config,
    address: SocketAddr,
    keeper: Option<&Arc<Keeper>>,
    takes: Takes,
) -> Entrance {
    match keeper {
        None => Entrance::Plain(takes.in_plain_text()),
        Some(_) if config.etcd.listen_plain.contains(&address) => Entrance::Plain(Arrival {
            tls: false,
            peer: config.tls.peers.is_none(),
            client: config.etcd.plain_clients,
        }),
        Some(keeper) => Entrance::Tls(Arc::clone(keeper), takes),
    }
}

/// The same where there are probes alone: whoever is told of an address for them may come.
fn entrance_of_probes(
    config: &Config,
    address: SocketAddr,
    keeper: Option<&Arc<Keeper>>,
) -> Entrance {
    match entrance(config, address, keeper, Takes::Everybody) {
        Entrance::Plain(arrival) => Entrance::Plain(Arrival { client: true, ..arrival }),
        tls => tls,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::of_bind(address, error))
}

/// The HTTP server, running.
pub(super) struct Doors {
    open: Vec<Door>,
}

struct Door {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Doors {
    /// Serves `site` at the sockets.
    pub(super) fn open(sockets: Sockets, site: Site, limits: Limits) -> Doors {
        let Sockets { all, probes } = sockets;
        let probes = probes.map(|probes| {
            let limits = Limits::affording(PROBES_MAX);
            Door::open(probes, site.probes_only(), limits)
        });
        Doors { open: probes.into_iter().chain([Door::open(all, site, limits)]).collect() }
    }

    /// Takes no more connections and lets requests that are under way end, for a bounded time.
    pub(super) async fn close(self) {
        let closing: Vec<JoinHandle<()>> = self.open.into_iter().map(Door::stop).collect();
        for serving in closing {
            // It fails only if serving has ended already.
            let _ = serving.await;
        }
    }
}

impl Door {
    fn open(listeners: Listeners, site: Site, limits: Limits) -> Door {
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // A dropped sender says the same as a sent word.
            let _ = stopped.await;
        };
        let serving = tokio::spawn(http::serve(listeners, site, limits, shutdown));
        Door { stop, serving }
    }

    fn stop(self) -> JoinHandle<()> {
        // It fails only if serving has ended already.
        let _ = self.stop.send(());
        self.serving
    }
}
