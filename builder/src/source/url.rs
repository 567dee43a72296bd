//! Addresses of inputs.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use super::error::{Result, SourceError};
use crate::local_file::is_refused_by_windows;

/// An `https` address without user name and password. Plain `http` is accepted only for loopback addresses (a local
/// mirror), and for archives whose index is signed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SourceUrl(Url);

impl SourceUrl {
    /// The address of an archive whose index is signed, and vouches for all that is in it: plain `http` is accepted.
    ///
    /// # Errors
    /// When it is no such address.
    pub(crate) fn signed(text: &str) -> Result<Self> {
        let url = parse(text)?;
        if url.scheme() == "http" && url.username().is_empty() && url.password().is_none() {
            return Ok(Self(url));
        }
        Self::try_from(url)
    }

    /// Whether anybody on the way could change what is fetched from there.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http" && !is_loopback(&self.0)
    }

    /// The last element of the path, decoded, if it is a valid file name.
    pub fn file_name(&self) -> Result<String> {
        let invalid =
            |problem: &str| SourceError::Invalid { what: self.to_string(), problem: problem.into() };
        let last = self.0.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
        let name = percent_decode(last).ok_or_else(|| invalid("the end of the address is not UTF-8 text"))?;
        if !is_plain_name(&name) {
            return Err(invalid("the address does not end with the name of a file"));
        }
        Ok(name)
    }

    /// The address with `suffix` at the end of its path: `x.img.xz` and `x.img.xz.sha256`.
    pub fn beside(&self, suffix: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{suffix}", self.0.path()));
        Self(url)
    }

    /// Another file of the same directory.
    pub fn sibling(&self, name: &str) -> Self {
        let mut url = self.0.clone();
        let dir = self.0.path().rsplit_once('/').map_or("", |(dir, _)| dir);
        url.set_path(&format!("{dir}/{}", percent_encode(name)));
        url.set_query(None);
        Self(url)
    }

    /// An address below this one, with or without a slash at its end. A `+` is encoded as `%2B`, as GitHub requires.
    pub fn below(&self, name: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{}", self.0.path().trim_end_matches('/'), percent_encode(name)));
        Self(url)
    }

    /// An address below this one, by a path of several names.
    pub(crate) fn below_path(&self, path: &str) -> Self {
        path.split('/').fold(self.clone(), |at, name| at.below(name))
    }

    /// The address with more in its query.
    pub(crate) fn with_query<'a>(&self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut url = self.0.clone();
        url.query_pairs_mut().extend_pairs(pairs);
        Self(url)
    }

    /// Whether both are the same server by the same protocol.
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// The target of a redirect. TLS may redirect only to TLS.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self> {
        self.leads_to(location, "redirect to")
    }

    /// The target of a reference in the file at this address, such as a name beside it. TLS may lead only to TLS.
    pub(crate) fn joined(&self, reference: &str) -> Result<Self> {
        self.leads_to(reference, "it names")
    }

    fn leads_to(&self, reference: &str, how: &str) -> Result<Self> {
        let refuse = |problem: String| SourceError::BadAnswer { url: self.to_string(), problem };
        let target = self
            .0
            .join(reference)
            .map_err(|e| refuse(format!("{how} the invalid address \"{reference}\": {e}")))?;
        if self.0.scheme() == "https" && target.scheme() != "https" {
            return Err(refuse(format!(
                "{how} {target}, which is not https: use an address that stays on https"
            )));
        }
        // What is signed may be on any server.
        let target = if self.is_plain() { Self::signed(target.as_str()) } else { Self::try_from(target) };
        target.map_err(|e| refuse(format!("{how} an address that is not allowed: {e}")))
    }

    /// The server, with its port where that is not the usual one.
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether there is a query: such an address is often signed and valid for a few minutes only.
    pub(crate) fn has_query(&self) -> bool {
        self.0.query().is_some()
    }

    pub(crate) fn as_url(&self) -> &Url {
        &self.0
    }
}

/// Whether a name is that of a file, on every system, and no hidden one.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && !name.chars().any(char::is_control)
        && !is_refused_by_windows(name)
}

