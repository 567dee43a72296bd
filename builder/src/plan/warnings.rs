//! What a user should know of a node on this image, though it can be built.

use crate::cluster::Addressing;
use crate::formats::accounts::{logins, passwd, shadow};
use crate::formats::authorized_keys;
use crate::fs::ImagePath;
use crate::os::Facts;
use crate::value::{DomainName, Host};

use super::boot;
use super::builder::at;
use super::request::Request;

/// The warnings for a node, a line each.
pub fn warnings(facts: &Facts, request: &Request<'_>) -> Vec<String> {
    let effects = facts.cloud_init.iter().flat_map(|cloud| &cloud.effects).map(ToString::to_string);
    let logins = other_logins(facts, request).into_iter().chain(other_keys(facts, request));
    let own = unanswered_name(facts, request).into_iter().chain(logins);
    boot::warnings(facts, request).into_iter().chain(effects).chain(own).collect()
}

/// Accounts of the base that the cluster file does not name: their owner may have forgotten them, or somebody else have put
/// them there. Root's password goes where the cluster file has users.
fn other_logins(facts: &Facts, request: &Request<'_>) -> Option<String> {
    let text = |path: &str| facts.files.text(&at(path)).ok().flatten().unwrap_or_default();
    let users = &request.cluster.users;
    let is_other = |name: &String| {
        users.iter().all(|user| user.name.as_str() != name) && (users.is_empty() || name != "root")
    };
    let names = logins::by_password(text(passwd::PATH), text(shadow::PATH));
    let names: Vec<String> = names.into_iter().filter(is_other).collect();
    let (first, [account, have]) = match names.as_slice() {
        [] => return None,
        [only] => (only, ["account", "has"]),
        [first, ..] => (first, ["accounts", "have"]),
    };
    Some(format!(
        "the {account} {} of the base {have} a password and may log in: name {first} in [[users]] to give it a password or \
         keys of your own, or remove it from the base",
        names.join(", ")
    ))
}

/// SSH keys of the base, which stay: those of other accounts, and those of the cluster file's accounts that it does not name.
fn other_keys(facts: &Facts, request: &Request<'_>) -> Option<String> {
    let text = |path: &str| facts.files.text(&ImagePath::parse(path).ok()?).ok().flatten();
    let known = |name: &str| {
        let user = request.cluster.users.iter().find(|user| user.name.as_str() == name);
        user.map(|user| user.ssh_keys.as_slice()).unwrap_or_default()
    };
    let has_keys = |(name, home): &(String, String)| {
        let mut paths =
            authorized_keys::PATHS.iter().map(|path| format!("{}{path}", home.trim_end_matches('/')));
        paths.any(|path| text(&path).is_some_and(|text| authorized_keys::has_other_than(text, known(name))))
    };
    let accounts = passwd::with_shell(text(passwd::PATH).unwrap_or_default());
    let names: Vec<String> = accounts.into_iter().filter(has_keys).map(|(name, _)| name).collect();
    let what = match names.as_slice() {
        [] => return None,
        [_] => "the account",
        [_, ..] => "the accounts",
    };
    Some(format!(
        "SSH keys of the base let their owners in as {what} {}: remove those from the base that are not yours",
        names.join(", ")
    ))
}

/// Without a fixed address, a fixed name or a search domain, the kubeconfig has the first server's name for multicast DNS.
/// Without the cluster's secrets there is no kubeconfig.
fn unanswered_name(facts: &Facts, request: &Request<'_>) -> Option<String> {
    let Request { cluster, node, secrets, .. } = request;
    secrets.as_ref()?;
    let first = cluster.nodes.init_server()?;
    let own_name = DomainName::local().host(&first.name).map(Host::Name);
    let is_used = node.name == first.name && own_name.as_ref() == Some(cluster.api_host());
    if !is_used || first.network.addressing != Addressing::Dhcp || facts.mdns {
        return None;
    }
    Some(format!(
        "the kubeconfig names the first server {}, and nothing in its image answers for that name: avahi-daemon is not \
         enabled. Give the server an `address`, set `api` at the top of the cluster file, or replace the name in the \
         kubeconfig with the address that the node gets by DHCP",
        cluster.api_host()
    ))
}
