//! What overlays put onto nodes themselves: manifests, folders of the user's, kernel modules and settings.

use std::collections::BTreeSet;

use crate::overlays::record::{Origin, Record};
use crate::overlays::{Manifests, NeededFile};
use crate::source::artifact::Artifact;
use crate::value::{BootstrapRole, DnsLabel, Hostname, Secret};

use super::builder::PlanBuilder;
use super::edit::Content;
use super::error::PlanError;
use super::k3s::MANIFESTS;
use super::modules;
use super::request::Request;

/// Loaded at boot.
const MODULES: &str = "/etc/modules-load.d/hcimage-overlays.conf";

/// systemd applies files in the order of their names: this one comes after those of a base, and before what the kubelet insists
/// on.
const SYSCTLS: &str = "/etc/sysctl.d/zz-hcimage-a-overlays.conf";

/// An overlay's texts with the secrets of the cluster in them.
#[derive(Debug, Clone)]
pub struct FilledOverlay {
    /// Its name.
    pub name: DnsLabel,
    /// The texts.
    pub texts: Manifests,
}

/// A folder of the user's whose files were read.
#[derive(Debug, Clone)]
pub struct ReadFolder {
    /// The overlay that puts it there.
    pub overlay: DnsLabel,
    /// Where it is on the node.
    pub path: String,
    /// The node that has it; none is every node.
    pub node: Option<Hostname>,
    /// Its files, by their paths below it.
    pub files: Vec<(String, Artifact)>,
}

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    kernel(builder, request)?;
    folders(builder, request);
    // On the first server only: what is applied is kept in the datastore, which is everybody's.
    if request.node.bootstrap_role != BootstrapRole::InitServer {
        return Ok(());
    }
    for overlay in request.overlays {
        let of = request.cluster.overlays.iter().find(|active| *active.name() == overlay.name);
        let shown = of.map(|active| active.shown.files.as_slice()).unwrap_or_default();
        for file in &overlay.texts.files {
            let content = match shown.iter().find(|shown| shown.name == file.name) {
                Some(shown) if shown.text == file.text => {
                    Content::Bytes(file.text.clone().into_bytes().into())
                }
                Some(shown) => Content::Masked(Secret::new(file.text.clone()), shown.text.clone()),
                None => Content::Secret(Secret::new(file.text.clone())),
            };
            let reason = format!("overlay {}: k3s applies it when it starts", overlay.name);
            builder.file(&format!("{MANIFESTS}/{}", file.name), 0o600, content, reason);
            builder.addon(file.name.split('.').next().unwrap_or_default());
        }
        if let Some(active) = of {
            let name = Record::name(&overlay.name);
            let text = Record::of(active, Origin::Image).to_yaml(&overlay.name);
            builder.text(
                &format!("{MANIFESTS}/{name}.yaml"),
                0o600,
                text,
                "what the cluster keeps of the overlay",
            );
            builder.addon(&name);
        }
    }
    Ok(())
}

/// Everybody may read them, as what serves them is not root.
fn folders(builder: &mut PlanBuilder, request: &Request<'_>) {
    let has_it = |folder: &&ReadFolder| folder.node.as_ref().is_none_or(|name| request.node.is_called(name));
    for ReadFolder { overlay, path, files, .. } in request.folders.iter().filter(has_it) {
        for (name, file) in files {
            let reason = format!("overlay {overlay}: a file of yours");
            builder.file(&format!("{path}/{name}"), 0o644, Content::UserFile(file.clone()), reason);
        }
    }
}

fn kernel(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let wanted: BTreeSet<&str> = request.cluster.modules.iter().map(String::as_str).collect();
    if !wanted.is_empty() {
        modules::check_overlays(builder, request, &wanted)?;
        let list: String = wanted.iter().map(|name| format!("{name}\n")).collect();
        let text = format!("# Written by hcimage: what the cluster's overlays need.\n{list}");
        builder.text(MODULES, 0o644, text, "kernel modules that overlays need");
    }
    for active in &request.cluster.overlays {
        let here = |file: &&NeededFile| file.node.as_ref().is_none_or(|name| request.node.is_called(name));
        for file in active.needs.files.iter().filter(here) {
            let reason = format!("overlay {}", active.name());
            builder.text(&file.path, file.mode.bits(), file.text.clone(), reason);
        }
    }
    if !request.cluster.sysctls.is_empty() {
        let lines = request.cluster.sysctls.iter().map(|(key, value)| format!("{key} = {value}\n"));
        let text =
            format!("# Written by hcimage: what the cluster's overlays need.\n{}", lines.collect::<String>());
        builder.text(SYSCTLS, 0o644, text, "kernel settings that overlays need");
    }
    Ok(())
}
