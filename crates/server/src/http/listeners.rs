//! The sockets at which a member listens, as one.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream};

/// At least one socket. Whoever connects to any of them comes through the same doors.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    /// Asked first, so that none keeps the others waiting.
    turn: usize,
}

impl Listeners {
    /// All of them.
    pub fn new(sockets: Vec<TcpListener>) -> Listeners {
        assert!(!sockets.is_empty(), "a member listens somewhere");
        Listeners { sockets, turn: 0 }
    }

    /// The next connection to any of them.
    pub(super) async fn accept(&mut self) -> io::Result<TcpStream> {
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        for _ in 0..self.sockets.len() {
            let socket = &self.sockets[self.turn];
            self.turn = (self.turn + 1) % self.sockets.len();
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    }
}

impl From<TcpListener> for Listeners {
    fn from(socket: TcpListener) -> Listeners {
        Listeners::new(vec![socket])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_socket_is_listened_at_though_another_one_is_flooded() {
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let places: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let mut listeners = Listeners::new(sockets);
        let mut open = Vec::new();
        for place in [0, 0, 0, 0, 0, 1, 2] {
            open.push(TcpStream::connect(places[place]).await.unwrap());
        }
        let mut at = Vec::new();
        for _ in 0..4 {
            at.push(listeners.accept().await.unwrap().local_addr().unwrap());
        }
        for place in places {
            assert!(at.contains(&place), "{place} waits behind {at:?}");
        }
    }
}
