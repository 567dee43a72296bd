//! The node's secrets, where k3s and firstboot look for them.

use super::draft::Draft;
use super::edit::Content;
use super::request::Request;

/// Folders that only root may look into, from the outermost one.
const FOLDERS: [(&str, u16); 3] = [
    ("/var/lib/rancher/k3s/server", 0o700),
    ("/var/lib/rancher/k3s/server/tls", 0o700),
    ("/var/lib/rancher/k3s/server/tls/etcd", 0o700),
];

pub(super) fn edits(draft: &mut Draft, request: &Request<'_>) {
    let Some(secrets) = request.secrets else { return };
    for (folder, mode) in FOLDERS {
        if secrets.files.iter().any(|file| file.path.starts_with(&format!("{folder}/"))) {
            draft.folder(folder, mode, "only root looks in here");
        }
    }
    for file in &secrets.files {
        draft.file(file.path, file.mode, Content::Hidden(file.content.clone()), file.reason);
    }
}
