//! Settings that are passed to k3s unchanged.

use crate::cluster::field::Entries;
use crate::cluster::field_type::SettingKey;
use crate::cluster::file::{File, SettingValue};
use crate::cluster::k3s_keys::{self, Standing};
use crate::cluster::model::{FlannelBackend, Setting};
use crate::cluster::problem::Problems;
use crate::cluster::suggest::nearest;
use crate::formats::k3s_config::keys;
use crate::value::Role;

use super::unique;

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    keys(&file.k3s.server, Role::Server, problems);
    keys(&file.k3s.agent, Role::Agent, problems);
    let disabled = file.k3s.disable.iter().map(|field| (field.value, &field.span));
    let message =
        |component: &crate::cluster::model::Component| format!("duplicate component {}", component.as_str());
    unique::check(problems, disabled, message, "list it once");
    if problems.is_whole() {
        pod_network(file, problems);
    }
}

fn keys(settings: &Entries<SettingKey, SettingValue>, role: Role, problems: &mut Problems<'_>) {
    for (key, value) in &settings.0 {
        let SettingKey(name) = &key.value;
        // https://github.com/k3s-io/k3s/issues/14526: seen with k3s 1.36.3 itself.
        if name == "etcd-snapshot-compress" && value.value == Setting::Switch(true) {
            problems.warning(
                &key.span,
                "a compressed snapshot of etcd cannot be restored by k3s 1.34 to 1.37, as released until September 2026",
                "leave it out: a snapshot has some tens of MB",
            );
        }
        match k3s_keys::standing(name, role) {
            Standing::Free => {}
            Standing::Reserved(instead) => {
                problems.error(&key.span, format!("hcimage sets `{name}` itself"), instead);
            }
            Standing::ServerOnly => problems.error(
                &key.span,
                format!("`{name}` is a key for servers: an agent does not start with it"),
                "move it to [k3s.server]",
            ),
            Standing::Unknown => {
                let hint = match nearest(name, keys::of_user(role)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    // A server warns of an unknown key and goes on.
                    None if role == Role::Agent => format!(
                        "check that your release of k3s has the flag --{name}: an agent does not start with a key that it \
                        does not know"
                    ),
                    None => format!("check that your release of k3s has the flag --{name}"),
                };
                problems.warning(&key.span, format!("unknown k3s key `{name}` for {role}s"), hint);
            }
        }
    }
}

/// Without a network for pods no node becomes Ready.
fn pod_network(file: &File, problems: &mut Problems<'_>) {
    let Some(backend) = file.k3s.flannel_backend.as_ref() else { return };
    if backend.value == FlannelBackend::None && file.manifests.is_empty() && file.overlays.0.is_empty() {
        problems.warning(
            &backend.span,
            "no pod network: without one no node becomes Ready",
            "add its manifest to `manifests`, or an overlay such as [overlays.cilium]",
        );
    }
}