fn percent_encode(name: &str) -> String {
    name.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

/// `None` if the result is not UTF-8. A `%` without two hex digits is kept, as browsers do.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail
            .first_chunk::<2>()
            .filter(|digits| first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let escaped = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

impl TryFrom<Url> for SourceUrl {
    type Error = SourceError;

    fn try_from(url: Url) -> Result<Self> {
        // The message must not repeat a password.
        if !url.username().is_empty() || url.password().is_some() {
            let what = url.host_str().unwrap_or("the address").to_owned();
            return Err(SourceError::Invalid {
                what,
                problem: "an address with a user name or password is not allowed: remove it".into(),
            });
        }
        let problem = match url.scheme() {
            "https" => return Ok(Self(url)),
            "http" if is_loopback(&url) => return Ok(Self(url)),
            "http" => {
                "plain http is allowed only for loopback addresses (127.0.0.1, ::1, localhost): use https"
                    .into()
            }
            other => format!("\"{other}\" addresses are not supported: use https"),
        };
        Err(SourceError::Invalid { what: url.to_string(), problem })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl FromStr for SourceUrl {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self> {
        Self::try_from(parse(text)?)
    }
}

fn parse(text: &str) -> Result<Url> {
    Url::parse(text).map_err(|e| SourceError::Invalid {
        what: text.to_owned(),
        problem: format!("invalid address ({e}): expected the form https://example.org/file"),
    })
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for SourceUrl {
    type Error = SourceError;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SourceUrl> for String {
    fn from(url: SourceUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> SourceUrl {
        text.parse().unwrap()
    }

    #[test]
    fn https_and_loopback_http_are_accepted() {
        for good in
            ["https://example.org/a", "http://127.0.0.1:8080/a", "http://[::1]/a", "http://localhost/a"]
        {
            assert_eq!(url(good).to_string(), good);
        }
    }

    #[test]
    fn any_other_address_is_rejected_with_its_reason() {
        for (bad, reason) in [
            ("http://example.org/a", "plain http"),
            ("http://127.0.0.1.example.org/a", "plain http"),
            ("http://localhost.example.org/a", "plain http"),
            ("ftp://example.org/a", "\"ftp\""),
            ("file:///etc/passwd", "\"file\""),
            ("https://user:secret@example.org/a", "user name or password"),
            ("https://user@example.org/a", "user name or password"),
            ("example.org/a", "invalid address"),
            ("", "invalid address"),
        ] {
            let error = bad.parse::<SourceUrl>().unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_signed_archive_may_be_plain_and_stays_without_credentials() {
        let archive = SourceUrl::signed("http://example.org/debian").unwrap();
        assert!(archive.is_plain() && !url("http://127.0.0.1/a").is_plain());
        assert_eq!(
            archive.redirected("http://mirror.example/x").unwrap().to_string(),
            "http://mirror.example/x"
        );
        for bad in ["http://user:secret@example.org/a", "ftp://example.org/a", "file:///etc"] {
            let error = SourceUrl::signed(bad).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_address_gives_its_file_name_and_addresses_beside_and_below() {
        let image = url("https://example.org/images/x-1/x.img.xz");
        assert_eq!(image.file_name().unwrap(), "x.img.xz");
        assert_eq!(image.beside(".sha256").to_string(), "https://example.org/images/x-1/x.img.xz.sha256");
        assert_eq!(image.sibling("SHA256SUMS").to_string(), "https://example.org/images/x-1/SHA256SUMS");
        let releases = url("https://example.org/releases/download");
        let k3s = releases.below("v1.36.2+k3s1").below("k3s-arm64");
        assert_eq!(k3s.to_string(), "https://example.org/releases/download/v1.36.2%2Bk3s1/k3s-arm64");
        assert_eq!(url("https://example.org/tag/v1.36.2%2Bk3s1").file_name().unwrap(), "v1.36.2+k3s1");
    }

    #[test]
    fn an_address_without_a_valid_file_name_is_rejected() {
        for bad in [
            "https://example.org/",
            "https://example.org/a/",
            "https://example.org/a%2Fb",
            "https://example.org/%2E%2Ex",
            "https://example.org/%FF",
            "https://example.org/a%0Ab",
        ] {
            assert!(url(bad).file_name().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_redirect_from_tls_to_anything_else_is_rejected() {
        let from = url("https://example.org/a/b");
        assert_eq!(from.redirected("c").unwrap(), url("https://example.org/a/c"));
        assert_eq!(from.redirected("https://mirror.example/c").unwrap(), url("https://mirror.example/c"));
        for bad in ["http://example.org/a", "http://127.0.0.1/a", "ftp://example.org/"] {
            assert!(from.redirected(bad).is_err(), "{bad}");
        }
        assert!(url("http://127.0.0.1/a").redirected("http://example.org/b").is_err());
    }
}
