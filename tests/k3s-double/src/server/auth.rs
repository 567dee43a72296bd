//! Who a request comes from: its client certificate, or user and password.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::join::CALLER;
use crate::http::Request;
use crate::secret::{Secret, sha256_hex};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// Neither a certificate nor a good password.
    Nobody,
    /// The group system:masters: may do everything.
    Admin,
    /// A kubelet, by its certificate: only its own node is its business.
    Kubelet(String),
    /// Someone with the agent token: may join.
    Joiner,
    /// Someone with the server token: may join too, and get the CAs.
    Server,
}

/// The passwords of the users `server` and `node`.
pub(super) struct Passwords {
    /// What servers join with.
    pub(super) server: Secret,
    /// What agents join with.
    pub(super) agent: Secret,
}

impl Caller {
    /// Finds out who it is. The certificate has been verified by TLS; a bad password makes it nobody.
    pub(super) fn of(
        request: &Request,
        certificate: Option<&CertificateDer<'_>>,
        passwords: &Passwords,
    ) -> Self {
        match request.headers.get("authorization") {
            Some(header) => match basic(header, passwords) {
                // Another server asks for somebody: it has made sure for whom.
                Self::Server => request.headers.get(CALLER).map_or(Self::Server, Self::from_text),
                other => other,
            },
            None => certificate.and_then(from_certificate).unwrap_or(Self::Nobody),
        }
    }
}

impl Caller {
    /// As one server tells it to the other.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Nobody => "nobody".into(),
            Self::Admin => "admin".into(),
            Self::Joiner => "joiner".into(),
            Self::Server => "server".into(),
            Self::Kubelet(name) => format!("kubelet {name}"),
        }
    }

    fn from_text(text: &str) -> Self {
        match text {
            "admin" => Self::Admin,
            "joiner" => Self::Joiner,
            "server" => Self::Server,
            _ => text.strip_prefix("kubelet ").map_or(Self::Nobody, |name| Self::Kubelet(name.to_owned())),
        }
    }
}

fn basic(header: &str, passwords: &Passwords) -> Caller {
    let decoded = header.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text).ok());
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let Some((user, password)) = text.as_deref().and_then(|text| text.split_once(':')) else {
        return Caller::Nobody;
    };
    // Hashes are compared, so that the time it takes tells nothing of the password.
    let same = |secret: &Secret| sha256_hex(password.as_bytes()) == sha256_hex(secret.reveal().as_bytes());
    match user {
        "server" if same(&passwords.server) => Caller::Server,
        "node" if same(&passwords.agent) => Caller::Joiner,
        _ => Caller::Nobody,
    }
}

/// Group and user, as Kubernetes reads them from O and CN.
fn from_certificate(der: &CertificateDer<'_>) -> Option<Caller> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?;
    let in_group = |group: &str| subject.iter_organization().any(|o| o.as_str() == Ok(group));
    if in_group("system:masters") {
        return Some(Caller::Admin);
    }
    let node = name.strip_prefix("system:node:").filter(|_| in_group("system:nodes"))?;
    Some(Caller::Kubelet(node.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(header: &str) -> Caller {
        let text = format!("GET / HTTP/1.1\r\nAuthorization: {header}\r\n\r\n");
        let request = Request::read(&mut text.as_bytes()).unwrap().unwrap();
        let passwords = Passwords { server: Secret::new("s"), agent: Secret::new("a") };
        Caller::of(&request, None, &passwords)
    }

    #[test]
    fn one_server_asks_for_another_only_with_the_server_token() {
        let ask =
            |credentials: &str| caller(&format!("Basic {}\r\n{CALLER}: admin", STANDARD.encode(credentials)));
        assert_eq!(ask("server:s"), Caller::Admin);
        assert_eq!(ask("node:a"), Caller::Joiner);
        assert_eq!(ask("server:x"), Caller::Nobody);
        for caller in [Caller::Nobody, Caller::Admin, Caller::Server, Caller::Kubelet("hc-2".into())] {
            assert_eq!(Caller::from_text(&caller.text()), caller);
        }
    }

    #[test]
    fn users_and_their_own_passwords() {
        let basic = |text: &str| caller(&format!("Basic {}", STANDARD.encode(text)));
        assert_eq!(basic("node:a"), Caller::Joiner);
        assert_eq!(basic("server:s"), Caller::Server);
        for bad in ["node:s", "server:a", "root:a", "node:", "node"] {
            assert_eq!(basic(bad), Caller::Nobody, "{bad}");
        }
        assert_eq!(caller("Bearer a"), Caller::Nobody);
        assert_eq!(caller("Basic ###"), Caller::Nobody);
    }
}
