//! Probes the server that a node joins, before k3s does: whether it answers, belongs to the cluster and accepts the
//! node's token, and its time.
//!
//! It works like k3s's agent (`pkg/clientaccess/token.go`): the CA comes from `/cacerts` over an unverified connection
//! and is compared with the hash in the join token; from then on only that CA is trusted.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::base64;
use crate::http::{self, Answer};
use crate::phase_error::Failure;
use crate::resolve;
use crate::seed::{Endpoint, Join};
use crate::sys::{System, TlsError, TlsRequest, Trust};

/// The time limit for an answer that costs the server nothing but TLS.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// The time limit for the answer to a token. k3s derives a key from it by scrypt, which takes a busy server up to a
/// minute; a client that gives up earlier only makes it work again.
const TOKEN_WAIT: Duration = Duration::from_secs(120);

/// The maximum size of an answer: more than a CA bundle or an error message has.
const ANSWER_BYTES: usize = 256 * 1024;

/// The maximum difference between two times of a server, beyond the time between the requests.
const SKEW: Duration = Duration::from_secs(5);

/// A join token in its secure format. `Debug` is not implemented: the password is secret.
pub struct Token {
    hash: String,
    user: String,
    password: String,
}

impl Token {
    /// Reads the token file of k3s.
    pub fn load(sys: &dyn System, path: &Path) -> Result<Self, Failure> {
        let failed = |why: String| {
            let what = format!("reading the join token {}: {why}", path.display());
            Failure::new(what, "build the image again and flash it")
        };
        let bytes = sys.read(path).map_err(|e| failed(e.to_string()))?;
        let text = String::from_utf8_lossy(&bytes);
        Self::parse(text.trim())
            .ok_or_else(|| failed("expected the form K10<hash>::<user>:<password>".to_owned()))
    }

    fn parse(text: &str) -> Option<Self> {
        let (hash, credentials) = text.strip_prefix("K10")?.split_once("::")?;
        let (user, password) = credentials.split_once(':')?;
        let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let [hash, user, password] = [hash, user, password].map(str::to_owned);
        (hex && !user.is_empty() && !password.is_empty()).then_some(Self { hash, user, password })
    }

    /// The CAs of a bundle that match the hash. For one certificate the hash is over the literal bytes; for more it is
    /// over the root's DER, so only a root with this hash is trusted.
    fn roots(&self, bundle: &[u8]) -> Option<Vec<Vec<u8>>> {
        let certificates: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(bundle).collect::<Result<_, _>>().ok()?;
        let whole = sha256(bundle) == self.hash;
        let pinned =
            |der: &CertificateDer<'_>| if certificates.len() == 1 { whole } else { sha256(der) == self.hash };
        let roots: Vec<_> = certificates.iter().filter(|der| pinned(der)).map(|der| der.to_vec()).collect();
        (!roots.is_empty()).then_some(roots)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Why a server cannot be joined now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The name cannot be resolved.
    #[error("{0}")]
    Name(String),
    /// No answer.
    #[error("it does not answer ({0})")]
    Connect(String),
    /// A connection, and no answer within so many seconds.
    #[error("it did not answer within {0} s")]
    Timeout(u64),
    /// Its certificate is not valid at the given time.
    #[error("its certificate is not valid at the time of this clock")]
    Time,
    /// Its certificate does not have the name.
    #[error("its certificate does not have this name")]
    WrongName,
    /// TLS failed, or the answer is not from k3s.
    #[error("{0}")]
    Talk(String),
    /// It belongs to another cluster.
    #[error("it belongs to another cluster: its CA does not match the hash in this node's token")]
    WrongCluster,
    /// It belongs to the cluster, but rejects the token.
    #[error("it belongs to this cluster but rejects this node's token")]
    Token,
    /// It belongs to the cluster and is not ready yet.
    #[error("it is still starting")]
    Starting,
}

impl From<TlsError> for JoinError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Refused | TlsError::Connect(_) => Self::Connect(error.to_string()),
            TlsError::Timeout(seconds) => Self::Timeout(seconds),
            TlsError::Time => Self::Time,
            TlsError::Name => Self::WrongName,
            TlsError::Untrusted(_) | TlsError::Talk(_) => Self::Talk(error.to_string()),
        }
    }
}

/// One server at one of its addresses.
struct Peer<'a> {
    sys: &'a dyn System,
    name: &'a Endpoint,
    address: SocketAddr,
    token: &'a Token,
    end: Duration,
}

