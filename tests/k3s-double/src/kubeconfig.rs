//! kubeconfig files: how a client finds and trusts a server, and shows who it is.

use std::path::Path;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yaml_rust2::{Yaml, YamlLoader};

use crate::client::Client;
use crate::pki::Identity;
use crate::tls;
use crate::url::ServerUrl;

/// k3s's admin kubeconfig: everything inside, one context named `default`.
pub(crate) fn admin(server: &ServerUrl, ca: &str, identity: &Identity) -> String {
    let data = |pem: &str| STANDARD.encode(pem);
    render(
        server,
        &format!("certificate-authority-data: {}", data(ca)),
        "default",
        &[
            format!("client-certificate-data: {}", data(&identity.chain)),
            format!("client-key-data: {}", data(&identity.key)),
        ],
    )
}

/// An agent's `kubelet.kubeconfig`: certificates by the paths of their files.
pub(crate) fn kubelet(server: &ServerUrl, agent: &Path) -> String {
    let path = |name: &str| agent.join(name).display().to_string();
    render(
        server,
        &format!("certificate-authority: {}", path("server-ca.crt")),
        "user",
        &[
            format!("client-certificate: {}", path("client-kubelet.crt")),
            format!("client-key: {}", path("client-kubelet.key")),
        ],
    )
}

fn render(server: &ServerUrl, ca: &str, user: &str, credentials: &[String]) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    {ca}\n    server: {server}\n  name: default\n\
         contexts:\n- context:\n    cluster: default\n    user: {user}\n  name: default\n\
         current-context: default\nkind: Config\nusers:\n- name: {user}\n  user:\n    {}\n",
        credentials.join("\n    ")
    )
}

/// A client as a kubeconfig describes it, by its first cluster and its first user.
///
/// # Errors
/// When the file cannot be read or says too little.
pub(crate) fn client(path: &Path) -> Result<Client> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("reading {}", path.display()))
}

fn parse(text: &str) -> Result<Client> {
    let documents = YamlLoader::load_from_str(text).context("parsing YAML")?;
    let config = documents.first().context("it is empty")?;
    let first = |list: &str, item: &str| -> Result<Yaml> {
        let entry = config[list].as_vec().and_then(|entries| entries.first());
        Ok(entry.with_context(|| format!("it has no {list}"))?[item].clone())
    };
    let (cluster, user) = (first("clusters", "cluster")?, first("users", "user")?);
    let server = cluster["server"].as_str().context("it has no server")?;
    let identity = Identity { chain: pem(&user, "client-certificate")?, key: pem(&user, "client-key")? };
    let tls = tls::client(&pem(&cluster, "certificate-authority")?, Some(&identity))?;
    Ok(Client::new(ServerUrl::parse(server)?, tls))
}

/// The value of `<field>-data`, or the file that `<field>` names.
fn pem(from: &Yaml, field: &str) -> Result<String> {
    if let Some(data) = from[format!("{field}-data").as_str()].as_str() {
        let bytes = STANDARD.decode(data).with_context(|| format!("{field}-data is not base64"))?;
        return String::from_utf8(bytes).with_context(|| format!("{field}-data is not PEM"));
    }
    let path = from[field].as_str().with_context(|| format!("it has neither {field}-data nor {field}"))?;
    std::fs::read_to_string(path).with_context(|| format!("reading {path}"))
}
