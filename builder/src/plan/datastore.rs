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

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Datastore::External(external) = &request.cluster.datastore else { return Ok(()) };
    if request.node.bootstrap_role.role() != Role::Server {
        return Ok(());
    }
    builder.setting("datastore-endpoint", Node::text(external.endpoint.expose()));
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
