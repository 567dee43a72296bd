//! The address of an external datastore, as kine takes it apart, by which k3s reaches it.
//!
//! What kine v0.16 and its drivers (pgx v5, go-sql-driver v1) would refuse or take for something else is refused here: on a node,
//! only the log of k3s would tell. `make database-test` asks the real kine.

mod mysql;
mod postgres;

use std::net::IpAddr;
use std::str::FromStr;

use hc_common::value::{Host, Secret, ValueError};

/// A value of k3s's `--datastore-endpoint`. `Debug` hides it: it may contain a password.
#[derive(Debug, Clone)]
pub struct DatastoreEndpoint {
    text: Secret,
    /// What it says itself of encryption, which `ca-file` or `cert-file` would contradict.
    own_encryption: Option<Refusal>,
}

/// What is wrong, and the cure. Fixed texts: a part of an endpoint may be a part of its password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refusal(&'static str, &'static str);

impl From<Refusal> for ValueError {
    fn from(Refusal(cause, hint): Refusal) -> Self {
        Self::hidden("datastore endpoint", cause, hint)
    }
}

const NO_USER: Refusal = Refusal(
    "names no user",
    "begin it with the user and the password: postgres://k3s:password@db.home.lan/k3s",
);
const LOCAL: Refusal = Refusal("is on the server itself", "use a host that every server can reach");
const NO_HOST: Refusal = Refusal(
    "has no host with an optional port from 1 to 65535",
    "write db.home.lan:5432 or 10.0.0.9:5432, a name in lowercase letters, an IPv6 address as [fd00::9]:5432",
);

impl DatastoreEndpoint {
    /// The endpoint, for the file that k3s reads.
    pub fn expose(&self) -> &str {
        self.text.expose()
    }

    /// What a CA or a client certificate beside it would contradict.
    pub fn contradicts_files(&self) -> Option<ValueError> {
        self.own_encryption.map(ValueError::from)
    }

    /// Whether k3s verifies the database without a CA of the cluster file, by those that the node's system trusts.
    pub fn verifies(&self) -> bool {
        let text = self.text.expose();
        let says = |tail: &str, wanted: &[(&str, &str)]| {
            let query = tail.split_once('?').map_or("", |(_, query)| query);
            parameters(query).is_ok_and(|pairs| pairs.iter().any(|pair| wanted.contains(pair)))
        };
        match text.split_once("://").map_or("", |(scheme, _)| scheme) {
            "postgres" | "postgresql" => says(text, &[("sslmode", "verify-ca"), ("sslmode", "verify-full")]),
            // Its passwords are not encoded, and end before the last slash.
            "mysql" => says(text.rsplit('/').next().unwrap_or_default(), &[("tls", "true")]),
            "https" => true,
            _ => false,
        }
    }
}

impl FromStr for DatastoreEndpoint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let own_encryption = check(text)?;
        Ok(Self { text: Secret::new(text), own_encryption })
    }
}

/// What it says of encryption itself.
fn check(text: &str) -> Result<Option<Refusal>, Refusal> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(Refusal(
            "has no scheme",
            "begin it with postgres://, mysql://, nats:// or, for etcd, https://",
        ));
    };
    if rest.is_empty() {
        return Err(Refusal("is incomplete", "use the form postgres://user:password@host:5432/k3s"));
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal(
            "has a blank or another character that is not plain ASCII",
            "for PostgreSQL, percent-encode it: a blank is %20; for MySQL, which cannot, choose another password",
        ));
    }
    match scheme {
        "postgres" | "postgresql" => postgres::check(rest),
        "mysql" => mysql::check(rest),
        "nats" => nats(rest),
        "http" | "https" => etcd(text),
        "sqlite" => Err(Refusal(
            "is SQLite, which is not external",
            "set datastore = \"sqlite\" in [k3s] and remove [external-datastore]",
        )),
        _ => Err(Refusal(
            "has a scheme that k3s does not support",
            "begin it with postgres://, mysql://, nats:// or, for etcd, https://",
        )),
    }
}

/// A host with an optional port. The port.
fn server(text: &str) -> Result<Option<u16>, Refusal> {
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host).trim_matches(['[', ']']);
    let is_local = |host: &str| {
        let is_name = host == "localhost" || host.ends_with(".localhost");
        is_name || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    };
    if is_local(host) || is_local(text) {
        return Err(LOCAL);
    }
    match Host::with_optional_port_from(text) {
        // Without brackets the end of the address could be a port.
        Some((Host::Address(IpAddr::V6(_)), None)) | None => Err(NO_HOST),
        Some((_, port)) => Ok(port),
    }
}

/// `https://a:2379,https://b:2379`: etcd's client takes an address without a scheme for one without TLS.
fn etcd(text: &str) -> Result<Option<Refusal>, Refusal> {
    let parts: Vec<_> = text.split(',').map(|part| part.split_once("://")).collect();
    let schemes = parts.iter().map(|part| part.map(|(scheme, _)| scheme));
    let plain = schemes.clone().filter(|scheme| *scheme == Some("http")).count();
    let encrypted = schemes.filter(|scheme| *scheme == Some("https")).count();
    if plain + encrypted < parts.len() || (plain > 0 && encrypted > 0) {
        return Err(Refusal(
            "has addresses of etcd that do not all begin alike",
            "write each as https://etcd-1.home.lan:2379, with commas and no blanks between them",
        ));
    }
    for (_, rest) in parts.iter().flatten() {
        if server(rest.trim_end_matches('/'))?.is_none() {
            return Err(Refusal("has an address of etcd without a port", "add it: it is usually :2379"));
        }
    }
    let of_files = Refusal("is not encrypted, so that the files are not used", "begin it with https://");
    Ok((plain > 0).then_some(of_files))
}

fn nats(rest: &str) -> Result<Option<Refusal>, Refusal> {
    let authority = rest.split(['/', '?', ',']).next().unwrap_or_default();
    server(authority.rsplit('@').next().unwrap_or_default())?;
    Ok(None)
}

/// The parameters after a `?`, keys and values.
fn parameters(query: &str) -> Result<Vec<(&str, &str)>, Refusal> {
    if query.contains(';') || !is_percent_encoded(query) {
        return Err(Refusal(
            "has parameters that are not encoded as in a URL",
            "percent-encode what is special in them: % is %25, / is %2F, ; is %3B",
        ));
    }
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    Ok(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
}

/// Whether each `%` is followed by two hexadecimal digits.
fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|after| encoded_byte(after).is_some())
}

/// The byte of the digits behind a `%`.
fn encoded_byte(after: &str) -> Option<u8> {
    let digits = after.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests;
