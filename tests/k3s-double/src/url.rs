//! The address of a server: `https://host[:port]`.

use std::fmt;

use anyhow::{Context, Result, ensure};

/// Host and port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    /// The TCP port.
    pub(crate) port: u16,
}

impl ServerUrl {
    /// Reads a URL without path. The port of https is 443, also here.
    ///
    /// # Errors
    /// When it is not such a URL.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let rest = text.strip_prefix("https://");
        let rest =
            rest.with_context(|| format!("only https:// URLs are supported, invalid scheme: {text}"))?;
        let rest = rest.trim_end_matches('/');
        ensure!(!rest.contains(['/', '?', '#', '@']), "server URL {text} has more than host and port");
        let (host, port) = split(rest).with_context(|| format!("server URL {text} has no host and port"))?;
        ensure!(!host.is_empty(), "server URL {text} has no host");
        let port = match port {
            Some(port) => port.parse().with_context(|| format!("server URL {text} has a bad port"))?,
            None => 443,
        };
        Ok(Self { host: host.into(), port })
    }
}

/// Host without brackets, and what follows the colon.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after {
            "" => Some((host, None)),
            _ => Some((host, Some(after.strip_prefix(':')?))),
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "https://[{}]:{}", self.host, self.port),
            false => write!(f, "https://{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls() {
        let table = [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
            ("https://hc-1/", "https://hc-1:443"),
            ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
        ];
        for (text, shown) in table {
            assert_eq!(ServerUrl::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn bad_urls() {
        for text in [
            "hc-1:6443",
            "http://hc-1",
            "https://",
            "https://a:b",
            "https://a/b",
            "https://[::1",
            "https://u:p@a",
        ] {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }
}
