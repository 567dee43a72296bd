//! The page of the node: how the first boot stands, by HTTP, for anybody on the local network.
//!
//! It is a process of its own, without rights, and shares one file with the first boot: `/run/hcimage/status.json`. So nothing
//! that clients do to it delays or ends a phase. Everything that comes from a client is bounded: the number of connections, also
//! of one peer, the size of a request, and the time of a whole exchange.

mod answer;
mod connection;
mod events;
mod host;
mod html;
mod peer;
mod qr;
mod request;
mod seats;
mod status;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

pub use host::is_own_name;
pub use html::page;
pub use peer::is_local;
pub use request::{Head, MAX_HEAD, Method, Refusal, Request, parse};

use crate::STATUS_PORT;
use crate::report::LIVE_PATH;
use seats::Seats;
use status::Board;

/// Threads do little here; the default of the platform is 2 MiB of address space each.
const STACK: usize = 256 << 10;

/// A pause after an error of `accept`, such as no free file descriptor, which may last.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the page listens, and what it shows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; none is every address that the node has or gets, at [`STATUS_PORT`].
    pub listen: Option<SocketAddr>,
    /// The report.
    pub file: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self { listen: None, file: PathBuf::from(LIVE_PATH) }
    }
}

/// Serves the page until its time after Ready is over.
pub fn serve(settings: &Settings) -> io::Result<()> {
    let listeners = listen(settings.listen)?;
    let board = Arc::new(Board::new(settings.file.clone()));
    let seats = Arc::new(Seats::default());
    for listener in listeners {
        let (board, seats) = (Arc::clone(&board), Arc::clone(&seats));
        thread::Builder::new().stack_size(STACK).spawn(move || accept(&listener, &board, &seats))?;
    }
    board.watch();
    Ok(())
}

/// One socket hears both address families, unless the system is set otherwise or has no IPv6; then the second one is needed.
fn listen(wanted: Option<SocketAddr>) -> io::Result<Vec<TcpListener>> {
    if let Some(address) = wanted {
        return TcpListener::bind(address).map(|listener| vec![listener]);
    }
    let six = TcpListener::bind((Ipv6Addr::UNSPECIFIED, STATUS_PORT));
    let four = TcpListener::bind((Ipv4Addr::UNSPECIFIED, STATUS_PORT));
    match (six, four) {
        (Ok(six), Ok(four)) => Ok(vec![six, four]),
        (Ok(only), Err(_)) | (Err(_), Ok(only)) => Ok(vec![only]),
        (Err(_), Err(e)) => Err(e),
    }
}

fn accept(listener: &TcpListener, board: &Arc<Board>, seats: &Arc<Seats>) {
    loop {
        let Ok((stream, peer)) = listener.accept() else {
            thread::sleep(PAUSE);
            continue;
        };
        // A dropped stream is closed.
        if !is_local(peer.ip()) {
            continue;
        }
        let Some(seat) = Seats::take(seats, peer.ip(), &stream) else { continue };
        let board = Arc::clone(board);
        // No thread, no answer: the seat and the stream are given back.
        let _ =
            thread::Builder::new().stack_size(STACK).spawn(move || connection::answer(stream, &board, &seat));
    }
}
