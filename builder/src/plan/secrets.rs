//! The node's secrets, where k3s and firstboot look for them.

use crate::formats::yaml::Node;
use crate::secrets::{AGENT_TOKEN, TOKEN};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

/// Directories that only root may look into, from the outermost one.
const DIRS: [(&str, u16); 3] = [
    ("/var/lib/rancher/k3s/server", 0o700),
    ("/var/lib/rancher/k3s/server/tls", 0o700),
    ("/var/lib/rancher/k3s/server/tls/etcd", 0o700),
];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let Some(secrets) = request.secrets else { return Ok(()) };
    for (dir, mode) in DIRS {
        if secrets.files.iter().any(|file| file.path.starts_with(&format!("{dir}/"))) {
            builder.dir(dir, mode, "only root looks in here");
        }
    }
    for file in &secrets.files {
        builder.file(file.path, file.mode, Content::Secret(file.content.clone()), file.reason);
    }
    builder.setting("token-file", Node::text(TOKEN));
    // A cluster that was made elsewhere may have one token for all.
    if secrets.files.iter().any(|file| file.path == AGENT_TOKEN) {
        builder.setting("agent-token-file", Node::text(AGENT_TOKEN));
    }
    Ok(())
}
