//! How a server gets into the etcd of others. In k3s it asks their etcd itself; here their stand-in does it for it.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::client::Member;
use super::{Client, Place};
use crate::log;

/// The members, as in k3s.
pub(crate) const INFO: &str = "/db/info";

/// Adds a member: a path of the stand-in alone.
pub(crate) const ADD: &str = "/k3s-double/member";

/// One learner at a time; the others try again.
const RETRY: Duration = Duration::from_secs(1);

/// A server on its way into a cluster.
pub(crate) struct Joining<'a> {
    /// The way to a server of that cluster, with the servers' token.
    pub(crate) server: &'a crate::client::Client,
    /// The own member.
    pub(crate) place: &'a Place,
}

impl Joining<'_> {
    /// Has this member added; returns all members as `name=url`.
    ///
    /// # Errors
    /// When another member has the name of this node, or the cluster refuses.
    pub(crate) fn run(&self) -> Result<Vec<String>> {
        let place = self.place;
        let failed = "etcd cluster join failed";
        loop {
            let members = self.members().context(failed)?;
            let of_node =
                |member: &&Member| !member.name.is_empty() && Place::node_of(&member.name) == place.node;
            if members.iter().filter(of_node).any(|member| member.name != place.name) {
                place.forget_name()?;
                bail!("{failed}: duplicate node name found, please use a unique name for this node");
            }
            let is_own = |member: &Member| member.peer_urls.contains(&place.peer_url());
            if members.iter().any(is_own) {
                return Ok(listed(&members, place));
            }
            log::info(&format!("Adding member {} to etcd cluster {:?}", place.name, listed(&members, place)));
            let body = json!({"peerURL": place.peer_url()}).to_string();
            match self.server.send("POST", ADD, body.as_bytes()).context(failed)? {
                answer if answer.status == 200 => {}
                answer if answer.body_text().contains("too many learner members") => {
                    log::info(
                        "Waiting for other members to finish joining etcd cluster: too many learner members in cluster",
                    );
                    thread::sleep(RETRY);
                }
                answer => bail!("{failed}: {}", answer.body_text()),
            }
        }
    }

    fn members(&self) -> Result<Vec<Member>> {
        let all: Value =
            serde_json::from_slice(&self.server.fetch(INFO)?).context("reading the list of members")?;
        let list = all.get("members").and_then(Value::as_array).context("the list of members is damaged")?;
        list.iter().map(read).collect()
    }
}

fn read(from: &Value) -> Result<Member> {
    let urls = from.get("peerURLs").and_then(Value::as_array).into_iter().flatten();
    Ok(Member {
        id: from.get("ID").and_then(Value::as_u64).context("a member without an identifier")?,
        name: from.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        peer_urls: urls.filter_map(Value::as_str).map(str::to_owned).collect(),
        learner: from.get("isLearner").and_then(Value::as_bool).unwrap_or_default(),
    })
}

/// One that has not started yet has no name: with this address it is this one.
fn listed(members: &[Member], place: &Place) -> Vec<String> {
    let name = |member: &Member, url: &String| {
        if member.name.is_empty() && *url == place.peer_url() {
            place.name.clone()
        } else {
            member.name.clone()
        }
    };
    let pairs = members.iter().filter_map(|member| Some((member, member.peer_urls.first()?)));
    pairs.map(|(member, url)| format!("{}={url}", name(member, url))).collect()
}

/// Adds a member for another server, on the side of the cluster.
///
/// # Errors
/// etcd's own: for example while it cannot reach one of the voters.
pub(crate) fn add(client: Client, body: &[u8]) -> Result<()> {
    let asked: Value = serde_json::from_slice(body).context("the body is not JSON")?;
    let url = asked.get("peerURL").and_then(Value::as_str).context("there is no peerURL")?;
    client.add_learner(url)
}
