//! Accounts, registries, manifests, charts, packages and container images.

use crate::charts::ChartPlace;
use crate::cluster::field::Field;
use crate::cluster::field_type::FileName;
use crate::cluster::file::{
    ChartTable, ConfigTable, ImageTable, MirrorTable, PackageTable, RegistriesTable, UserTable,
};
use crate::cluster::model::*;
use crate::formats::yaml_load;
use crate::images::{LocalImages, Login};
use crate::packages::PackageRequest;
use crate::value::{DnsLabel, Secret, SshKey};

use super::read::Reader;
use super::{all, bare};

pub(super) fn users(tables: Vec<UserTable>, reader: &mut Reader<'_, '_>) -> Vec<User> {
    tables.into_iter().filter_map(|table| user(table, reader)).collect()
}

fn user(table: UserTable, reader: &mut Reader<'_, '_>) -> Option<User> {
    let mut ssh_keys = all(table.ssh_keys);
    for file in &table.ssh_key_files {
        ssh_keys.extend(keys_of(file, reader));
    }
    let mut unique: Vec<SshKey> = Vec::new();
    for key in ssh_keys {
        if !unique.iter().any(|known| known.is_same_key(&key)) {
            unique.push(key);
        }
    }
    Some(User {
        name: table.name?.value,
        ssh_keys: unique,
        password: table.password_hash.and_then(|field| reader.secret(field)),
        sudo: bare(table.sudo).unwrap_or(true),
    })
}

/// One key per line; empty lines and comments are ignored.
fn keys_of(field: &Field<FileName>, reader: &mut Reader<'_, '_>) -> Vec<SshKey> {
    let Some(text) = reader.public_keys(&field.value, &field.span) else { return Vec::new() };
    let name = &field.value.0;
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if lines.is_empty() {
        reader.problems.error(&field.span, format!("{name} has no SSH public key"), "name a .pub file");
    }
    let mut keys = Vec::new();
    for line in lines {
        match line.parse::<SshKey>() {
            Ok(key) => keys.push(key),
            Err(error) => {
                reader.problems.error(&field.span, format!("in {name}: {}", error.problem()), error.hint());
            }
        }
    }
    keys
}

pub(super) fn registries(table: RegistriesTable, reader: &mut Reader<'_, '_>) -> Registries {
    let mirror = |table: MirrorTable| Mirror {
        endpoints: all(table.endpoint),
        rewrite: table.rewrite.0.into_iter().map(|(from, to)| (from.value.0, to.value.0)).collect(),
    };
    let mirrors = table.mirrors.0.into_iter().map(|(name, table)| (name.value, mirror(table))).collect();
    let configs = table.configs.0.into_iter();
    Registries { mirrors, access: configs.map(|(name, table)| (name.value, access(table, reader))).collect() }
}

fn access(table: ConfigTable, reader: &mut Reader<'_, '_>) -> RegistryAccess {
    let ConfigTable { auth, tls } = table;
    let username = bare(auth.username).map(|word| word.0);
    let password = auth.password.and_then(|field| reader.secret(field));
    let token = auth.token.and_then(|field| reader.secret(field));
    RegistryAccess {
        auth: match (username, password, token) {
            (Some(username), Some(password), _) => Some(RegistryAuth::Password { username, password }),
            (_, _, token) => token.map(RegistryAuth::Token),
        },
        ca: tls.ca_file.as_ref().and_then(|field| reader.certificate(field)),
        client: reader.client(tls.cert_file.as_ref(), tls.key_file.as_ref()),
        insecure_skip_verify: bare(tls.insecure_skip_verify).unwrap_or(false),
    }
}

pub(super) fn manifest(field: &Field<FileName>, reader: &mut Reader<'_, '_>) -> Option<Manifest> {
    let text = reader.text(&field.value, &field.span)?;
    let name = field.value.last().to_owned();
    let refused = |bad: BadManifest| {
        let hint = match bad {
            BadManifest::Name(_) | BadManifest::Packaged(_) => "rename the file",
            _ => "fix the file; see the Kubernetes documentation of the object",
        };
        reader.problems.error(&field.span, format!("in {}: {bad}", field.value.0), hint);
    };
    Manifest::new(&name, text).map_err(refused).ok()
}

