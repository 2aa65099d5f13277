//! The sockets at which a member listens, as one.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream};

use crate::tls::Entrance;

/// At least one socket. Whoever connects to any of them comes through the same doors.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<(TcpListener, Entrance)>,
    /// Asked first, so that none keeps the others waiting.
    turn: usize,
}

impl Listeners {
    /// All of them, each with what has to be passed there.
    pub(crate) fn new(sockets: Vec<(TcpListener, Entrance)>) -> Listeners {
        assert!(!sockets.is_empty(), "a member listens somewhere");
        Listeners { sockets, turn: 0 }
    }

    /// The next connection to any of them, and what it has to pass.
    pub(super) async fn accept(&mut self) -> io::Result<(TcpStream, Entrance)> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(TcpStream, Entrance)>> {
        for _ in 0..self.sockets.len() {
            let (socket, entrance) = &self.sockets[self.turn];
            self.turn = (self.turn + 1) % self.sockets.len();
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, _)| (stream, entrance.clone())));
            }
        }
        Poll::Pending
    }
}

impl From<TcpListener> for Listeners {
    fn from(socket: TcpListener) -> Listeners {
        Listeners::new(vec![(socket, Entrance::default())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_socket_is_listened_at_though_another_one_is_flooded() {
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push((TcpListener::bind("127.0.0.1:0").await.unwrap(), Entrance::default()));
        }
        let places: Vec<_> =
            sockets.iter().map(|(socket, _)| socket.local_addr().unwrap()).collect();
        let mut listeners = Listeners::new(sockets);
        let mut open = Vec::new();
        for place in [0, 0, 0, 0, 0, 1, 2] {
            open.push(TcpStream::connect(places[place]).await.unwrap());
        }
        let mut at = Vec::new();
        for _ in 0..4 {
            at.push(listeners.accept().await.unwrap().0.local_addr().unwrap());
        }
        for place in places {
            assert!(at.contains(&place), "{place} waits behind {at:?}");
        }
    }
}
