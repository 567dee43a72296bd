//! The secrets file: strict TOML, schema 1.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::error::Damage;
use super::pki::{Authorities, CertifiedKey};
use super::{OverlaySecrets, Secrets, check, pem};
use crate::value::{DnsLabel, Hostname, Secret};

/// The newest schema, and the only one so far.
pub(super) const SCHEMA: u32 = 1;

/// The `kind` of a file of [`super::member`]. That of a whole cluster names none.
pub(super) const MEMBER: &str = "member";

const HEADER: &str = "\
# The secrets of one cluster, created by hcimage in its first build.
#
# This file gives full access to the cluster. Keep it out of version control, and keep a backup in a safe place.
# Each build reads it: the images stay the same, and a node can join again after it is flashed again.
# Without it the running cluster continues to work, but no new or newly flashed node can join.
# Do not edit it, with one exception: you may remove the line of a node that has left the cluster permanently.
";

/// Why a text is not a valid secrets file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Damaged(Damage),
    /// A newer schema.
    Newer(u32),
    /// Another kind of file.
    OtherKind,
}

/// The file.
pub(super) fn render(secrets: &Secrets) -> Secret {
    // Enough capacity for all of it, so that growing leaves no copies in memory.
    let mut text =
        String::with_capacity(16 * 1024 + 128 * secrets.node_passwords.len() + 4096 * secrets.overlays.len());
    let cluster = toml::Value::String(secrets.cluster.clone());
    // Writing into a String cannot fail. PEM, digits and host names need no escapes.
    let _ = write!(text, "{HEADER}\nschema = {SCHEMA}\ncluster = {cluster}\n");
    let (server, agent) = (secrets.server_password.expose(), secrets.agent_password.expose());
    let _ = write!(
        text,
        "\n# The passwords that nodes join with.\n[tokens]\nserver = \"{server}\"\nagent = \"{agent}\"\n"
    );
    let _ = write!(text, "\n# The passwords that identify the nodes to the cluster.\n[node-passwords]\n");
    for (node, password) in &secrets.node_passwords {
        let _ = writeln!(text, "{} = \"{}\"", node.as_str(), password.expose());
    }
    let _ = write!(text, "\n# Signs service-account tokens.\n[service-account]\n");
    write_pem(&mut text, "key", secrets.service_key.expose());
    let _ = write!(text, "\n# The administrator: its key gives full access to the cluster.\n[admin]\n");
    write_pair(&mut text, &secrets.admin);
    let Authorities { server, client, request_header, etcd_peer, etcd_server } = &secrets.authorities;
    let _ = write!(text, "\n# The certificate authorities (CAs) of the cluster.\n");
    for (name, pair) in [
        ("server", server),
        ("client", client),
        ("request-header", request_header),
        ("etcd-peer", etcd_peer),
        ("etcd-server", etcd_server),
    ] {
        let _ = writeln!(text, "[authority.{name}]");
        write_pair(&mut text, pair);
    }
    for (overlay, values) in &secrets.overlays {
        let _ = writeln!(text, "\n# Passwords and other secrets of the overlay.\n[overlays.{overlay}]");
        for (name, value) in values {
            // Somebody may have written one of their own here.
            let value = Zeroizing::new(toml::Value::String(value.expose().to_owned()).to_string());
            let _ = writeln!(text, "{name} = {}", *value);
        }
    }
    Secret::new(text)
}

fn write_pair(text: &mut String, pair: &CertifiedKey) {
    write_pem(text, "certificate", &pair.certificate);
    write_pem(text, "key", pair.key.expose());
}

fn write_pem(text: &mut String, key: &str, pem: &str) {
    // TOML drops the newline after the opening quotes, and PEM text ends with one.
    let _ = writeln!(text, "{key} = \"\"\"\n{pem}\"\"\"");
}

/// Parses a file and checks that its parts match. An error never contains its text.
pub(super) fn parse(text: &str) -> Result<Secrets, Unreadable> {
    versioned(text, None)?;
    let file: File = toml::from_str(text).map_err(|error| {
        at(text, &error, "or its table has an unknown or missing key, or an invalid value")
    })?;
    let secrets = Secrets::try_from(file).map_err(Unreadable::Damaged)?;
    check::integrity(&secrets).map_err(Unreadable::Damaged)?;
    Ok(secrets)
}

