//! Folders of the user's that overlays put onto nodes: every file is read once for its digest, and again while it is copied.

use crate::cluster::Cluster;
use crate::overlays::{NeededFolder, UserFile, UserFolder};
use crate::plan::ReadFolder;
use crate::source::artifact::Artifact;
use crate::source::{Result, SourceContext, input};

/// Those of all overlays of the cluster.
pub(super) fn read(cx: &SourceContext<'_>, cluster: &Cluster) -> Result<Vec<ReadFolder>> {
    let mut read = Vec::new();
    for active in &cluster.overlays {
        for NeededFolder { path, node, folder } in &active.needs.folders {
            let files = files(cx, &format!("reading the folder of {}", active.name()), folder)?;
            read.push(ReadFolder {
                overlay: active.name().clone(),
                path: path.clone(),
                node: node.clone(),
                files,
            });
        }
    }
    Ok(read)
}

fn files(cx: &SourceContext<'_>, what: &str, folder: &UserFolder) -> Result<Vec<(String, Artifact)>> {
    let size = folder.files().iter().map(|file| file.size).sum();
    let task = cx.progress.start(what, Some(size));
    let mut read = Vec::new();
    for file @ UserFile { name, .. } in folder.files() {
        let path = folder.path_of(file);
        let (sha256, size) = input::digest_part(cx, &path, task.as_ref())?;
        let artifact = Artifact {
            name: name.clone(),
            path,
            size,
            sha256,
            promised_by: "its bytes when the build began".to_owned(),
            unpacked_size: None,
            image_names: Vec::new(),
        };
        read.push((name.clone(), artifact));
    }
    task.done();
    Ok(read)
}
