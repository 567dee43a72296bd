//! k3s as its own installer would lay it down: program, links, unit, configuration, images, manifests.

use hc_common::paths::K3S_IMAGES_DIR as IMAGES;

use crate::formats::{k3s_env, k3s_unit};
use crate::source::k3s_release::ReleaseFile;
use crate::value::{BootstrapRole, Role};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::k3s_config;
use super::request::Request;

/// Where the k3s program goes.
pub(super) const BINARY: &str = "/usr/local/bin/k3s";
/// Where k3s looks for what it is to apply.
const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let role = request.node.bootstrap_role.role();
    builder.file(BINARY, 0o755, host_file(&request.k3s.binary), "k3s itself");
    for name in ["kubectl", "crictl", "ctr"] {
        builder.link(&format!("/usr/local/bin/{name}"), "k3s", "k3s is also these tools");
    }
    builder.text(&k3s_unit::path(role), 0o644, k3s_unit::render(role), "runs k3s; firstboot enables it");
    // Only a server writes a kubeconfig.
    let mode = request.cluster.k3s.kubeconfig_mode.filter(|_| role == Role::Server);
    builder.text(&k3s_env::path(role), k3s_env::MODE, k3s_env::render(mode), "environment of k3s");
    k3s_config::edits(builder, request)?;
    images(builder, request);
    if request.node.bootstrap_role == BootstrapRole::InitServer {
        manifests(builder, request);
    }
    Ok(())
}

/// k3s skips unchanged archives at later starts only where `.cache.json` exists.
fn images(builder: &mut PlanBuilder, request: &Request<'_>) {
    let images = &request.k3s.airgap_images;
    builder.file(&images_path(request), 0o644, host_file(images), "images, so that no network is needed");
    builder.text(&format!("{IMAGES}/.cache.json"), 0o644, "", "unchanged images are not imported again");
}

/// Where the archive goes on the node; the ending tells k3s how it is packed.
pub(super) fn images_path(request: &Request<'_>) -> String {
    format!("{IMAGES}/{}", request.k3s.airgap_images.name)
}

/// On the first server only: what is applied is kept in the datastore, which is everybody's.
fn manifests(builder: &mut PlanBuilder, request: &Request<'_>) {
    for manifest in &request.cluster.manifests {
        let content = Content::Secret(manifest.text().clone());
        builder.file(
            &format!("{MANIFESTS}/{}", manifest.name()),
            0o600,
            content,
            "k3s applies it when it starts",
        );
    }
}

fn host_file(file: &ReleaseFile) -> Content {
    let ReleaseFile { path, size, sha256, promised_by, .. } = file.clone();
    Content::HostFile { path, size, sha256, promised_by }
}
