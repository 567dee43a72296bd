//! An etcd that is somebody else's: `datastore-endpoint` of k3s, with its certificates.

use std::fs;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::client::TIMEOUT;
use crate::flags::Given;
use crate::pki::Identity;
use crate::tls;
use crate::url::ServerUrl;

/// Where it is, and how it is reached.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    /// The members, of which each may answer.
    servers: Vec<ServerUrl>,
    config: Arc<ClientConfig>,
}

impl Outside {
    /// That of the flags, if there is one.
    ///
    /// # Errors
    /// When it is no etcd with TLS, or a certificate cannot be read. A stand-in knows no PostgreSQL and no MySQL.
    pub(crate) fn of_flags(given: &Given) -> Result<Option<Self>> {
        let Some(endpoint) = given.last("datastore-endpoint") else { return Ok(None) };
        let read = |flag: &str| {
            let path = given.last(flag).with_context(|| format!("--{flag} is missing"))?;
            fs::read_to_string(Path::new(path)).with_context(|| format!("reading {path}"))
        };
        let servers = endpoint
            .split(',')
            .map(|one| match one.starts_with("https://") {
                true => ServerUrl::parse(one),
                false => {
                    bail!("the stand-in knows etcd with TLS alone as a datastore of others, not {:.8}…", one)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let own = Identity { chain: read("datastore-certfile")?, key: read("datastore-keyfile")? };
        let config = tls::client(&read("datastore-cafile")?, Some(&own))?;
        Ok(Some(Self { servers, config }))
    }

    /// A connection to the first one that takes one.
    ///
    /// # Errors
    /// When none does, with what the last one said.
    pub(super) fn connect(&self) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut last = None;
        for server in &self.servers {
            match self.connect_to(server) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no endpoint")?)
    }

    fn connect_to(&self, server: &ServerUrl) -> Result<StreamOwned<ClientConnection, TcpStream>> {
        let addresses = (server.host.as_str(), server.port).to_socket_addrs()?;
        let address = addresses.into_iter().next().context("no address")?;
        let socket = TcpStream::connect_timeout(&address, TIMEOUT)
            .with_context(|| format!("connecting to {}:{}", server.host, server.port))?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        let name = ServerName::try_from(server.host.clone())?;
        Ok(StreamOwned::new(ClientConnection::new(Arc::clone(&self.config), name)?, socket))
    }
}
