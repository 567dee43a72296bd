//! Tokens of k3s that a user gives: of a cluster that exists, or of one's own choice.
//!
//! The formats are those of k3s's `pkg/clientaccess/token.go`. No message shows a token.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use hc_common::value::{Secret, ValueError};

/// Where a server has the token that other nodes join with.
const NODE_TOKEN: &str = "/var/lib/rancher/k3s/server/node-token";

/// The hash of a cluster's CA, as in its tokens after `K10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaHash(String);

impl FromStr for CaHash {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 64 || !text.bytes().all(hex) {
            let hint = "use the 64 digits after K10 in the file server/node-token on a server of the cluster";
            return Err(ValueError::hidden("CA hash", "is not 64 lower-case hexadecimal digits", hint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for CaHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenUser {
    /// Servers'. Where a cluster has no token for agents alone, they join with its password too.
    Server,
    /// Agents'.
    Node,
}

/// The token of a cluster that exists: `K10<hash>::<user>:<password>`, or the password alone.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// The hash of the cluster's CA, if the token has it.
    pub ca_hash: Option<CaHash>,
    /// Whose it is, if it says so.
    pub user: Option<TokenUser>,
    /// The password in it.
    pub password: Secret,
}

impl FromStr for JoinToken {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |cause: &str| {
            let hint = format!("use the text of {NODE_TOKEN}, from a server of the cluster");
            ValueError::hidden("token", cause, hint)
        };
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(refused("is empty or has a space or a character that is not printable ASCII"));
        }
        let Some(rest) = text.strip_prefix("K10") else {
            if is_bootstrap_token(text) {
                return Err(refused("is a bootstrap token, which expires"));
            }
            return Ok(Self { ca_hash: None, user: None, password: Secret::new(text) });
        };
        let (hash, credentials) = rest.split_once("::").ok_or_else(|| refused("is incomplete"))?;
        let ca_hash = if hash.is_empty() { None } else { Some(hash.parse()?) };
        if is_bootstrap_token(credentials) {
            return Err(refused("is a bootstrap token, which expires"));
        }
        let (user, password) = credentials.split_once(':').ok_or_else(|| refused("is incomplete"))?;
        let user = match user {
            "server" => TokenUser::Server,
            "node" => TokenUser::Node,
            _ => return Err(refused("is of neither servers nor agents")),
        };
        if password.is_empty() {
            return Err(refused("is incomplete"));
        }
        Ok(Self { ca_hash, user: Some(user), password: Secret::new(password) })
    }
}

/// `<id>.<secret>`, as `k3s token create` makes them (Kubernetes, `cluster-bootstrap/token/util`).
fn is_bootstrap_token(text: &str) -> bool {
    let word = |text: &str, length| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split_once('.').is_some_and(|(id, secret)| word(id, 6) && word(secret, 16))
}

/// The password of a token that the user chose for a new cluster.
#[derive(Debug, Clone)]
pub struct TokenPassword(Secret);

/// How many bits a guess of it must be worth: a server can be asked from the whole network, and what it keeps is encrypted
/// with the token.
const BITS: f64 = 80.0;

/// Fewer different characters are a pattern, however long.
const DIFFERENT: usize = 8;

impl TokenPassword {
    /// The password.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

impl FromStr for TokenPassword {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = |cause: &str, hint: &str| Err(ValueError::hidden("token", cause, hint));
        let make = "make one with `openssl rand -hex 16`";
        if text.starts_with("K10") {
            return refused(
                "begins with K10, as a token with the hash of a CA does",
                "use the password alone, which comes after the last colon; for a cluster that exists use [join]",
            );
        }
        if is_bootstrap_token(text) {
            return refused("has the form of a bootstrap token of Kubernetes", make);
        }
        // Neither the list of passwords (CSV) nor a shell nor a URL gives these a meaning.
        let plain =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
        if text.is_empty() || !text.bytes().all(plain) || text.len() > 256 {
            return refused("is not 1 to 256 letters, digits and characters of -._~+/=", make);
        }
        if strength(text) < BITS || text.bytes().collect::<BTreeSet<u8>>().len() < DIFFERENT {
            return refused("is too easy to guess", make);
        }
        Ok(Self(Secret::new(text)))
    }
}

/// The bits of a random text of this length and of these kinds of characters.
fn strength(text: &str) -> f64 {
    let has = |kind: fn(&u8) -> bool| text.bytes().any(|b| kind(&b));
    let hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let kinds = [
        (has(u8::is_ascii_digit), 10.0),
        (has(u8::is_ascii_lowercase), if hex { 6.0 } else { 26.0 }),
        (has(u8::is_ascii_uppercase), 26.0),
        (has(u8::is_ascii_punctuation), 7.0),
    ];
    let letters: f64 = kinds.iter().filter(|(there, _)| *there).map(|(_, count)| count).sum();
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    f64::from(length) * letters.log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_of_a_cluster_is_taken_apart() {
        for (text, hash, user, password) in [
            (format!("K10{HASH}::server:hunter2:x"), true, Some(TokenUser::Server), "hunter2:x"),
            (format!("K10{HASH}::node:hunter2"), true, Some(TokenUser::Node), "hunter2"),
            ("K10::server:hunter2".to_owned(), false, Some(TokenUser::Server), "hunter2"),
            ("hunter2".to_owned(), false, None, "hunter2"),
        ] {
            let token: JoinToken = text.parse().unwrap();
            assert_eq!(token.ca_hash.map(|hash| hash.to_string()), hash.then(|| HASH.to_owned()), "{text}");
            assert_eq!((token.user, token.password.expose()), (user, password), "{text}");
        }
    }

    #[test]
    fn what_is_no_token_of_a_cluster_is_refused_and_not_shown() {
        for (text, cause) in [
            (String::new(), "empty"),
            ("hunter2 x".to_owned(), "space"),
            ("K10hunter2".to_owned(), "incomplete"),
            (format!("K10{HASH}::hunter2"), "incomplete"),
            (format!("K10{HASH}::node:"), "incomplete"),
            (format!("K10{HASH}::kim:hunter2"), "neither"),
            (format!("K10{}::node:hunter2", HASH.to_uppercase()), "lower-case"),
            ("K10abc::node:hunter2".to_owned(), "64"),
            ("abcdef.0123456789abcdef".to_owned(), "expires"),
            (format!("K10{HASH}::abcdef.0123456789abcdef"), "expires"),
        ] {
            let error = text.parse::<JoinToken>().unwrap_err().to_string();
            assert!(error.contains(cause) && !error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_token_of_ones_own_is_strong_and_harmless() {
        for good in [
            "0123456789abcdef0123456789abcdef",
            "correct-horse-battery-staple",
            "Zm9vYmFyYmF6cXV4Zm9v/+==",
            "aB3dE6gH9jK2mN5p",
        ] {
            assert_eq!(good.parse::<TokenPassword>().unwrap().secret().expose(), good);
        }
        for (bad, cause) in [
            ("", "1 to 256"),
            ("hunter2", "guess"),
            ("0123456789abcdef", "guess"),
            ("abababababababababababababababab", "guess"),
            ("hunter2 hunter2 hunter2 hunter2", "letters"),
            ("hunter2,hunter2,hunter2,hunter2", "letters"),
            ("hunter2:hunter2:hunter2:hunter2", "letters"),
            ("K10hunter2hunter2hunter2", "K10"),
            ("abcdef.0123456789abcdef", "bootstrap"),
        ] {
            let error = bad.parse::<TokenPassword>().unwrap_err().to_string();
            assert!(error.contains(cause) && !error.contains("hunter2"), "{bad}: {error}");
        }
    }
}
