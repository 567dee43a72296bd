//! Why the API did not do what it was asked to.

use serde::Deserialize;

use crate::sys::TlsError;

/// The maximum length of a message of the API in an error, in characters.
const MESSAGE_LENGTH: usize = 300;

/// Why a request to the API failed. The messages of the API have no control characters, are bounded and not yet masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeError {
    /// The credentials of this node cannot be used; k3s writes them when it starts.
    #[error("no access to the cluster's API: {0}")]
    Access(String),
    /// The server's name cannot be resolved.
    #[error("the cluster's API cannot be reached: {0}")]
    Name(String),
    /// No connection.
    #[error("the cluster's API does not answer ({0})")]
    Connect(String),
    /// A connection, and no complete answer within so many seconds.
    #[error("the cluster's API did not answer within {0} s")]
    Timeout(u64),
    /// The server's certificate is not signed by the cluster's CA, has another name or is not valid now.
    #[error("the cluster's API is not trusted: {0}")]
    Untrusted(String),
    /// The answer is not one of the API, truncated or too long.
    #[error("the answer of the cluster's API cannot be used: {0}")]
    Talk(String),
    /// 401: the own certificate is not accepted.
    #[error("the cluster's API does not accept this node's certificate (401: {0})")]
    Unauthorized(String),
    /// 403: the own certificate is accepted, but not for this.
    #[error("the cluster's API does not allow it (403: {0})")]
    Forbidden(String),
    /// 404: the object, or its kind, does not exist.
    #[error("not found: {0}")]
    NotFound(String),
    /// 429 and 5xx: it cannot answer now.
    #[error("the cluster's API is not ready ({0}: {1})")]
    Unavailable(u16, String),
    /// Another status.
    #[error("the cluster's API refuses it ({0}: {1})")]
    Refused(u16, String),
}

impl KubeError {
    /// The error of a status that is not 2xx, with the message of the answer.
    pub(super) fn of_status(status: u16, body: &[u8]) -> Self {
        let message = message(body);
        match status {
            401 => Self::Unauthorized(message),
            403 => Self::Forbidden(message),
            404 => Self::NotFound(message),
            429 | 500..=599 => Self::Unavailable(status, message),
            _ => Self::Refused(status, message),
        }
    }

    /// The part of the message that differs between errors of a kind.
    pub(super) fn detail(&self) -> String {
        match self {
            Self::Access(why) => why.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the object, or its kind, does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

impl From<TlsError> for KubeError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Refused | TlsError::Connect(_) => Self::Connect(error.to_string()),
            TlsError::Timeout(seconds) => Self::Timeout(seconds),
            TlsError::Time | TlsError::Name | TlsError::Untrusted(_) => Self::Untrusted(error.to_string()),
            TlsError::Talk(why) => Self::Talk(why),
        }
    }
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

/// The message of a `v1.Status`, otherwise the text itself: k3s answers with plain text before its API is up.
fn message(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Status>(body) {
        Ok(status) => status.message,
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    bounded(&text)
}

/// A text of the cluster without control characters, at a bounded length.
pub fn bounded(text: &str) -> String {
    let plain = text.trim().replace(char::is_control, " ");
    match plain.char_indices().nth(MESSAGE_LENGTH) {
        Some((at, _)) => format!("{}…", plain.get(..at).unwrap_or_default()),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_error() {
        let body = br#"{"kind":"Status","status":"Failure","message":"nodes \"a\"\n not found","code":404}"#;
        let message = "nodes \"a\"  not found".to_owned();
        assert_eq!(KubeError::of_status(404, body), KubeError::NotFound(message.clone()));
        assert_eq!(KubeError::of_status(403, body), KubeError::Forbidden(message.clone()));
        assert_eq!(
            KubeError::of_status(401, b"Unauthorized\n"),
            KubeError::Unauthorized("Unauthorized".into())
        );
        assert_eq!(KubeError::of_status(503, b""), KubeError::Unavailable(503, String::new()));
        assert_eq!(KubeError::of_status(429, b"x"), KubeError::Unavailable(429, "x".into()));
        assert_eq!(KubeError::of_status(410, body), KubeError::Refused(410, message));
    }

    #[test]
    fn a_long_message_is_cut() {
        assert_eq!(bounded(&"ä".repeat(301)), format!("{}…", "ä".repeat(300)));
        assert_eq!(bounded(&"ä".repeat(300)), "ä".repeat(300));
    }
}
