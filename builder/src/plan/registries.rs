//! Private registries: `/etc/rancher/k3s/registries.yaml` and the files that it names.
//!
//! The form: <https://docs.k3s.io/installation/private-registry>.

use std::fmt::Write as _;

use crate::cluster::{Registries, RegistryAccess, RegistryAuth};
use crate::value::Secret;
use hc_common::text::yaml::quoted;

use super::builder::PlanBuilder;
use super::edit::Content;
use super::request::Request;

const PATH: &str = "/etc/rancher/k3s/registries.yaml";
const DIR: &str = "/etc/rancher/k3s/registries";
const REASON: &str = "private registries";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) {
    let Some(registries) = &request.cluster.registries else { return };
    // Names of registries have colons and stars in them; numbers make better file names.
    for (number, access) in registries.access.values().enumerate() {
        let file = |kind: &str| format!("{DIR}/{number}-{kind}.pem");
        if let Some(ca) = &access.ca {
            builder.text(&file("ca"), 0o600, ca.clone(), REASON);
        }
        if let Some((certificate, key)) = &access.client {
            builder.text(&file("client"), 0o600, certificate.clone(), REASON);
            builder.file(&file("key"), 0o600, Content::Secret(key.clone()), REASON);
        }
    }
    builder.file(PATH, 0o600, Content::Secret(render(registries)), REASON);
}

// Writing into a String cannot fail, here and below.

fn render(registries: &Registries) -> Secret {
    let mut text = String::from("# Written by hcimage.\n");
    if !registries.mirrors.is_empty() {
        text.push_str("mirrors:\n");
    }
    for (name, mirror) in &registries.mirrors {
        let _ = writeln!(text, "  {}:", quoted(name.as_str()));
        let _ = writeln!(text, "    endpoint:{}", if mirror.endpoints.is_empty() { " []" } else { "" });
        for endpoint in &mirror.endpoints {
            let _ = writeln!(text, "      - {}", quoted(&endpoint.to_string()));
        }
        if !mirror.rewrite.is_empty() {
            text.push_str("    rewrite:\n");
        }
        for (pattern, replacement) in &mirror.rewrite {
            let _ = writeln!(text, "      {}: {}", quoted(pattern), quoted(replacement));
        }
    }
    if !registries.access.is_empty() {
        text.push_str("configs:\n");
    }
    for (number, (name, access)) in registries.access.iter().enumerate() {
        let _ = writeln!(text, "  {}:", quoted(name.as_str()));
        text.push_str(&render_access(number, access));
    }
    Secret::new(text)
}

fn render_access(number: usize, access: &RegistryAccess) -> String {
    let mut text = String::new();
    match &access.auth {
        Some(RegistryAuth::Password { username, password }) => {
            let (username, password) = (quoted(username), quoted(password.expose()));
            let _ = writeln!(text, "    auth:\n      username: {username}\n      password: {password}");
        }
        Some(RegistryAuth::Token(token)) => {
            let _ = writeln!(text, "    auth:\n      identity_token: {}", quoted(token.expose()));
        }
        None => {}
    }
    let mut tls = String::new();
    let files = [
        ("ca_file", "ca", access.ca.is_some()),
        ("cert_file", "client", access.client.is_some()),
        ("key_file", "key", access.client.is_some()),
    ];
    for (key, kind, _) in files.iter().filter(|(_, _, there)| *there) {
        let _ = writeln!(tls, "      {key}: {}", quoted(&format!("{DIR}/{number}-{kind}.pem")));
    }
    if access.insecure_skip_verify {
        tls.push_str("      insecure_skip_verify: true\n");
    }
    if !tls.is_empty() {
        let _ = write!(text, "    tls:\n{tls}");
    }
    if text.is_empty() { "    {}\n".to_owned() } else { text }
}
