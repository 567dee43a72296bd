//! Tokens that nodes join with, pinned to the cluster's CA.
//!
//! Format and hash: k3s `pkg/clientaccess/token.go`. The first server accepts the pinned format too, because its CA
//! exists before it starts; the user in it must be `server` (`pkg/passwd`, `EnsureUser`).

use std::fmt::Display;

use crate::source::digest::Sha256Digest;
use crate::value::Secret;

/// The user of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    /// Servers. Such a token can fetch the CA keys, so it gives full access to the cluster.
    Server,
    /// Agents only.
    Node,
}

/// `K10<hash>::<user>:<password>`.
pub(super) fn pinned(server_ca: &str, user: User, password: &Secret) -> Secret {
    with_hash(ca_hash(server_ca), user, password)
}

/// The same with the hash of a CA that was made elsewhere.
pub(super) fn with_hash(hash: impl Display, user: User, password: &Secret) -> Secret {
    let user = match user {
        User::Server => "server",
        User::Node => "node",
    };
    Secret::new(format!("K10{hash}::{user}:{}", password.expose()))
}

/// The hash of a CA file with one self-signed certificate: of its literal bytes, including the last newline.
pub(super) fn ca_hash(server_ca: &str) -> Sha256Digest {
    Sha256Digest::of(server_ca.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_includes_the_last_newline() {
        // printf 'abc\n' | sha256sum
        let hash = "edeaaff3f1774ad2888673770c6d64097e391bc362d7d6fb34982ddf0efd18cb";
        let token = pinned("abc\n", User::Node, &Secret::new("pass"));
        assert_eq!(token.expose(), format!("K10{hash}::node:pass"));
        assert_ne!(ca_hash("abc"), ca_hash("abc\n"));
    }
}
