//! Settings that go to k3s as they are.

use crate::cluster::field::Entries;
use crate::cluster::field_type::SettingKey;
use crate::cluster::file::{File, SettingValue};
use crate::cluster::k3s_keys::{self, Standing};
use crate::cluster::model::FlannelBackend;
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
        |component: &crate::cluster::model::Component| format!("{} is left out already", component.as_str());
    unique::check(problems, disabled, message, "name it once");
    if problems.is_whole() {
        pod_network(file, problems);
    }
}

fn keys(settings: &Entries<SettingKey, SettingValue>, role: Role, problems: &mut Problems<'_>) {
    for (key, _) in &settings.0 {
        let SettingKey(name) = &key.value;
        match k3s_keys::standing(name, role) {
            Standing::Free => {}
            Standing::Reserved(instead) => {
                problems.error(&key.span, format!("hcimage itself decides about `{name}`"), instead);
            }
            Standing::ServerOnly => problems.error(
                &key.span,
                format!("an agent does not start with `{name}`, which only servers know"),
                "move it to [k3s.server]",
            ),
            Standing::Unknown => {
                let hint = match nearest(name, keys::of_user(role)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("make sure that your release of k3s has the flag --{name}"),
                };
                problems.warning(
                    &key.span,
                    format!("k3s is not known to have a key `{name}` for {role}s"),
                    hint,
                );
            }
        }
    }
}

/// Without a network for pods no node becomes Ready.
fn pod_network(file: &File, problems: &mut Problems<'_>) {
    let Some(backend) = file.k3s.flannel_backend.as_ref() else { return };
    if backend.value == FlannelBackend::None && file.manifests.is_empty() {
        problems.warning(
            &backend.span,
            "nothing brings a network for pods, and without one no node becomes Ready",
            "add the network's manifest to `manifests`",
        );
    }
}
