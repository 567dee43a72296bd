//! Registries and their mirrors.

use std::collections::BTreeSet;

use crate::cluster::field::{Entries, Field, Span};
use crate::cluster::field_type::Word;
use crate::cluster::file::{ConfigTable, File, MirrorTable, RegistriesTable, TlsTable};
use crate::cluster::problem::Problems;
use crate::images::{NameRewrites, RewriteProblem};
use crate::value::ImageReference;

use super::extras::pair;

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let Some(registries) = &file.registries else { return };
    for (name, config) in &registries.configs.0 {
        registry(&name.span, name.value.as_str(), config, problems);
    }
    plain_http(registries, problems);
    for (name, mirror) in &registries.mirrors.0 {
        let images = images_of(file, registries, name.value.as_str());
        rewrites(mirror, &images, problems);
    }
}

fn registry(span: &Span, name: &str, config: &ConfigTable, problems: &mut Problems<'_>) {
    let auth = &config.auth;
    match (&auth.username, &auth.password, &auth.token) {
        _ if !problems.is_whole() => {}
        (Some(user), None, _) => {
            problems.error(&user.span, "the user name has no password", "add `password`");
        }
        (None, Some(password), _) => {
            problems.error(&password.span, "the password has no user name", "add `username`");
        }
        (Some(_), Some(_), Some(token)) => problems.error(
            &token.span,
            "both a token and a password are set",
            "keep either the token, or user name and password",
        ),
        _ => {}
    }
    let TlsTable { ca_file, cert_file, key_file, insecure_skip_verify } = &config.tls;
    pair(cert_file.as_ref(), key_file.as_ref(), problems);
    if let Some(insecure) = insecure_skip_verify.as_ref().filter(|field| field.value) {
        let (message, hint) = match ca_file {
            Some(_) => ("`insecure-skip-verify` disables `ca-file`", "remove one of the two"),
            None => (
                "without verification, anyone on the network path to the registry can replace images",
                "set its CA certificate as `ca-file`",
            ),
        };
        problems.warning(&insecure.span, message, hint);
    }
    if name == "*" {
        problems.error(span, "credentials for `*` would be sent to every registry", "name the registry");
    }
}

/// A password that is sent unencrypted.
fn plain_http(registries: &RegistriesTable, problems: &mut Problems<'_>) {
    let secret = |config: &ConfigTable| config.auth.password.is_some() || config.auth.token.is_some();
    let with_secret: BTreeSet<&str> = registries
        .configs
        .0
        .iter()
        .filter(|(_, config)| secret(config))
        .map(|(name, _)| name.value.as_str())
        .collect();
    for endpoint in registries.mirrors.0.iter().flat_map(|(_, mirror)| &mirror.endpoint) {
        if endpoint.value.is_plain_http() && with_secret.contains(endpoint.value.host()) {
            problems.warning(
                &endpoint.span,
                "the registry's password goes over the network unencrypted",
                "use https, with `ca-file` for your own CA",
            );
        }
    }
}

/// The images in the file that a mirror is for.
fn images_of<'a>(file: &'a File, registries: &RegistriesTable, mirror: &str) -> Vec<&'a ImageReference> {
    let has_own =
        |registry: &str| registries.mirrors.0.iter().any(|(name, _)| name.value.as_str() == registry);
    let names = file.images.iter().filter_map(|image| image.get_ref().name.as_ref()).map(|name| &name.value);
    let is_for = |name: &ImageReference| match mirror {
        "*" => !has_own(name.registry()),
        registry => registry == name.registry(),
    };
    names.filter(|name| is_for(name)).collect()
}

fn rewrites(mirror: &MirrorTable, images: &[&ImageReference], problems: &mut Problems<'_>) {
    let Entries(entries) = &mirror.rewrite;
    for (pattern, replacement) in entries {
        rewrite(pattern, replacement, problems);
    }
    let Some((first, _)) = entries.first() else { return };
    let all = entries.iter().map(|(pattern, to)| (pattern.value.0.as_str(), to.value.0.as_str()));
    let Ok(all) = NameRewrites::new(all) else { return };
    for name in images {
        let candidates: Vec<String> = all.candidates(name).into_iter().collect();
        if candidates.len() > 1 {
            problems.warning(
                &first.span,
                format!(
                    "{name} gets several names for this mirror ({}), and k3s takes any of them",
                    candidates.join(", ")
                ),
                "have one pattern alone change it",
            );
        }
    }
}

/// One pattern with its replacement.
fn rewrite(pattern: &Field<Word>, replacement: &Field<Word>, problems: &mut Problems<'_>) {
    match NameRewrites::new([(pattern.value.0.as_str(), replacement.value.0.as_str())]) {
        Err(RewriteProblem::Invalid(text)) => problems.error(
            &pattern.span,
            format!("invalid regular expression {text}"),
            "write it as for Go, such as \"^rancher/(.*)\"",
        ),
        Err(RewriteProblem::Unread(text)) => problems.warning(
            &pattern.span,
            format!("hcimage may read {text} otherwise than k3s does: while building, this mirror is not asked"),
            "use letters, signs, `.`, `[...]`, `(...)`, `|`, `*`, `+`, `?`, `^` and `$` alone, and `$1` or `${1}` in the replacement",
        ),
        Ok(_) => {}
    }
    // k3s writes it between quotes into hosts.toml as it is.
    if [pattern, replacement].iter().any(|field| field.value.0.contains(['\\', '"'])) {
        problems.warning(
            &pattern.span,
            "k3s does not escape `\\` and `\"` for containerd, which then cannot read its settings of this registry",
            "leave them out; a dot is `[.]`",
        );
    }
}
