//! Private registries: `/etc/rancher/k3s/registries.yaml` and the files that it names.
//!
//! The form: <https://docs.k3s.io/installation/private-registry>.

use crate::cluster::{Registries, RegistryAccess, RegistryAuth};
use crate::formats::yaml::{self, Key, Node};
use crate::value::Secret;

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

const PATH: &str = "/etc/rancher/k3s/registries.yaml";
const DIR: &str = "/etc/rancher/k3s/registries";
const REASON: &str = "private registries";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Some(registries) = &request.cluster.registries else { return Ok(()) };
    for (number, access) in registries.access.values().enumerate() {
        if let Some(ca) = &access.ca {
            builder.text(&file(number, "ca"), 0o600, ca.clone(), REASON);
        }
        if let Some((certificate, key)) = &access.client {
            builder.text(&file(number, "client"), 0o600, certificate.clone(), REASON);
            builder.file(&file(number, "key"), 0o600, Content::Secret(key.clone()), REASON);
        }
    }
    builder.file(PATH, 0o600, Content::Secret(render(registries)), REASON);
    Ok(())
}

fn render(registries: &Registries) -> Secret {
    let mirrors = registries.mirrors.iter().map(|(name, mirror)| {
        let rewrite = mirror.rewrite.iter();
        let rewrite = rewrite.map(|(pattern, replacement)| (quoted(pattern), Node::text(replacement)));
        let endpoints = ("endpoint".into(), Node::list(&mirror.endpoints));
        let rewrite = map("rewrite", rewrite.collect());
        (quoted(name.as_str()), Node::Map([endpoints].into_iter().chain(rewrite).collect()))
    });
    let access = registries.access.iter().enumerate();
    let configs = access.map(|(number, (name, access))| (quoted(name.as_str()), config(number, access)));
    let entries = map("mirrors", mirrors.collect()).into_iter().chain(map("configs", configs.collect()));
    let entries: Vec<_> = entries.collect();
    Secret::new(format!("# Written by hcimage.\n{}", yaml::document(&entries)))
}

fn config(number: usize, access: &RegistryAccess) -> Node {
    let auth = match &access.auth {
        Some(RegistryAuth::Password { username, password }) => vec![
            ("username".into(), Node::text(username)),
            ("password".into(), Node::text(password.expose())),
        ],
        // The key that k3s reads (rancher/wharfie, `pkg/registries`), and gives to containerd as `identitytoken`.
        Some(RegistryAuth::Token(token)) => vec![("identity_token".into(), Node::text(token.expose()))],
        None => Vec::new(),
    };
    let files = [
        ("ca_file", "ca", access.ca.is_some()),
        ("cert_file", "client", access.client.is_some()),
        ("key_file", "key", access.client.is_some()),
    ];
    let files = files.into_iter().filter(|(_, _, is_there)| *is_there);
    let files = files.map(|(key, kind, _)| (key.into(), Node::Text(file(number, kind))));
    let skip = access.insecure_skip_verify.then(|| ("insecure_skip_verify".into(), Node::Switch(true)));
    let tls = files.chain(skip).collect();
    Node::Map(map("auth", auth).into_iter().chain(map("tls", tls)).collect())
}

/// A mapping below a key; without entries there is no key either.
fn map(key: &'static str, entries: Vec<(Key, Node)>) -> Option<(Key, Node)> {
    (!entries.is_empty()).then(|| (key.into(), Node::Map(entries)))
}

fn quoted(text: &str) -> Key {
    Key::Quoted(text.to_owned())
}

/// Names of registries have colons and stars in them; numbers make better file names.
fn file(number: usize, kind: &str) -> String {
    format!("{DIR}/{number}-{kind}.pem")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::Mirror;

    #[test]
    fn mirrors_and_access_are_written_as_k3s_reads_them() {
        let mirror = |endpoints: &[&str], rewrite: &[(&str, &str)]| Mirror {
            endpoints: endpoints.iter().map(|url| url.parse().unwrap()).collect(),
            rewrite: rewrite.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        };
        let password =
            RegistryAuth::Password { username: "pull".into(), password: Secret::new("pass\"word") };
        let full = RegistryAccess {
            auth: Some(password),
            ca: Some("CA".into()),
            client: Some(("CERTIFICATE".into(), Secret::new("KEY"))),
            insecure_skip_verify: true,
        };
        let token =
            RegistryAccess { auth: Some(RegistryAuth::Token(Secret::new("t"))), ..Default::default() };
        let registries = Registries {
            mirrors: BTreeMap::from([
                ("*".parse().unwrap(), mirror(&[], &[])),
                ("docker.io".parse().unwrap(), mirror(&["https://mirror.lan"], &[("^(.*)$", "hub/$1")])),
            ]),
            access: BTreeMap::from([
                ("a.lan:5000".parse().unwrap(), full),
                ("b.lan".parse().unwrap(), token),
                ("c.lan".parse().unwrap(), RegistryAccess::default()),
            ]),
        };
        let expected = r#"# Written by hcimage.
mirrors:
  "*":
    endpoint: []
  "docker.io":
    endpoint:
      - "https://mirror.lan"
    rewrite:
      "^(.*)$": "hub/$1"
configs:
  "a.lan:5000":
    auth:
      username: "pull"
      password: "pass\"word"
    tls:
      ca_file: "/etc/rancher/k3s/registries/0-ca.pem"
      cert_file: "/etc/rancher/k3s/registries/0-client.pem"
      key_file: "/etc/rancher/k3s/registries/0-key.pem"
      insecure_skip_verify: true
  "b.lan":
    auth:
      identity_token: "t"
  "c.lan": {}
"#;
        assert_eq!(render(&registries).expose(), expected);
    }
}
