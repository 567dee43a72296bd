//! Resolution of names by the base's own resolver.

use std::net::SocketAddr;
use std::time::Duration;

use hc_common::value::Host;

use crate::seed::Endpoint;
use crate::sys::{Command, System};

/// The time limit for one name.
const LIMIT: Duration = Duration::from_secs(20);

/// The addresses of a host, in the order of the resolver, each once; or the reason why there are none. It ends before
/// `end`, in uptime.
///
/// It uses `getent`: this program is statically linked, so the C library's own resolver does not work.
pub(crate) fn addresses(
    sys: &dyn System,
    place: &Endpoint,
    end: Duration,
) -> Result<Vec<SocketAddr>, String> {
    let name = match place.host() {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, place.port())]),
        Host::Name(name) => name.as_str(),
    };
    let mut command = Command::new("getent", ["ahosts", name]);
    command.limit = LIMIT.min(end.saturating_sub(sys.uptime()));
    let output = sys.run(&command).map_err(|e| format!("running {command}: {e}"))?;
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in output.stdout.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        let address = SocketAddr::new(address, place.port());
        if !found.contains(&address) {
            found.push(address);
        }
    }
    if found.is_empty() {
        return Err(format!("cannot resolve the name {name}"));
    }
    Ok(found)
}
