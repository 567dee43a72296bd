//! k3s as its own installer would lay it down: program, links, unit, configuration, images, manifests.

use hc_common::paths::K3S_IMAGES_DIR as IMAGES;

use crate::cluster::Manifest;
use crate::formats::{container_stop, k3s_env, k3s_unit};
use crate::value::{BootstrapRole, Role};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::k3s_settings;
use super::request::Request;

/// Where the k3s program goes.
const BINARY: &str = "/usr/local/bin/k3s";
/// Where k3s looks for what it is to apply.
pub(super) const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

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
    stop(builder, role);
    k3s_settings::add(builder, request)
}

/// A power-off that somebody at the plug can wait for.
fn stop(builder: &mut PlanBuilder, role: Role) {
    const REASON: &str = "containers get 20 seconds at power-off";
    let unit = format!("/etc/systemd/system/{}", container_stop::UNIT);
    builder.text(container_stop::SCRIPT_PATH, 0o755, container_stop::script(), REASON);
    builder.text(&unit, 0o644, container_stop::render(role), REASON);
    builder.link(
        &format!("/etc/systemd/system/multi-user.target.wants/{}", container_stop::UNIT),
        &unit,
        REASON,
    );
}

/// What k3s imports and applies when it starts.
pub(super) fn payload(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let images = &request.k3s.airgap_images;
    // The ending tells k3s how the archive is packed.
    let path = format!("{IMAGES}/{}", images.name);
    builder.artifact(&path, 0o644, images, "images, so that no network is needed");
    if let Some(bundle) = request.images {
        let path = format!("{IMAGES}/{}", bundle.archive.name);
        builder.artifact(&path, 0o644, &bundle.archive, "container images of the cluster file");
    }
    // Where this file exists, k3s skips unchanged archives at every other start: a start that skips them also empties it.
    // With releases that take the pins of the images away then, an offline node could lose its images for good.
    if request.k3s.version.keeps_pins() {
        let reason = "unchanged images are imported at every other start only";
        builder.text(&format!("{IMAGES}/.cache.json"), 0o644, "", reason);
    }
    // On the first server only: what is applied is kept in the datastore, which is everybody's.
    if request.node.bootstrap_role == BootstrapRole::InitServer {
        for manifest in &request.cluster.manifests {
            apply(builder, manifest, request)?;
        }
    }
    Ok(())
}

/// Which names k3s itself has depends on the release, which the check of the cluster file does not know yet.
fn apply(builder: &mut PlanBuilder, manifest: &Manifest, request: &Request<'_>) -> Result<(), PlanError> {
    let release = &request.k3s.version;
    if release.packages(manifest.addon()) {
        let (file, release) = (manifest.name().to_owned(), release.clone());
        return Err(PlanError::PackagedManifest { file, release });
    }
    let content = Content::Secret(manifest.text().clone());
    let path = format!("{MANIFESTS}/{}", manifest.name());
    builder.file(&path, 0o600, content, "k3s applies it when it starts");
    builder.addon(manifest.addon());
    Ok(())
}
