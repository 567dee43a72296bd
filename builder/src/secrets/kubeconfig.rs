//! The administrator's kubeconfig and the API's address in it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::pki::CertifiedKey;
use crate::value::Secret;
use hc_common::text::yaml::quoted;

/// The port of k3s for the API and for joining nodes.
const PORT: u16 = 6443;

/// The URL of the API on a host, for kubeconfigs and for `server` in a joining node's configuration.
pub fn api_url(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V6(address)) => format!("https://[{address}]:{PORT}"),
        _ => format!("https://{host}:{PORT}"),
    }
}

/// The file: one cluster, one user, one context, all named after the cluster so that it can be merged with others.
pub(super) fn render(cluster: &str, url: &str, server_ca: &str, admin: &CertifiedKey) -> Secret {
    let key = Zeroizing::new(STANDARD.encode(admin.key.expose()));
    let user = quoted(&format!("{cluster}-admin"));
    let name = quoted(cluster);
    let url = quoted(url);
    let ca = STANDARD.encode(server_ca);
    let certificate = STANDARD.encode(&admin.certificate);
    Secret::new(format!(
        "\
# Written by hcimage. Whoever has this file can do everything in the cluster: keep it to yourself.
apiVersion: v1
kind: Config
clusters:
  - name: {name}
    cluster:
      server: {url}
      certificate-authority-data: {ca}
users:
  - name: {user}
    user:
      client-certificate-data: {certificate}
      client-key-data: {}
contexts:
  - name: {name}
    context:
      cluster: {name}
      user: {user}
current-context: {name}
",
        *key
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_address_becomes_a_url() {
        for (host, url) in [
            ("hc-1", "https://hc-1:6443"),
            ("192.0.2.1", "https://192.0.2.1:6443"),
            ("2001:db8::1", "https://[2001:db8::1]:6443"),
        ] {
            assert_eq!(api_url(host), url);
        }
    }
}
