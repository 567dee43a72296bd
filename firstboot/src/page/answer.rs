//! The head of an answer, with the fields that keep the page to itself.

use sha2::{Digest, Sha256};

use super::html::{SCRIPT, STYLE};
use super::request::Refusal;
use crate::base64;

/// HTML, JSON or plain text.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// See [`HTML`].
pub(super) const JSON: &str = "application/json";
/// See [`HTML`].
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// A stream of events.
pub(super) const EVENTS: &str = "text/event-stream";

/// An answer that is whole.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn ok(kind: &'static str, body: String) -> Self {
        Self { status: "200 OK", kind, body }
    }

    pub(super) fn error(status: &'static str, why: &str) -> Self {
        Self { status, kind: TEXT, body: format!("{why}\n") }
    }

    /// Head and body, or the head alone.
    pub(super) fn bytes(&self, with_body: bool) -> Vec<u8> {
        let length = format!("Content-Length: {}\r\n", self.body.len());
        let body = if with_body { self.body.as_str() } else { "" };
        [head(self.status, self.kind, &length).as_str(), body].concat().into_bytes()
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed => {
                Self::error("400 Bad Request", "this is not a request that the page understands")
            }
            Refusal::Method => {
                Self::error("405 Method Not Allowed", "the page can only be read: GET or HEAD")
            }
            Refusal::TooLong => {
                Self::error("431 Request Header Fields Too Large", "the head of the request is too long")
            }
            Refusal::Version => Self::error("505 HTTP Version Not Supported", "HTTP/1.1, please"),
        }
    }
}

/// The head of an answer, with the empty line at its end. Every connection has one exchange.
pub(super) fn head(status: &str, kind: &str, more: &str) -> String {
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}{allow}Connection: close\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: {}\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
         Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\r\n",
        policy()
    )
}

/// Nothing but the page's own style and script may be used, and nobody may frame it.
fn policy() -> String {
    let hash = |text: &str| base64::encode(&Sha256::digest(text));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
