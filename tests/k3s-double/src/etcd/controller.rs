//! What the servers do with members from then on: promote learners, and remove members whose Node is deleted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Client;
use crate::faults::Faults;
use crate::log;

/// Without a quorum for so long, k3s loses its leases and ends.
const LEASE: Duration = Duration::from_secs(15);

/// The loop of one server.
pub(crate) struct Controller {
    /// The own etcd.
    pub(crate) client: Client,
    /// What is to go differently.
    pub(crate) faults: Faults,
}

impl Controller {
    /// Runs for ever; ends the program when etcd has lost its quorum.
    pub(crate) fn run(&self) -> ! {
        let mut learners: BTreeMap<u64, Instant> = BTreeMap::new();
        let (mut good, mut looked) = (Instant::now(), None::<Instant>);
        loop {
            thread::sleep(Duration::from_millis(500));
            match self.client.get("quorum") {
                Ok(_) => good = Instant::now(),
                Err(error) if good.elapsed() > LEASE => {
                    log::fatal(&format!("leaderelection lost for k3s-etcd: {error:#}"));
                    std::process::exit(1);
                }
                Err(_) => continue,
            }
            if looked.is_none_or(|at| at.elapsed() >= self.faults.promote_every) {
                looked = Some(Instant::now());
                if let Err(error) = self.look(&mut learners) {
                    log::warn(&format!("Failed to look after the members of etcd: {error:#}"));
                }
            }
        }
    }

    /// The leader's part.
    fn look(&self, learners: &mut BTreeMap<u64, Instant>) -> Result<()> {
        if !self.client.status()?.is_leader {
            learners.clear();
            return Ok(());
        }
        let members = self.client.members()?;
        learners.retain(|id, _| members.iter().any(|member| member.id == *id && member.learner));
        for learner in members.iter().filter(|member| member.learner) {
            let since = *learners.entry(learner.id).or_insert_with(Instant::now);
            match self.client.promote(learner.id) {
                Ok(()) => log::info(&format!("Promoted learner {}", learner.name)),
                Err(_) if since.elapsed() > self.faults.learner_limit => {
                    log::warn(&format!("Removing learner {}: no progress", learner.name));
                    self.client.remove(learner.id)?;
                }
                // Not in sync yet.
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Removes the member that the annotations of a Node name, as k3s does when the Node is deleted.
///
/// # Errors
/// etcd's own. A Node without a member is none.
pub(crate) fn remove_of_node(client: Client, node: &Value) -> Result<()> {
    let annotation = |key: &str| {
        let key = format!("etcd.k3s.cattle.io/{key}");
        node.pointer("/metadata/annotations")?.get(key)?.as_str().map(str::to_owned)
    };
    let (Some(name), Some(address)) = (annotation("node-name"), annotation("node-address")) else {
        return Ok(());
    };
    let address: IpAddr = address.parse().context("reading the annotation node-address")?;
    let url = |url: &String| {
        let place = url.split_once("://").map_or("", |(_, place)| place);
        place.parse::<std::net::SocketAddr>().is_ok_and(|place| place.ip() == address)
    };
    for member in client.members()? {
        if member.name == name && member.peer_urls.iter().any(url) {
            log::info(&format!("Removing name={name} id={} address={address} from etcd", member.id));
            client.remove(member.id)?;
        }
    }
    Ok(())
}
