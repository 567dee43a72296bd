//! Servers that hold a client: each byte comes within any limit for one read, and the answer never.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use hc_firstboot::sys::{RealSystem, System, TlsError, TlsRequest, Trust};

/// Sends these bytes one by one, four a second, to whoever connects, and then those of the last one again for two minutes.
fn drips(bytes: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let Ok((mut client, _)) = listener.accept() else { return };
        let last = bytes.last().copied().unwrap_or_default();
        let mut hello = [0; 512];
        let _ = client.read(&mut hello);
        for byte in bytes.into_iter().chain(std::iter::repeat_n(last, 480)) {
            if client.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(250));
        }
    });
    address
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_does_not_hold_the_node() {
    // The header of a handshake message of 16 KiB (RFC 8446, 5.1), whose content comes at four bytes a second.
    let request = TlsRequest {
        server: drips(vec![0x16, 3, 3, 0x40, 0, 2, 0]),
        name: "127.0.0.1",
        trust: &Trust::Anybody,
        identity: None,
        message: b"GET /cacerts HTTP/1.1\r\n\r\n",
        wait: Duration::from_secs(1),
        answer_limit: 1 << 16,
    };
    // Whatever ends it must be this limit: the server goes on for two minutes.
    assert_eq!(RealSystem.ask_tls(&request), Err(TlsError::Timeout(1)));
}
