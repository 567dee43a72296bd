//! Probes the server that a node joins, before k3s does: whether it answers, belongs to the cluster and accepts the
//! node's token, and its time.
//!
//! It works like k3s's agent (`pkg/clientaccess/token.go`): the CA comes from `/cacerts` over an unverified connection
//! and is compared with the hash in the join token; from then on only that CA is trusted.

mod token;

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{self, Answer};
use crate::resolve;
use crate::seed::{Endpoint, Join, Seed};
use crate::sys::{System, TlsError, TlsRequest, Trust};

pub use token::Token;

/// The time limit for an answer that costs the server nothing but TLS.
const ANSWER_WAIT: Duration = Duration::from_secs(20);

/// The time limit for the answer to a token. k3s derives a key from it by scrypt, which takes a busy server up to a
/// minute; a client that gives up earlier only makes it work again.
const TOKEN_WAIT: Duration = Duration::from_secs(120);

/// The maximum size of an answer: more than a CA bundle or an error message has.
const ANSWER_BYTES: usize = 256 * 1024;

/// The maximum difference between two times of a server, beyond the time between the requests.
const SKEW: Duration = Duration::from_secs(5);

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
    /// TLS failed, or the answer is not HTTP.
    #[error("{0}")]
    Talk(String),
    /// The answer is not from k3s.
    #[error("unexpected status {0} in its answer: k3s does not send it")]
    Foreign(u16),
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

/// A server that did not accept this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The server.
    pub server: Endpoint,
    /// Its reason.
    pub why: JoinError,
}

/// What an error says about a cluster at that address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Nobody is there.
    Absent,
    /// Somebody is there who does not belong to this cluster.
    Stranger,
    /// This cluster is there, or nothing rules it out.
    Possible,
}

impl JoinError {
    /// What the error says about a cluster at that address. A server that is busy, starting or without a quorum may
    /// accept a connection and answer late or not at all, so only a connection that fails is a sign that nobody is there.
    pub fn presence(&self) -> Presence {
        match self {
            Self::Name(_) | Self::Connect(_) => Presence::Absent,
            Self::WrongCluster | Self::Foreign(_) => Presence::Stranger,
            Self::Timeout(_)
            | Self::Talk(_)
            | Self::Starting
            | Self::Time
            | Self::WrongName
            | Self::Token => Presence::Possible,
        }
    }
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

/// What a server is asked for to see whether it lets a node in. k3s gives each path to one kind of node only
/// (`pkg/server/handlers/router.go`, `pkg/etcd/etcd.go`): a server's password is refused where an agent's is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// As an agent.
    Agent,
    /// As a server that shares an etcd: the members, which it answers only with a quorum.
    Etcd,
    /// As a server that shares a database elsewhere: what k3s itself fetches first. The answer is not kept.
    Database,
}

impl Ask {
    /// What a node with this seed asks for.
    pub fn of(seed: &Seed) -> Self {
        match (seed.role.is_agent(), &seed.etcd) {
            (true, _) => Self::Agent,
            (false, Some(_)) => Self::Etcd,
            (false, None) => Self::Database,
        }
    }

    /// k3s takes the user from the role, not from the token (`pkg/clientaccess`, `WithUser`).
    fn user(self) -> &'static str {
        match self {
            Self::Agent => "node",
            Self::Etcd | Self::Database => "server",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Agent => "/v1-k3s/readyz",
            Self::Etcd => MEMBERS,
            Self::Database => "/v1-k3s/server-bootstrap",
        }
    }
}