/// The schema and the kind, before anything else: a file of another kind is not damaged.
pub(super) fn versioned(text: &str, wanted: Option<&str>) -> Result<(), Unreadable> {
    if text.trim().is_empty() {
        return Err(Unreadable::Damaged(Damage::new("the file is empty")));
    }
    let Versioned { schema, kind } = toml::from_str(text)
        .map_err(|error| at(text, &error, "is not valid TOML, or the schema is missing"))?;
    match schema {
        SCHEMA if kind.as_deref() == wanted => Ok(()),
        SCHEMA => Err(Unreadable::OtherKind),
        newer if newer > SCHEMA => Err(Unreadable::Newer(newer)),
        _ => Err(Unreadable::Damaged(Damage::new("unknown schema"))),
    }
}

/// The messages of toml and serde quote the line and the value, which must not be shown.
pub(super) fn at(text: &str, error: &toml::de::Error, cause: &str) -> Unreadable {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    Unreadable::Damaged(Damage { line, cause: format!("{cause} (not shown, since it may be secret)") })
}

#[derive(Deserialize)]
struct Versioned {
    schema: u32,
    kind: Option<String>,
}

// These types have no Debug, which would print the secrets.

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(rename = "schema")]
    _schema: u32,
    cluster: String,
    tokens: Tokens,
    node_passwords: BTreeMap<Hostname, Zeroizing<String>>,
    service_account: ServiceAccount,
    admin: Pair,
    authority: AuthorityTables,
    #[serde(default)]
    overlays: BTreeMap<DnsLabel, BTreeMap<String, Zeroizing<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    server: Zeroizing<String>,
    agent: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceAccount {
    key: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    certificate: String,
    key: Zeroizing<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AuthorityTables {
    server: Pair,
    client: Pair,
    request_header: Pair,
    etcd_peer: Pair,
    etcd_server: Pair,
}

impl TryFrom<File> for Secrets {
    type Error = Damage;

    fn try_from(file: File) -> Result<Self, Damage> {
        Ok(Self {
            cluster: file.cluster,
            server_password: file.tokens.server.into(),
            agent_password: file.tokens.agent.into(),
            node_passwords: file.node_passwords.into_iter().map(|(n, p)| (n, p.into())).collect(),
            authorities: Authorities {
                server: file.authority.server.certified("the server CA")?,
                client: file.authority.client.certified("the client CA")?,
                request_header: file.authority.request_header.certified("the request-header CA")?,
                etcd_peer: file.authority.etcd_peer.certified("the etcd peer CA")?,
                etcd_server: file.authority.etcd_server.certified("the etcd server CA")?,
            },
            service_key: file.service_account.key()?,
            admin: file.admin.certified("the administrator's certificate")?,
            overlays: file
                .overlays
                .into_iter()
                .map(|(overlay, values)| (overlay, of_overlay(values)))
                .collect(),
        })
    }
}

fn of_overlay(values: BTreeMap<String, Zeroizing<String>>) -> OverlaySecrets {
    values.into_iter().map(|(name, value)| (name, value.into())).collect()
}

// PEM text is encoded again, so that its bytes stay the same even if the line ends in the file have changed.

impl Pair {
    fn certified(self, title: &str) -> Result<CertifiedKey, Damage> {
        let der = pem::certificate_der(&self.certificate);
        let der = der.ok_or_else(|| Damage::new(format!("{title} is not one certificate in PEM format")))?;
        let key = pem::private_key_der(&self.key);
        let key = key
            .ok_or_else(|| Damage::new(format!("the key of {title} is not one PKCS#8 key in PEM format")))?;
        Ok(CertifiedKey { certificate: pem::certificate(&der), key: pem::private_key(&key) })
    }
}

impl ServiceAccount {
    fn key(self) -> Result<Secret, Damage> {
        let der = pem::rsa_private_key_der(&self.key);
        let der = der.ok_or_else(|| {
            Damage::new("the key for service-account tokens is not one PKCS#1 key in PEM format")
        })?;
        Ok(pem::rsa_private_key(&der))
    }
}
