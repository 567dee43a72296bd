//! What a client needs of the machine that it runs on.

use std::net::SocketAddr;
use std::time::Duration;

use crate::resolve;
use crate::seed::Endpoint;
use crate::sys::{System, TlsError, TlsRequest};

/// Clocks, names and connections of a machine.
pub trait Line {
    /// The wall clock, since 1970.
    fn now(&self) -> Duration;
    /// A clock that never jumps.
    fn uptime(&self) -> Duration;
    /// The addresses of a place, or the reason why there are none. It ends before `end`, in uptime.
    ///
    /// # Errors
    /// A text, where the name cannot be resolved.
    fn addresses(&self, place: &Endpoint, end: Duration) -> Result<Vec<SocketAddr>, String>;
    /// Sends one request over TLS and reads the whole answer.
    ///
    /// # Errors
    /// When there is no connection, no trust, or no complete answer.
    fn ask(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError>;
}

/// A node of the cluster itself.
pub(super) struct OnNode<'a>(pub(super) &'a dyn System);

impl Line for OnNode<'_> {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn uptime(&self) -> Duration {
        self.0.uptime()
    }

    fn addresses(&self, place: &Endpoint, end: Duration) -> Result<Vec<SocketAddr>, String> {
        resolve::addresses(self.0, place, end)
    }

    fn ask(&self, request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        self.0.ask_tls(request)
    }
}
