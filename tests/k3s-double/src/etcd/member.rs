//! Where the member of this server lies, what it is called, and how it starts.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::files;
use crate::secret::Secret;
use crate::settings::NodeSettings;

/// The ports of etcd, as in k3s.
const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

/// The member of this server.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The program.
    pub(super) program: PathBuf,
    /// `server/db/etcd`
    pub(crate) dir: PathBuf,
    /// `server/tls/etcd`
    pub(super) tls: PathBuf,
    /// The name of the node.
    pub(super) node: String,
    /// The node's name with a random end.
    pub(crate) name: String,
    /// The address of the node.
    pub(super) address: IpAddr,
}

/// How etcd starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the data that is there.
    Again,
    /// A cluster of its own.
    New,
    /// As a member that was added before, with all members as `name=url`.
    Joined(Vec<String>),
    /// With the data that is there, as the only member.
    Reset,
}

impl Place {
    /// Finds or makes the name of the member.
    ///
    /// # Errors
    /// When the file of the name cannot be read or written.
    pub(crate) fn load(program: PathBuf, node: &NodeSettings) -> Result<Self> {
        let server = node.data.join("server");
        let dir = server.join("db/etcd");
        let file = dir.join("name");
        let name = match files::read_optional(&file)? {
            Some(name) => name.trim().to_owned(),
            None => {
                let end: String = Secret::random()?.reveal().chars().take(8).collect();
                let name = format!("{}-{end}", node.name);
                files::write_atomic(&file, 0o600, name.as_bytes())?;
                name
            }
        };
        Ok(Self {
            program,
            dir,
            tls: server.join("tls/etcd"),
            node: node.name.clone(),
            name,
            address: node.address,
        })
    }

    /// The rule of k3s: a member exists where its write-ahead log is.
    pub(crate) fn exists(data: &Path) -> bool {
        data.join("server/db/etcd/member/wal").exists()
    }

    /// A name that is not to be used again.
    pub(super) fn forget_name(&self) -> Result<()> {
        fs::remove_file(self.dir.join("name")).context("removing the name of the member")
    }

    pub(crate) fn peer_url(&self) -> String {
        format!("https://{}", SocketAddr::new(self.address, PEER_PORT))
    }

    /// Reached from this machine only. Several servers on one machine have a loopback address each: 127.x.y.z is that of
    /// the node with the address n.x.y.z.
    pub(super) fn client_address(&self) -> SocketAddr {
        let host = match self.address {
            IpAddr::V4(address) => {
                let [_, x, y, z] = address.octets();
                Ipv4Addr::new(127, x, y, z)
            }
            IpAddr::V6(_) => Ipv4Addr::LOCALHOST,
        };
        SocketAddr::new(host.into(), CLIENT_PORT)
    }

    pub(crate) fn client(&self) -> super::Client {
        super::Client::Own(self.client_address())
    }

    /// The node of a member: its name without the random end.
    pub(super) fn node_of(member: &str) -> &str {
        member.rsplit_once('-').map_or(member, |(node, _)| node)
    }
}
