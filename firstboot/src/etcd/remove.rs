//! Removes the etcd member that this node had before it was flashed again: k3s does not join beside it ("duplicate node
//! name found"), and no member can be added while one cannot be reached.
//!
//! The rule is narrow. The member must have this node's name and an address that this machine has now, which the network
//! phase has claimed against any other machine; the cluster must have lost the node; and etcd must have a quorum, or its
//! list of members could not be read. Removing a member that is gone never costs a quorum.

use std::net::IpAddr;

use serde::Deserialize;

use super::members::Member;
use super::{advice, local, members};
use crate::context::Context;
use crate::join_probe::{self, JoinError, Token};
use crate::kube::{Access, Client};
use crate::phase_error::PhaseError;
use crate::seed::{Admin, Endpoint, Etcd};
use crate::state::PhaseName;
use crate::sys::{Command, Identity};
use crate::systemd;

/// Removes the old member of this node, if `server` lists one. Ends with an error until it is gone; then returns a note.
pub(crate) fn old_member(
    cx: &mut Context<'_>,
    etcd: &Etcd,
    server: &Endpoint,
    token: &Token,
) -> Result<Option<String>, PhaseError> {
    let all = members::ask(cx.sys, server, token, cx.deadline).map_err(|why| unlisted(server, &why))?;
    let current = local::member_name(cx.sys);
    let name = cx.node_name();
    let is_old = |member: &&Member| member.is_of(&name) && Some(&member.name) != current.as_ref();
    let Some(old) = all.iter().find(is_old) else {
        return Ok(cx
            .state
            .removed_member
            .as_ref()
            .map(|name| format!("the old etcd member {name} was removed")));
    };
    check_address(cx, old)?;
    remove(cx, etcd, server, token, old)?;
    if cx.state.removed_member.as_ref() != Some(&old.name) {
        cx.state.removed_member = Some(old.name.clone());
        cx.save().map_err(PhaseError::Abort)?;
    }
    let what = format!(
        "the etcd member {} of this node, from before it was flashed again, is being removed",
        old.name
    );
    Err(PhaseError::retry(what, advice::delete_node(&cx.node_name())))
}

fn unlisted(server: &Endpoint, why: &JoinError) -> PhaseError {
    let what = format!("the server {server} cannot list the members of etcd: {why}");
    match why {
        JoinError::Token | JoinError::WrongCluster => PhaseError::abort(what, advice::SAME_SECRETS),
        // etcd lists its members only with a quorum.
        _ => PhaseError::retry(what, advice::lost_quorum()),
    }
}

/// Another machine with this node's name may be alive at another address: that is for a person to judge.
fn check_address(cx: &Context<'_>, old: &Member) -> Result<(), PhaseError> {
    let (theirs, own) = (old.addresses(), own_addresses(cx)?);
    if !theirs.is_empty() && theirs.iter().all(|address| own.contains(address)) {
        return Ok(());
    }
    let list = |all: &[IpAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let what = format!(
        "the cluster has an etcd member {} with the name of this node at {}, but this machine has {}",
        old.name,
        list(&theirs),
        list(&own)
    );
    let advice = format!(
        "give every node a name of its own; {}, then power this node off and on",
        advice::delete_node(&cx.node_name())
    );
    Err(PhaseError::abort(what, advice))
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    local: Option<IpAddr>,
}

/// The addresses of this machine.
fn own_addresses(cx: &Context<'_>) -> Result<Vec<IpAddr>, PhaseError> {
    let command = Command::new("ip", ["-j", "addr", "show"]);
    let output = systemd::run(cx.sys, &command)?;
    let links: Vec<Link> = serde_json::from_str(&output.stdout).map_err(|e| {
        PhaseError::retry(format!("running {command}: {e}"), "check that iproute2 in the image is whole")
    })?;
    Ok(links.into_iter().flat_map(|link| link.addr_info).filter_map(|address| address.local).collect())
}

/// Deletes the Node, whose finalizer of k3s removes the member.
fn remove(
    cx: &mut Context<'_>,
    etcd: &Etcd,
    server: &Endpoint,
    token: &Token,
    old: &Member,
) -> Result<(), PhaseError> {
    let name = cx.node_name();
    let command = || advice::delete_node(&name);
    let Some(admin) = &etcd.admin else {
        let what =
            format!("the cluster still has the etcd member {} of this node's old installation", old.name);
        return Err(PhaseError::retry(what, command()));
    };
    let failed = |what: String| {
        PhaseError::retry(format!("removing the old etcd member {}: {what}", old.name), command())
    };
    let roots =
        join_probe::roots(cx.sys, server, token, cx.deadline).map_err(|why| failed(why.to_string()))?;
    let identity = identity(cx, admin).map_err(&failed)?;
    let client = Client::new(cx.sys, Access::pinned(server.clone(), roots, identity), cx.deadline);
    let node = match client.node(&name) {
        Ok(node) => node,
        Err(e) if e.is_not_found() => return Err(without_node(old)),
        Err(e) => return Err(failed(e.to_string())),
    };
    if node.is_ready() {
        let what =
            format!("the cluster still hears from a node {name}: another machine with this name may run");
        return Err(PhaseError::retry(what, "power that machine off; the cluster notices within a minute"));
    }
    if node.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    cx.progress(PhaseName::Join, &format!("deleting the node {name} with its old etcd member {}", old.name))
        .map_err(PhaseError::Abort)?;
    match client.delete(&Client::node_path(&name)) {
        Err(e) if !e.is_not_found() => Err(failed(e.to_string())),
        _ => Ok(()),
    }
}

/// No Node has the member. k3s removes one that never became a voter by itself.
fn without_node(old: &Member) -> PhaseError {
    let what = format!("the cluster has an etcd member {} of this node, but no Node for it", old.name);
    if old.learner {
        return PhaseError::retry(what, "wait: k3s removes a member that does not start within five minutes");
    }
    PhaseError::retry(what, advice::remove_member(&old.name))
}

fn identity(cx: &Context<'_>, admin: &Admin) -> Result<Identity, String> {
    let read =
        |path: &std::path::Path| cx.sys.read(path).map_err(|e| format!("reading {}: {e}", path.display()));
    Ok(Identity { certificates: read(&admin.certificate)?, key: read(&admin.key)? })
}
