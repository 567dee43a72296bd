//! A database elsewhere that keeps the cluster's state: how its servers get into it.

use crate::cluster::Datastore;
use crate::formats::yaml::Node;
use crate::value::Role;

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

const CA: &str = "/etc/rancher/k3s/datastore/ca.pem";
const CERTIFICATE: &str = "/etc/rancher/k3s/datastore/client.pem";
const KEY: &str = "/etc/rancher/k3s/datastore/client.key";
const REASON: &str = "for the database of the cluster";

/// Beside the unit of a server.
const START_LIMIT: &str = "/etc/systemd/system/k3s.service.d/hcimage-database.conf";

/// When PostgreSQL has not answered for five minutes, k3s 1.36 becomes a process that does nothing and does not end: kine 0.16 gives up
/// by a panic (kine issue 725), which k3s catches. Seen with k3s itself. Its unit alone has no limit.
const START_LIMIT_TEXT: &str = "# Written by hcimage. k3s that has given up on its database is started again.\n\
     [Service]\n\
     TimeoutStartSec=15min\n";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Datastore::External(external) = &request.cluster.datastore else { return Ok(()) };
    if request.node.bootstrap_role.role() != Role::Server {
        return Ok(());
    }
    builder.setting("datastore-endpoint", Node::text(external.endpoint.expose()));
    builder.text(START_LIMIT, 0o644, START_LIMIT_TEXT, "k3s may hang where its database does not answer");
    if let Some(ca) = &external.ca {
        builder.setting("datastore-cafile", Node::text(CA));
        builder.text(CA, 0o600, ca.clone(), REASON);
    }
    if let Some((certificate, key)) = &external.client {
        builder.setting("datastore-certfile", Node::text(CERTIFICATE));
        builder.setting("datastore-keyfile", Node::text(KEY));
        builder.text(CERTIFICATE, 0o600, certificate.clone(), REASON);
        builder.file(KEY, 0o600, Content::Secret(key.clone()), REASON);
    }
    Ok(())
}