impl Peer<'_> {
    fn get(&self, path: &str, trust: &Trust, more: &str, wait: Duration) -> Result<Answer, JoinError> {
        let left = self.end.saturating_sub(self.sys.uptime());
        if left.is_zero() {
            return Err(JoinError::Connect("the time limit was reached before the request".to_owned()));
        }
        let answer = self.sys.ask_tls(&TlsRequest {
            server: self.address,
            name: &self.name.host().to_string(),
            trust,
            identity: None,
            message: &http::get(path, &self.name.to_string(), more),
            wait: wait.min(left),
            answer_limit: ANSWER_BYTES,
        })?;
        http::answer(&answer)
            .ok_or_else(|| JoinError::Talk("its answer is not HTTP, or truncated".to_owned()))
    }

    /// The CAs of the cluster, and the unverified time of the answer.
    fn pinned(&self) -> Result<(Vec<Vec<u8>>, Option<Duration>), JoinError> {
        let answer = self.get("/cacerts", &Trust::Anybody, "", ANSWER_WAIT)?;
        match answer.status {
            200 => {
                let roots = self.token.roots(&answer.body).ok_or(JoinError::WrongCluster)?;
                Ok((roots, answer.date))
            }
            503 => Err(JoinError::Starting),
            status => Err(strange(status)),
        }
    }

    fn lets_in(&self) -> Result<(), JoinError> {
        let (roots, _) = self.pinned()?;
        let trust = Trust::Ca { roots, at: self.sys.now() };
        let credentials = base64::encode(format!("{}:{}", self.token.user, self.token.password).as_bytes());
        let header = format!("Authorization: Basic {credentials}\r\n");
        match self.get("/v1-k3s/readyz", &trust, &header, TOKEN_WAIT)?.status {
            200 => Ok(()),
            401 | 403 => Err(JoinError::Token),
            500..=599 => Err(JoinError::Starting),
            status => Err(strange(status)),
        }
    }

    /// The second connection is verified for the time in the first answer, so its certificate must be valid then. So a
    /// server with an expired certificate cannot turn the clock back to the certificate's validity.
    fn time(&self) -> Result<Duration, JoinError> {
        let nothing = || JoinError::Talk("its answer has no valid date".to_owned());
        let (roots, claimed) = self.pinned()?;
        let (at, asked) = (claimed.ok_or_else(nothing)?, self.sys.uptime());
        let answer = self.get("/ping", &Trust::Ca { roots, at }, "", ANSWER_WAIT)?;
        let passed = self.sys.uptime().saturating_sub(asked);
        let time = answer.date.ok_or_else(nothing)?;
        if time.abs_diff(at) > passed.saturating_add(SKEW) {
            return Err(JoinError::Talk("its two times contradict each other".to_owned()));
        }
        Ok(time)
    }
}

fn strange(status: u16) -> JoinError {
    JoinError::Talk(format!("unexpected status {status} in its answer: k3s does not send it"))
}

/// The server that accepts this node, or the most specific error of all servers. It ends before `end`, in uptime.
pub fn lets_in(sys: &dyn System, join: &Join, token: &Token, end: Duration) -> Result<Endpoint, JoinError> {
    first_good(sys, join, token, end, |peer| peer.lets_in().map(|()| peer.name.clone()))
}

/// The time of the first server that has one, since 1970.
pub fn time(sys: &dyn System, join: &Join, token: &Token, end: Duration) -> Result<Duration, JoinError> {
    first_good(sys, join, token, end, |peer| peer.time())
}

/// Probes every server at every address. It keeps the most specific error: a server that answers and rejects the node is
/// more specific than one that does not answer.
fn first_good<T>(
    sys: &dyn System,
    join: &Join,
    token: &Token,
    end: Duration,
    ask: impl Fn(&Peer<'_>) -> Result<T, JoinError>,
) -> Result<T, JoinError> {
    let mut worst: Option<JoinError> = None;
    for name in &join.servers {
        let mut keep = |refusal: JoinError| {
            if worst.as_ref().is_none_or(|worst| worst.weight() < refusal.weight()) {
                worst = Some(refusal);
            }
        };
        match resolve::addresses(sys, name, end) {
            Err(why) => keep(JoinError::Name(why)),
            Ok(addresses) => {
                for address in addresses {
                    match ask(&Peer { sys, name, address, token, end }) {
                        Ok(good) => return Ok(good),
                        Err(refusal) => keep(refusal),
                    }
                }
            }
        }
    }
    Err(worst.unwrap_or_else(|| JoinError::Name("there is no server to join".to_owned())))
}

impl JoinError {
    /// Whether a server may have had to check the token. An answer that is late has cost the most.
    pub fn token_was_sent(&self) -> bool {
        matches!(self, Self::Starting | Self::Timeout(_) | Self::Token)
    }

    fn weight(&self) -> u8 {
        match self {
            Self::Name(_) => 0,
            Self::Connect(_) => 1,
            Self::Timeout(_) => 2,
            Self::Talk(_) => 3,
            Self::Starting => 4,
            Self::Time | Self::WrongName => 5,
            Self::WrongCluster | Self::Token => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_complete_token_is_accepted() {
        let hash = "0123456789abcdef".repeat(4);
        let good = Token::parse(&format!("K10{hash}::node:a:b")).unwrap();
        assert_eq!(
            (good.hash.as_str(), good.user.as_str(), good.password.as_str()),
            (hash.as_str(), "node", "a:b")
        );
        for bad in
            ["", "bare", "K10", "K10ab::node:x", &format!("K10{hash}::node"), &format!("K10{hash}::node:")]
        {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_a_ca_that_matches_the_hash_is_trusted() {
        let pem = |text: &str| {
            format!(
                "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
                base64::encode(text.as_bytes())
            )
        };
        let token = |hash: String| Token { hash, user: "node".into(), password: "x".into() };
        let (one, two) = (pem("one"), pem("one") + &pem("two"));
        assert_eq!(token(sha256(one.as_bytes())).roots(one.as_bytes()).unwrap(), [b"one"]);
        assert_eq!(token(sha256(one.as_bytes())).roots(format!("{one}\n").as_bytes()), None);
        assert_eq!(
            token(sha256(b"one")).roots(one.as_bytes()),
            None,
            "a single certificate is pinned by its PEM text"
        );
        assert_eq!(token(sha256(b"two")).roots(two.as_bytes()).unwrap(), [b"two"]);
        assert_eq!(token(sha256(two.as_bytes())).roots(two.as_bytes()), None);
        assert_eq!(token(sha256(b"")).roots(b""), None);
    }
}
