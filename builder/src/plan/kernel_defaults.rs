//! `protect-kernel-defaults`: the kubelet does not start where the kernel's settings are not its own, so they are made so.

use crate::cluster::{Setting, Settings};
use crate::formats::kubelet_sysctl;

use super::builder::PlanBuilder;
use super::error::PlanError;
use super::request::Request;

const SETTING: &str = "protect-kernel-defaults";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    let role = request.node.bootstrap_role.role();
    if is_on(request.cluster.k3s.settings(role)) {
        let reason = "kernel settings that protect-kernel-defaults insists on";
        builder.text(kubelet_sysctl::PATH, 0o644, kubelet_sysctl::render(), reason);
        let reason = "k3s sets them again before it starts, whatever has changed them";
        builder.text(&kubelet_sysctl::drop_in_path(role), 0o644, kubelet_sysctl::drop_in(), reason);
    }
    Ok(())
}

/// As a key of k3s, or as an argument of the kubelet, which has the last word.
fn is_on(settings: &Settings) -> bool {
    let by_key = settings.0.get(SETTING).and_then(|setting| match setting {
        Setting::Switch(on) => Some(*on),
        Setting::Text(text) => truth(text),
        Setting::Number(number) => truth(&number.to_string()),
        Setting::List(_) => None,
    });
    let arguments = match settings.0.get("kubelet-arg") {
        Some(Setting::List(items)) => items.as_slice(),
        Some(Setting::Text(text)) => std::slice::from_ref(text),
        _ => &[],
    };
    let by_argument = arguments.iter().rev().find_map(|argument| of_argument(argument));
    by_argument.or(by_key).unwrap_or(false)
}

/// What an argument says of the setting. A flag alone means true, and the kubelet takes `_` for `-` (component-base,
/// `WordSepNormalizeFunc`).
fn of_argument(argument: &str) -> Option<bool> {
    let argument = argument.trim().trim_start_matches('-');
    let (name, value) = argument.split_once('=').unwrap_or((argument, "true"));
    (name.replace('_', "-") == SETTING).then(|| truth(value)).flatten()
}

/// As Go reads it (`strconv.ParseBool`).
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, Setting)]) -> Settings {
        Settings(pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }

    #[test]
    fn it_may_be_a_key_or_an_argument_of_the_kubelet() {
        let text = |text: &str| Setting::Text(text.to_owned());
        let list = |items: &[&str]| Setting::List(items.iter().map(|item| (*item).to_owned()).collect());
        let key = |setting| settings(&[(SETTING, setting)]);
        let argument = |setting| settings(&[("kubelet-arg", setting)]);
        for on in [
            key(Setting::Switch(true)),
            key(text("true")),
            key(Setting::Number(1)),
            argument(list(&["max-pods=200", "protect-kernel-defaults=true"])),
            argument(list(&["--protect-kernel-defaults"])),
            argument(text("protect_kernel_defaults=T")),
            settings(&[(SETTING, Setting::Switch(true)), ("kubelet-arg", list(&["max-pods=200"]))]),
        ] {
            assert!(is_on(&on), "{on:?}");
        }
        for off in [
            Settings::default(),
            key(Setting::Switch(false)),
            key(text("yes")),
            argument(list(&["protect-kernel-defaults=true", "protect-kernel-defaults=false"])),
            argument(list(&["protect-kernel-defaults-2=true"])),
            settings(&[(SETTING, Setting::Switch(true)), ("kubelet-arg", text("protect-kernel-defaults=0"))]),
        ] {
            assert!(!is_on(&off), "{off:?}");
        }
    }
}
