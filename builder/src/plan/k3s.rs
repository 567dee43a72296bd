//! k3s as its own installer would lay it down: program, links, unit, configuration, images, manifests.

use hc_common::paths::K3S_IMAGES_DIR as IMAGES;

use crate::cluster::Manifest;
use crate::formats::{k3s_env, k3s_unit};
use crate::value::{BootstrapRole, Role};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::k3s_settings;
use super::request::Request;

/// Where the k3s program goes.
const BINARY: &str = "/usr/local/bin/k3s";
/// Where k3s looks for what it is to apply.
const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let role = request.node.bootstrap_role.role();
    builder.artifact(BINARY, 0o755, &request.k3s.binary, "k3s itself");
    for name in ["kubectl", "crictl", "ctr"] {
        builder.link(&format!("/usr/local/bin/{name}"), "k3s", "k3s is also these tools");
    }
    builder.text(&k3s_unit::path(role), 0o644, k3s_unit::render(role), "runs k3s; firstboot enables it");
    // Only a server writes a kubeconfig.
    let mode = request.cluster.k3s.kubeconfig_mode.filter(|_| role == Role::Server);
    builder.text(&k3s_env::path(role), k3s_env::MODE, k3s_env::render(mode), "environment of k3s");
    k3s_settings::add(builder, request)
}

/// What k3s imports and applies when it starts.
pub(super) fn payload(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let images = &request.k3s.airgap_images;
    // The ending tells k3s how the archive is packed.
    let path = format!("{IMAGES}/{}", images.name);
    builder.artifact(&path, 0o644, images, "images, so that no network is needed");
    // k3s skips unchanged archives at later starts only where this file exists.
    builder.text(&format!("{IMAGES}/.cache.json"), 0o644, "", "unchanged images are not imported again");
    // On the first server only: what is applied is kept in the datastore, which is everybody's.
    if request.node.bootstrap_role == BootstrapRole::InitServer {
        request.cluster.manifests.iter().for_each(|manifest| apply(builder, manifest));
    }
    Ok(())
}

fn apply(builder: &mut PlanBuilder, manifest: &Manifest) {
    let content = Content::Secret(manifest.text().clone());
    let path = format!("{MANIFESTS}/{}", manifest.name());
    builder.file(&path, 0o600, content, "k3s applies it when it starts");
    builder.addon(manifest.addon());
}