/// k3s's own path for servers that join, with the servers' token. etcd answers only while it has a quorum.
const MEMBERS: &str = "/db/info";

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
            status => Err(JoinError::Foreign(status)),
        }
    }

    /// What the server answers to the token, over a connection with the pinned CA.
    fn authorized(&self, ask: Ask) -> Result<Answer, JoinError> {
        let (roots, _) = self.pinned()?;
        let trust = Trust::Ca { roots, at: self.sys.now() };
        let answer = self.get(ask.path(), &trust, &self.token.authorization(ask.user()), TOKEN_WAIT)?;
        match answer.status {
            200 => Ok(answer),
            401 | 403 => Err(JoinError::Token),
            500..=599 => Err(JoinError::Starting),
            status => Err(JoinError::Foreign(status)),
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

/// The first server that accepts this node, or why each of them does not. It ends before `end`, in uptime.
pub fn lets_in(
    sys: &dyn System,
    join: &Join,
    token: &Token,
    ask: Ask,
    end: Duration,
) -> Result<Endpoint, Vec<Refusal>> {
    first_good(sys, &join.servers, token, end, |peer| peer.authorized(ask).map(|_| peer.name.clone()))
}

/// The time of the first server that has one, since 1970; or the most specific error of all servers.
pub fn time(sys: &dyn System, join: &Join, token: &Token, end: Duration) -> Result<Duration, JoinError> {
    first_good(sys, &join.servers, token, end, |peer| peer.time()).map_err(most_specific)
}

/// The members of etcd, as one server answers to the token.
pub(crate) fn members(
    sys: &dyn System,
    server: &Endpoint,
    token: &Token,
    end: Duration,
) -> Result<Vec<u8>, JoinError> {
    let servers = std::slice::from_ref(server);
    first_good(sys, servers, token, end, |peer| peer.authorized(Ask::Etcd))
        .map(|answer| answer.body)
        .map_err(most_specific)
}

/// The CAs of a server, pinned by the token.
pub(crate) fn roots(
    sys: &dyn System,
    server: &Endpoint,
    token: &Token,
    end: Duration,
) -> Result<Vec<Vec<u8>>, JoinError> {
    let servers = std::slice::from_ref(server);
    first_good(sys, servers, token, end, |peer| peer.pinned().map(|(roots, _)| roots)).map_err(most_specific)
}

/// The error that says most: a server that answers and rejects the node is more specific than one that does not answer.
pub fn most_specific(refusals: Vec<Refusal>) -> JoinError {
    let mut worst: Option<JoinError> = None;
    for Refusal { why, .. } in refusals {
        if worst.as_ref().is_none_or(|worst| worst.weight() < why.weight()) {
            worst = Some(why);
        }
    }
    worst.unwrap_or_else(|| JoinError::Name("there is no server to join".to_owned()))
}

/// Probes every server at every address until one is good.
fn first_good<T>(
    sys: &dyn System,
    servers: &[Endpoint],
    token: &Token,
    end: Duration,
    ask: impl Fn(&Peer<'_>) -> Result<T, JoinError>,
) -> Result<T, Vec<Refusal>> {
    let mut refusals = Vec::new();
    for name in servers {
        let mut keep = |why: JoinError| refusals.push(Refusal { server: name.clone(), why });
        match resolve::addresses(sys, name, end) {
            Err(why) => keep(JoinError::Name(why)),
            Ok(addresses) => {
                for address in addresses {
                    match ask(&Peer { sys, name, address, token, end }) {
                        Ok(good) => return Ok(good),
                        Err(why) => keep(why),
                    }
                }
            }
        }
    }
    Err(refusals)
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
            Self::Talk(_) | Self::Foreign(_) => 3,
            Self::Starting => 4,
            Self::Time | Self::WrongName => 5,
            Self::WrongCluster | Self::Token => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A busy server, or one without a quorum, may take a connection and say nothing.
    #[test]
    fn only_a_failed_connection_or_a_stranger_rules_a_cluster_out() {
        let word = String::new;
        for (error, presence) in [
            (JoinError::Name(word()), Presence::Absent),
            (JoinError::from(TlsError::Refused), Presence::Absent),
            (JoinError::from(TlsError::Connect(word())), Presence::Absent),
            (JoinError::WrongCluster, Presence::Stranger),
            (JoinError::Foreign(404), Presence::Stranger),
            (JoinError::from(TlsError::Timeout(20)), Presence::Possible),
            (JoinError::from(TlsError::Talk(word())), Presence::Possible),
            (JoinError::from(TlsError::Untrusted(word())), Presence::Possible),
            (JoinError::from(TlsError::Time), Presence::Possible),
            (JoinError::from(TlsError::Name), Presence::Possible),
            (JoinError::Starting, Presence::Possible),
            (JoinError::Token, Presence::Possible),
        ] {
            assert_eq!(error.presence(), presence, "{error:?}");
        }
    }
}
