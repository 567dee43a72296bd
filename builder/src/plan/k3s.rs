//! k3s as its own installer would lay it down: program, links, unit, configuration, images, manifests.

use std::collections::BTreeSet;

use crate::edit::{k3s_config, k3s_env, k3s_unit};
use crate::source::k3s_release::ReleaseFile;
use crate::value::Role;

use super::draft::Draft;
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

/// Where the k3s program goes.
pub(super) const BINARY: &str = "/usr/local/bin/k3s";
/// Where the airgap images go.
pub(super) const IMAGES: &str = "/var/lib/rancher/k3s/agent/images";
/// What the node does in the cluster.
pub(super) const ROLE: Role = Role::Server;

pub(super) fn edits(draft: &mut Draft, request: &Request) -> Result<(), PlanError> {
    draft.file(BINARY, 0o755, host_file(&request.k3s.binary), "k3s itself");
    for name in ["kubectl", "crictl", "ctr"] {
        draft.link(&format!("/usr/local/bin/{name}"), "k3s", "k3s is also these tools");
    }
    draft.text(&k3s_unit::path(ROLE), 0o644, k3s_unit::render(ROLE), "runs k3s; firstboot enables it");
    let env = k3s_env::render(request.kubeconfig_mode);
    draft.text(&k3s_env::path(ROLE), k3s_env::MODE, env, "environment of k3s");
    draft.text(k3s_config::PATH, 0o600, config(draft, request), "configuration of k3s");
    images(draft, request);
    manifests(draft, request)
}

fn config(draft: &Draft, request: &Request) -> String {
    k3s_config::render_server(&k3s_config::ServerConfig {
        node_name: &request.hostname,
        node_ip: request.network.as_ref().map(|network| network.address().ip()),
        flannel_interface: None,
        tls_san: &[],
        prefer_bundled_bin: draft.facts.old_iptables,
        token_file: None,
        agent_token_file: None,
        disable: &[],
    })
}

/// k3s skips unchanged archives at later starts only where `.cache.json` exists.
fn images(draft: &mut Draft, request: &Request) {
    let images = &request.k3s.airgap_images;
    draft.file(&images_path(request), 0o644, host_file(images), "images, so that no network is needed");
    draft.text(&format!("{IMAGES}/.cache.json"), 0o644, "", "unchanged images are not imported again");
}

/// Where the archive goes on the node; the ending tells k3s how it is packed.
pub(super) fn images_path(request: &Request) -> String {
    format!("{IMAGES}/{}", request.k3s.airgap_images.name)
}

fn manifests(draft: &mut Draft, request: &Request) -> Result<(), PlanError> {
    let mut addons = BTreeSet::new();
    for manifest in &request.manifests {
        if !addons.insert(manifest.addon()) {
            return Err(PlanError::SameManifest { name: manifest.name().to_owned() });
        }
        let path = format!("/var/lib/rancher/k3s/server/manifests/{}", manifest.name());
        draft.text(&path, 0o600, manifest.text(), "k3s applies it when it starts");
    }
    Ok(())
}

fn host_file(file: &ReleaseFile) -> Content {
    let ReleaseFile { path, size, sha256, promised_by, .. } = file.clone();
    Content::HostFile { path, size, sha256, promised_by }
}
