//! What the flags mean: parsed once, here, into types.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::config::Config;
use crate::etcd::Outside;
use crate::flags::{self, Given, Role};
use crate::host::{self, Network};
use crate::names;
use crate::secret::Secret;
use crate::token::Token;
use crate::url::ServerUrl;

/// Where k3s keeps its configuration. Tests point `K3S_DOUBLE_ETC` at a directory of their own.
pub(crate) fn etc() -> PathBuf {
    std::env::var_os("K3S_DOUBLE_ETC").unwrap_or_else(|| OsString::from("/etc/rancher")).into()
}

/// What a server and an agent have in common: the node that runs on both.
#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    /// `/etc/rancher`
    pub(crate) etc: PathBuf,
    /// `data-dir`
    pub(crate) data: PathBuf,
    /// The name under which the node registers.
    pub(crate) name: String,
    /// The node's own address.
    pub(crate) address: IpAddr,
    /// `lb-server-port`, on 127.0.0.1
    pub(crate) lb_port: u16,
    /// `node-label`, as name and value
    pub(crate) labels: Vec<(String, String)>,
}

/// The settings of `k3s server`.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    /// The server's own node.
    pub(crate) node: NodeSettings,
    /// `bind-address`
    pub(crate) bind: IpAddr,
    /// `https-listen-port`
    pub(crate) port: u16,
    /// `write-kubeconfig`
    pub(crate) kubeconfig: PathBuf,
    /// `write-kubeconfig-mode`
    pub(crate) kubeconfig_mode: u32,
    /// `token`
    pub(crate) token: Option<Token>,
    /// `agent-token`
    pub(crate) agent_token: Option<Secret>,
    /// `tls-san`
    pub(crate) tls_san: Vec<String>,
    /// `disable`
    pub(crate) disable: Vec<String>,
    /// `server`: the first server, on a further one
    pub(crate) join: Option<ServerUrl>,
    /// `cluster-init`
    pub(crate) cluster_init: bool,
    /// `cluster-reset`
    pub(crate) cluster_reset: bool,
    /// `datastore-endpoint` and its certificates
    pub(crate) outside: Option<Outside>,
}

/// The settings of `k3s agent`.
#[derive(Debug)]
pub(crate) struct AgentSettings {
    /// The node.
    pub(crate) node: NodeSettings,
    /// `server`
    pub(crate) server: ServerUrl,
    /// `token`
    pub(crate) token: Token,
}

impl ServerSettings {
    /// Reads the command line, the configuration files and the environment of a server.
    ///
    /// # Errors
    /// When one of them has an unusable value, or a further server has no token.
    pub(crate) fn load(arguments: Vec<String>) -> Result<Self> {
        let given = load(Role::Server, arguments)?;
        let join = given.last("server").map(ServerUrl::parse).transpose()?;
        let token = secret(&given, "token")?.map(|text| Token::parse(text.reveal())).transpose()?;
        if let Some(token) = token.as_ref().filter(|token| token.ca_hash.is_some()) {
            ensure!(token.user == "server", "invalid token: a server's secure token has the user \"server\"");
        }
        ensure!(join.is_none() || token.is_some(), "--token is required to join a cluster");
        let node = NodeSettings::from_flags(&given, given.last("flannel-backend") != Some("none"))?;
        Ok(Self {
            bind: parsed(&given, "bind-address")?.unwrap_or(IpAddr::from([0, 0, 0, 0])),
            port: parsed(&given, "https-listen-port")?.unwrap_or(6443),
            kubeconfig: given
                .last("write-kubeconfig")
                .map_or_else(|| node.etc.join("k3s/k3s.yaml"), PathBuf::from),
            kubeconfig_mode: mode(given.last("write-kubeconfig-mode").unwrap_or("600"))?,
            token,
            agent_token: secret(&given, "agent-token")?,
            disable: given.all("disable").iter().flat_map(|v| v.split(',')).map(str::to_owned).collect(),
            join,
            cluster_init: given.last("cluster-init") == Some("true"),
            cluster_reset: given.last("cluster-reset") == Some("true"),
            outside: Outside::of_flags(&given)?,
            tls_san: given.all("tls-san").iter().flat_map(|v| v.split(',')).map(str::to_owned).collect(),
            node,
        })
    }
}

