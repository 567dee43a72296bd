//! Clocks, names and connections of this machine.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hc_common::value::Host;
use hc_firstboot::kube::Line;
use hc_firstboot::seed::Endpoint;
use hc_firstboot::sys::{TlsError, TlsRequest, ask_tls};

/// This machine, with a clock that began when this was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThisMachine(pub(super) Instant);

impl Line for ThisMachine {
    fn now(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }

    /// The system's resolver knows no time limit: it is left behind where it takes longer.
    fn addresses(&self, place: &Endpoint, end: Duration) -> Result<Vec<SocketAddr>, String> {
        let name = match place.host() {
            Host::Address(address) => return Ok(vec![SocketAddr::new(*address, place.port())]),
            Host::Name(name) => name.as_str().to_owned(),
        };
        let (sender, receiver) = mpsc::channel();
        let asked = (name.clone(), place.port());
        thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(asked.to_socket_addrs().map(Vec::from_iter));
        });
        match receiver.recv_timeout(end.saturating_sub(self.uptime())) {
            Ok(Ok(found)) if !found.is_empty() => Ok(found),
            Ok(Err(error)) => Err(format!("cannot resolve the name {name} ({error})")),
            _ => Err(format!("cannot resolve the name {name}")),
        }
    }

    fn ask(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        ask_tls(request)
    }
}
