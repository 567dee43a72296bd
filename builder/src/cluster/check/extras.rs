//! Data disk, users, manifests and container images.

use crate::cluster::field::Field;
use crate::cluster::field_type::FileName;
use crate::cluster::file::{DataDiskTable, ExternalTable, File, ImageTable, UserTable};
use crate::cluster::model::Manifest;
use crate::cluster::problem::Problems;

use super::{node_choice, unique};

/// The directory of k3s, where the image has k3s's archives, and the directories below it that can be mount points.
pub(super) const K3S: &str = "/var/lib/rancher/k3s";
const MAY_BE_DISKS: [&str; 3] = ["server/db", "storage", "agent/containerd"];

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    if let Some(disk) = &file.data_disk {
        data_disk(disk, problems);
    }
    users(&file.users, problems);
    if let Some(ExternalTable { cert_file, key_file, .. }) = &file.external_datastore {
        pair(cert_file.as_ref(), key_file.as_ref(), problems);
    }
    manifests(file, problems);
    images(file, problems);
}

fn data_disk(disk: &DataDiskTable, problems: &mut Problems<'_>) {
    let paths = disk.dirs.iter().filter_map(|dir| dir.path.as_ref()).map(|path| (&path.value, &path.span));
    unique::check(problems, paths, |path| format!("duplicate directory {path}"), "list it once");
    let Some(mount) = &disk.mount else { return };
    let path = mount.value.as_str();
    let hides = |dir: &str| path == dir || dir.starts_with(&format!("{path}/"));
    let inside = path.strip_prefix(K3S).and_then(|rest| rest.strip_prefix('/'));
    let allowed = inside.is_some_and(|inside| MAY_BE_DISKS.contains(&inside));
    if hides(K3S) || (inside.is_some() && !allowed) {
        problems.error(
            &mount.span,
            format!("a disk at {path} would hide k3s's container images and settings in the node's image"),
            format!(
                "mount it elsewhere, such as at /k8s-data, with `datastore = true` for the state of servers; or at {K3S}/storage (volumes)"
            ),
        );
    }
}

fn users(users: &[UserTable], problems: &mut Problems<'_>) {
    let names = users.iter().filter_map(|user| user.name.as_ref()).map(|name| (&name.value, &name.span));
    unique::check(problems, names, |name| format!("duplicate user {name}"), "list each user once");
    for user in users {
        let Some(name) = &user.name else { continue };
        let open =
            !user.ssh_keys.is_empty() || !user.ssh_key_files.is_empty() || user.password_hash.is_some();
        if !open && problems.is_whole() {
            problems.error(
                &name.span,
                format!("user {} cannot log in: it has neither key nor password", name.value),
                "add `ssh-keys`, `ssh-key-files` or a `password-hash`",
            );
        }
        for (index, key) in user.ssh_keys.iter().enumerate() {
            if user.ssh_keys.iter().take(index).any(|earlier| earlier.value.is_same_key(&key.value)) {
                problems.warning(&key.span, "duplicate SSH key of this user", "remove one of the two");
            }
        }
    }
}

/// A certificate without its key, or the other way round.
pub(super) fn pair(
    cert: Option<&Field<FileName>>,
    key: Option<&Field<FileName>>,
    problems: &mut Problems<'_>,
) {
    match (cert, key) {
        _ if !problems.is_whole() => {}
        (Some(cert), None) => problems.error(&cert.span, "the certificate has no key", "add `key-file`"),
        (None, Some(key)) => problems.error(&key.span, "the key has no certificate", "add `cert-file`"),
        _ => {}
    }
}

/// k3s names an object by the part of the file's name before the first dot: a second file with the same part would
/// replace the first. One that is named as a disabled component is deleted.
fn manifests(file: &File, problems: &mut Problems<'_>) {
    for field in &file.manifests {
        let name = file_name(field).to_owned();
        let disabled = file.k3s.disable.iter().map(|component| component.value);
        if let Some(component) = Manifest::component_in(&name, disabled) {
            let component = component.as_str();
            problems.error(
                &field.span,
                format!("{name} has the name of the disabled component {component}: k3s deletes it and its objects"),
                format!("rename the file, such as to my-{name}, or remove {component} from `disable`"),
            );
        }
    }
    let stems = file.manifests.iter().map(|field| (addon(field), &field.span));
    let message = |stem: &String| format!("duplicate manifest name {stem}");
    unique::check(
        problems,
        stems,
        message,
        "rename one: the part of the name before the first dot must differ",
    );
}

fn file_name(field: &Field<FileName>) -> &str {
    field.value.last()
}

/// What k3s calls a manifest: the part of the file's name before the first dot.
pub(super) fn addon(field: &Field<FileName>) -> String {
    file_name(field).split('.').next().unwrap_or_default().to_owned()
}

fn images(file: &File, problems: &mut Problems<'_>) {
    let tables = || file.images.iter().map(|image| (image.get_ref(), image.span()));
    let named = tables().filter_map(|(image, _)| image.name.as_ref()).map(|name| (&name.value, &name.span));
    unique::check(problems, named, |name| format!("duplicate image {name}"), "list each image once");
    for (ImageTable { name, archive, layout, role, nodes }, span) in tables() {
        node_choice::check(role.as_ref(), nodes, "image", file, problems);
        match (name, archive, layout) {
            (None, None, None) if problems.is_whole() => {
                problems.error(
                    &span,
                    "an image has neither name nor file",
                    "add `name`, `archive` or `layout`",
                );
            }
            (_, Some(_), Some(layout)) => {
                let message = "an image comes from an archive or from a layout, and not from both";
                problems.error(&layout.span, message, "make two tables of it");
            }
            (Some(name), None, None) if name.value.floats() => problems.error(
                &name.span,
                format!("{} has no fixed version", name.value),
                "name a version, or the digest: NAME@sha256:DIGEST",
            ),
            _ => {}
        }
    }
}