impl AgentSettings {
    /// Reads the command line, the configuration files and the environment of an agent.
    ///
    /// # Errors
    /// When the token or the server's address is missing, or anything has an unusable value.
    pub(crate) fn load(arguments: Vec<String>) -> Result<Self> {
        let given = load(Role::Agent, arguments)?;
        let token = secret(&given, "token")?.context("--token is required")?;
        let server = given.last("server").context("--server is required")?;
        Ok(Self {
            server: ServerUrl::parse(server)?,
            token: Token::parse(token.reveal())?,
            node: NodeSettings::from_flags(&given, true)?,
        })
    }
}

impl NodeSettings {
    fn from_flags(given: &Given, flannel: bool) -> Result<Self> {
        let name = given.last("node-name").map_or_else(host::name, |name| Ok(name.to_lowercase()))?;
        ensure!(names::is_subdomain(&name), "node name {name:?} is not a valid RFC 1123 name");
        let network =
            Network { node_ip: node_ip(given)?, flannel_iface: given.last("flannel-iface"), flannel };
        Ok(Self {
            etc: etc(),
            data: given.last("data-dir").unwrap_or("/var/lib/rancher/k3s").into(),
            name,
            address: host::node_address(&network)?,
            lb_port: parsed(given, "lb-server-port")?.unwrap_or(6444),
            labels: given.all("node-label").iter().map(|text| label(text)).collect::<Result<_>>()?,
        })
    }
}

fn load(role: Role, arguments: Vec<String>) -> Result<Given> {
    let on_command_line = flags::parse(role, arguments.clone())?;
    let asked = on_command_line.last("config").map(PathBuf::from);
    let asked = asked.or_else(|| std::env::var_os("K3S_CONFIG_FILE").map(PathBuf::from));
    let required = asked.is_some();
    let config = Config::load(&asked.unwrap_or_else(|| etc().join("k3s/config.yaml")), required)?;
    let files_first = config.into_arguments(role).into_iter().chain(arguments);
    let mut given = flags::parse(role, files_first)?;
    given.add_variables(role, |name| std::env::var(name).ok());
    Ok(given)
}

/// The value of a flag, or the first line of the file that `<flag>-file` names.
fn secret(given: &Given, flag: &str) -> Result<Option<Secret>> {
    if let Some(text) = given.last(flag) {
        return Ok(Some(Secret::new(text)));
    }
    let Some(path) = given.last(&format!("{flag}-file")) else { return Ok(None) };
    let text = std::fs::read_to_string(Path::new(path)).with_context(|| format!("reading {path}"))?;
    Ok(Some(Secret::new(text.trim())))
}

fn parsed<T: std::str::FromStr>(given: &Given, flag: &str) -> Result<Option<T>> {
    let Some(text) = given.last(flag) else { return Ok(None) };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => bail!("invalid value {text:?} for flag -{flag}"),
    }
}

/// The first address of `node-ip`; a second one would be of the other family.
fn node_ip(given: &Given) -> Result<Option<IpAddr>> {
    let first = given.all("node-ip").first().and_then(|text| text.split(',').next());
    first.map(|text| text.trim().parse().with_context(|| format!("invalid node-ip {text:?}"))).transpose()
}

fn mode(text: &str) -> Result<u32> {
    let bits = u32::from_str_radix(text, 8).ok().filter(|bits| *bits <= 0o777);
    bits.with_context(|| format!("invalid write-kubeconfig-mode {text:?}: three octal digits are wanted"))
}

fn label(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once('=').with_context(|| format!("node-label {text:?} has no \"=\""))?;
    Ok((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_octal() {
        assert_eq!(mode("644").unwrap(), 0o644);
        assert_eq!(mode("0600").unwrap(), 0o600);
        assert!(mode("rw").is_err());
        assert!(mode("7777").is_err());
    }

    #[test]
    fn a_label_needs_a_value() {
        assert_eq!(label("a/b=c=d").unwrap(), ("a/b".into(), "c=d".into()));
        assert!(label("a").is_err());
    }
}
