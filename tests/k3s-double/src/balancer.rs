//! The agent's way to the server: 127.0.0.1:6444, passed on byte for byte.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

use crate::url::ServerUrl;
use crate::{client, log};

/// Starts to pass connections on, and returns the local address.
///
/// # Errors
/// When the port is taken.
pub(crate) fn start(port: u16, server: ServerUrl) -> Result<ServerUrl> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .with_context(|| format!("listening on 127.0.0.1:{port} (lb-server-port)"))?;
    let port = listener.local_addr().context("reading the port of the load balancer")?.port();
    log::info(&format!("Running load balancer 127.0.0.1:{port} -> {server}"));
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let server = server.clone();
            thread::spawn(move || {
                if let Err(error) = pass_on(&connection, &server) {
                    log::warn(&format!("load balancer: {server}: {error:#}"));
                }
            });
        }
    });
    Ok(ServerUrl { host: "127.0.0.1".into(), port })
}

fn pass_on(near: &TcpStream, server: &ServerUrl) -> Result<()> {
    let far = client::connect_tcp(server)?;
    let (near_too, far_too) = (near.try_clone()?, far.try_clone()?);
    let upward = thread::spawn(move || copy(&near_too, &far_too));
    copy(&far, near);
    // A panic there has already been printed; nothing is left to do for this connection.
    let _ = upward.join();
    Ok(())
}

/// Copies until one side closes, then tells the other. How it closed does not matter to a pipe.
fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
