//! Where the API is and how this node is known to it: the kubeconfig files of k3s.

use std::path::Path;

use hc_common::value::Host;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::KubeError;
use crate::base64;
use crate::seed::Endpoint;
use crate::sys::{Identity, System};

/// A server, the CAs of its certificate, and the own certificate with its key. `Debug` is not implemented: the key is secret.
#[derive(Clone)]
pub struct Access {
    server: Endpoint,
    /// What its certificate must be for, where that is not the host of `server`.
    name: Option<String>,
    roots: Vec<Vec<u8>>,
    identity: Identity,
}

impl Access {
    /// A server with the PEM text of the CAs that its certificate is verified by.
    pub fn new(server: Endpoint, cas: &[u8], identity: Identity) -> Result<Self, KubeError> {
        let roots: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(cas)
            .map(|der| der.map(|der| der.to_vec()))
            .collect::<Result<_, _>>()
            .map_err(|e| KubeError::Access(format!("damaged CA certificate ({e})")))?;
        if roots.is_empty() {
            return Err(KubeError::Access("there is no CA certificate".to_owned()));
        }
        Ok(Self { server, name: None, roots, identity })
    }

    /// A server whose certificate is verified by these CAs, as DER.
    pub(crate) fn pinned(server: Endpoint, roots: Vec<Vec<u8>>, identity: Identity) -> Self {
        Self { server, name: None, roots, identity }
    }

    /// What a kubeconfig says that k3s wrote.
    pub fn load(sys: &dyn System, path: &Path) -> Result<Self, KubeError> {
        let failed = |why: &str| KubeError::Access(format!("reading {}: {why}", path.display()));
        let bytes = sys.read(path).map_err(|e| failed(&e.to_string()))?;
        let text = str::from_utf8(&bytes).map_err(|_| failed("it is not UTF-8 text"))?;
        let pem = |key: &str| pem(sys, text, key).map_err(|why| failed(&why));
        let server = value(text, "server").ok_or_else(|| failed("missing `server`"))?;
        let server = endpoint(server)
            .ok_or_else(|| failed(&format!("expected `server: https://host:port`, found {server:?}")))?;
        let identity = Identity { certificates: pem("client-certificate")?, key: pem("client-key")? };
        Self::new(server, &pem("certificate-authority")?, identity).map_err(|e| failed(&e.detail()))
    }

    /// The same credentials for another server of the cluster.
    pub fn at(self, server: Endpoint) -> Self {
        Self { server, ..self }
    }

    /// The same for a server behind a port of another machine, whose certificate has this name.
    pub fn named(self, name: String) -> Self {
        Self { name: Some(name), ..self }
    }

    /// The name or address that the server's certificate must have.
    pub(super) fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.server.host().to_string())
    }

    pub(super) fn server(&self) -> &Endpoint {
        &self.server
    }

    /// The CAs that the server's certificate is verified by, as DER.
    pub fn roots(&self) -> &[Vec<u8>] {
        &self.roots
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }
}

/// The value of a key. The files of k3s have one cluster and one user, each value on the line of its key: no key that is
/// asked for here occurs twice.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let line = line.trim_start().trim_start_matches("- ");
        let value = line.strip_prefix(key)?.strip_prefix(':')?.trim();
        let bare = value.trim_matches(['"', '\'']);
        (!bare.is_empty()).then_some(bare)
    })
}

/// The PEM text that `<key>-data` has as base64, or that is in the file named by `key`.
fn pem(sys: &dyn System, text: &str, key: &str) -> Result<Vec<u8>, String> {
    if let Some(data) = value(text, &format!("{key}-data")) {
        return base64::decode(data).ok_or_else(|| format!("`{key}-data` is not base64"));
    }
    let path = value(text, key).ok_or_else(|| format!("neither `{key}` nor `{key}-data` is there"))?;
    sys.read(Path::new(path)).map_err(|e| format!("reading {path}: {e}"))
}

/// `https://host:port`. The own server is at a loopback address, which is no host for a cluster file.
pub fn endpoint(url: &str) -> Option<Endpoint> {
    let (host, port) = url.strip_prefix("https://")?.trim_end_matches('/').rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = match bare.parse() {
        Ok(address) => Host::Address(address),
        Err(_) => Host::Name(host.parse().ok()?),
    };
    Some(Endpoint::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_both_forms_of_k3s() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: QQ==\n    \
                    server: https://127.0.0.1:6443\n  name: default\nusers:\n- name: default\n  user:\n    \
                    client-certificate: \"/var/lib/rancher/k3s/agent/client-kubelet.crt\"\n    client-key-data: QkI=\n";
        assert_eq!(value(text, "server"), Some("https://127.0.0.1:6443"));
        assert_eq!(value(text, "certificate-authority-data"), Some("QQ=="));
        assert_eq!(value(text, "certificate-authority"), None);
        assert_eq!(value(text, "client-certificate"), Some("/var/lib/rancher/k3s/agent/client-kubelet.crt"));
        assert_eq!(value("server:\n", "server"), None);
    }

    #[test]
    fn a_server_is_a_host_with_a_port() {
        for (url, expected) in [
            ("https://127.0.0.1:6443", Some("127.0.0.1:6443")),
            ("https://[::1]:6444/", Some("[::1]:6444")),
            ("https://k3s.home.lan:6443", Some("k3s.home.lan:6443")),
            ("http://127.0.0.1:6443", None),
            ("https://127.0.0.1", None),
            ("https://127.0.0.1:0", None),
            ("https://a b:6443", None),
            ("", None),
        ] {
            assert_eq!(endpoint(url).map(|endpoint| endpoint.to_string()).as_deref(), expected, "{url}");
        }
    }
}
