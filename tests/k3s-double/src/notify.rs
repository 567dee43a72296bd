//! sd_notify(3): telling systemd that the service is ready.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::{Context, Result};

/// Sends `READY=1` to the socket named by `NOTIFY_SOCKET`; does nothing when systemd did not ask for it.
///
/// # Errors
/// When the socket is named but cannot be reached.
pub(crate) fn ready() -> Result<()> {
    match std::env::var_os("NOTIFY_SOCKET") {
        Some(socket) if !socket.is_empty() => send(&socket, b"READY=1\n"),
        _ => Ok(()),
    }
}

fn send(socket: &OsString, message: &[u8]) -> Result<()> {
    let deliver = || UnixDatagram::unbound()?.send_to_addr(message, &address(socket)?);
    let sent: std::io::Result<usize> = deliver();
    sent.with_context(|| format!("sending to NOTIFY_SOCKET {}", socket.display()))?;
    Ok(())
}

/// A path, or with a leading `@` a name in Linux's abstract namespace.
fn address(socket: &OsStr) -> std::io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn reaches_a_socket_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        send(&path.into_os_string(), b"READY=1\n").unwrap();
        assert_eq!(receive(&listener), "READY=1\n");
    }

    #[test]
    fn reaches_an_abstract_socket() {
        let name = format!("k3s-double-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(&OsString::from(format!("@{name}")), b"READY=1\n").unwrap();
        assert_eq!(receive(&listener), "READY=1\n");
    }

    #[test]
    fn a_socket_nobody_listens_on_is_an_error() {
        assert!(send(&OsString::from("/nonexistent/notify"), b"READY=1\n").is_err());
    }
}
