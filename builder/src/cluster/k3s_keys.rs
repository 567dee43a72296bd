//! What a key of k3s's `config.yaml` is to a role.

use crate::formats::k3s_config::keys::{self, Owner};
use crate::value::Role;

/// What a key is to a role.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be set.
    Free,
    /// hcimage sets it; this is what to do instead.
    Reserved(&'static str),
    /// Only a server knows it, and this is an agent.
    ServerOnly,
    /// No release that we know has it.
    Unknown,
}

pub(super) fn standing(key: &str, role: Role) -> Standing {
    match keys::find(key).map(|known| (known.owner, known.roles.include(role))) {
        Some((Owner::Hcimage(instead), _)) => Standing::Reserved(instead),
        Some((Owner::User, true)) => Standing::Free,
        Some((Owner::User, false)) if role == Role::Agent => Standing::ServerOnly,
        Some((Owner::User, false)) | None => Standing::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_differently_with_servers_and_agents() {
        assert_eq!(standing("kubelet-arg", Role::Agent), Standing::Free);
        assert_eq!(standing("etcd-arg", Role::Server), Standing::Free);
        assert_eq!(standing("etcd-arg", Role::Agent), Standing::ServerOnly);
        assert!(matches!(standing("token", Role::Server), Standing::Reserved(_)));
        assert_eq!(standing("kubelet-args", Role::Server), Standing::Unknown);
    }
}