pub(super) fn image(table: ImageTable, reader: &mut Reader<'_, '_>) -> Option<WantedImages> {
    let ImageTable { name, archive, layout, role, nodes } = table;
    let name = bare(name);
    let source = match archive.or(layout) {
        Some(path) => {
            reader.tell_outside(&path.value, &path.span);
            ImageSource::Local(LocalImages { path: reader.context.dir.join(&path.value.0), name })
        }
        None => ImageSource::Registry(name?),
    };
    Some(WantedImages { source, nodes: NodeChoice { role: bare(role), names: all(nodes) } })
}

pub(super) fn package(table: PackageTable) -> Option<WantedPackage> {
    let recommends = bare(table.recommends).unwrap_or(false);
    Some(WantedPackage {
        request: PackageRequest { name: table.name?.value, recommends },
        enable: all(table.enable),
        disable: all(table.disable),
        nodes: NodeChoice { role: bare(table.role), names: all(table.nodes) },
    })
}

/// What values of a chart may have in bytes: they lie in an object of Kubernetes, and one of more than 1.5 MB is refused.
const MOST_VALUES: usize = 512 << 10;

pub(super) fn chart(table: ChartTable, reader: &mut Reader<'_, '_>) -> Option<Chart> {
    let open_values = table.values.as_ref().and_then(|field| values(field, reader));
    let secret_values = table.secret_values.as_ref().and_then(|field| values(field, reader));
    let ca = table.ca_file.as_ref().and_then(|field| reader.certificate(field));
    let password = table.auth.password.and_then(|field| reader.secret(field));
    let release = table.name?.value;
    let chart = bare(table.chart).map_or_else(|| release.to_string(), |name| name.as_str().to_owned());
    let place = match (table.path, table.repo, table.version) {
        (Some(path), ..) => {
            reader.tell_outside(&path.value, &path.span);
            ChartPlace::Local(reader.context.dir.join(&path.value.0))
        }
        (None, Some(repo), Some(version)) => {
            let username = bare(table.auth.username).map(|word| word.0);
            let credentials = username.zip(password).map(|(username, password)| Login { username, password });
            match ChartPlace::remote(repo.value, chart, version.value, credentials, ca) {
                Ok(place) => place,
                Err(refusal) => {
                    reader.problems.invalid(&repo.span, refusal);
                    return None;
                }
            }
        }
        _ => return None,
    };
    Some(Chart {
        place,
        namespace: match bare(table.namespace) {
            Some(namespace) => namespace,
            None => "default".parse::<DnsLabel>().ok()?,
        },
        values: open_values,
        secret_values: secret_values.map(Secret::new),
        failure_policy: bare(table.failure_policy),
        bootstrap: bare(table.bootstrap).unwrap_or(false),
        overlay: None,
        release,
    })
}

/// A file with values, which Helm reads as a mapping.
fn values(field: &Field<FileName>, reader: &mut Reader<'_, '_>) -> Option<String> {
    let text = reader.text(&field.value, &field.span)?;
    let name = &field.value.0;
    let problem = if text.len() > MOST_VALUES {
        format!("{} bytes, expected at most {MOST_VALUES}", text.len())
    } else {
        match yaml_load::load(&text) {
            Err(error) => error.to_string(),
            Ok(documents) if documents.len() > 1 => "several documents, expected one".to_owned(),
            Ok(documents) if documents.iter().any(|found| found.as_hash().is_none() && !found.is_null()) => {
                "expected keys and values".to_owned()
            }
            Ok(_) => return Some(text),
        }
    };
    let hint = "name a YAML file with values as `helm --values` takes it";
    reader.problems.error(&field.span, format!("in {name}: {problem}"), hint);
    None
}
