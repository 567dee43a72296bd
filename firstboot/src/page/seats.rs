//! How many clients there may be at once, in all and of one peer.

use std::collections::BTreeMap;
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections in all; each has a thread.
const SEATS: usize = 64;

/// Connections of one peer: a browser opens six.
const SEATS_OF_PEER: usize = 8;

/// Streams of events in all, so that the page can be loaded besides them.
const STREAMS: usize = 24;

/// Streams of one peer: a browser has one for each tab.
const STREAMS_OF_PEER: usize = 4;

/// The clients that are being served, the one that came first at the front.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    clients: BTreeMap<u64, Client>,
}

#[derive(Debug)]
struct Client {
    peer: IpAddr,
    is_stream: bool,
    /// To hang up on it.
    stream: TcpStream,
}

/// The place of one client; it is free again once this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
}

impl Seats {
    /// A place for a client, unless its peer has too many. Where all are taken, the client that has been asking for the
    /// longest time gives way: one that is slow on purpose keeps nobody out.
    pub(super) fn take(seats: &Arc<Self>, peer: IpAddr, stream: &TcpStream) -> Option<Seat> {
        let mut taken = seats.lock();
        let peer = peer.to_canonical();
        let of_peer = taken.clients.values().filter(|client| client.peer == peer).count();
        if of_peer >= SEATS_OF_PEER {
            return None;
        }
        if taken.clients.len() >= SEATS {
            let oldest =
                taken.clients.iter().find(|(_, client)| !client.is_stream).map(|(number, _)| *number)?;
            // Its thread fails to read, and ends; the place is another's from now on.
            let client = taken.clients.remove(&oldest)?;
            let _ = client.stream.shutdown(Shutdown::Both);
        }
        let stream = stream.try_clone().ok()?;
        let number = taken.next;
        taken.next = number.wrapping_add(1);
        taken.clients.insert(number, Client { peer, is_stream: false, stream });
        Some(Seat { seats: Arc::clone(seats), number })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Makes the client one of a stream. Where its peer has too many, or all together, an older one gives way: a browser that loads the page
    /// again has left its stream without a word.
    pub(super) fn keep_for_stream(&self) -> bool {
        let mut taken = self.seats.lock();
        let Some(peer) = taken.clients.get(&self.number).map(|client| client.peer) else { return false };
        let streams: Vec<(u64, IpAddr)> = taken
            .clients
            .iter()
            .filter(|(_, client)| client.is_stream)
            .map(|(number, client)| (*number, client.peer))
            .collect();
        let of = |peer: IpAddr| streams.iter().filter(move |(_, other)| *other == peer);
        let gives_way = if of(peer).count() >= STREAMS_OF_PEER {
            of(peer).next()
        } else if streams.len() >= STREAMS {
            // The oldest of whoever has most.
            streams.iter().rev().max_by_key(|(_, peer)| of(*peer).count())
        } else {
            None
        };
        if let Some((oldest, _)) = gives_way
            && let Some(client) = taken.clients.remove(oldest)
        {
            let _ = client.stream.shutdown(Shutdown::Both);
        }
        taken.clients.get_mut(&self.number).is_some_and(|client| {
            client.is_stream = true;
            true
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn stream() -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    }

    #[test]
    fn one_peer_has_eight_places_and_four_streams() {
        let seats = Arc::new(Seats::default());
        let (peer, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let stream = stream();
        let mut taken: Vec<Seat> = (0..8).map(|_| Seats::take(&seats, peer, &stream).unwrap()).collect();
        assert!(Seats::take(&seats, peer, &stream).is_none());
        assert!(Seats::take(&seats, "::ffff:10.0.0.1".parse().unwrap(), &stream).is_none(), "the same peer");
        assert!(Seats::take(&seats, other, &stream).is_some());
        // A browser that loads the page again has left its stream without a word: the newest four stay.
        assert!(taken.iter().all(Seat::keep_for_stream));
        assert_eq!(
            seats.lock().clients.values().filter(|client| client.is_stream && client.peer == peer).count(),
            4
        );
        taken.remove(7);
        assert!(Seats::take(&seats, peer, &stream).is_some());
    }

    #[test]
    fn the_oldest_gives_way_and_streams_never_fill_the_house() {
        let seats = Arc::new(Seats::default());
        let stream = stream();
        let peer = |i: usize| IpAddr::from([10, 0, 0, u8::try_from(i).unwrap()]);
        let taken: Vec<Seat> = (0..64).map(|i| Seats::take(&seats, peer(i), &stream).unwrap()).collect();
        let streams = || seats.lock().clients.values().filter(|client| client.is_stream).count();
        assert!(taken.iter().all(Seat::keep_for_stream));
        assert_eq!(streams(), 24);
        let late: Vec<Seat> = (64..200).filter_map(|i| Seats::take(&seats, peer(i), &stream)).collect();
        assert_eq!((late.len(), seats.lock().clients.len()), (136, 64));
        assert_eq!(streams(), 24);
    }
}
