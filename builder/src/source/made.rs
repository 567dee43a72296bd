//! Files that were made from others, such as the archive of all container images: found again by what they were made from.
//!
//! ```text
//! made/<key>   what the file is: name, size, digest, and what was measured of it
//! ```
//! The file itself lies in the cache like any other, and is used only where it is still what it was.

use std::io::{Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::artifact::Artifact;
use super::cache::Cache;
use super::digest::Sha256Digest;
use super::error::{IoContext, Result};
use super::{SourceContext, input, private};

/// The longest note in bytes: it has the name of every image.
const LONGEST: u64 = 4 << 20;

/// What is noted of a file.
#[derive(Serialize, Deserialize)]
struct Note {
    name: String,
    size: u64,
    sha256: Sha256Digest,
    unpacked_size: Option<u64>,
    image_names: Vec<String>,
}

/// The file that was made from `key` before, if it is still there. What is damaged counts as missing.
pub(crate) fn recall(
    cx: &SourceContext<'_>,
    key: &Sha256Digest,
    promised_by: &str,
) -> Result<Option<Artifact>> {
    let Some(note) = read(cx.cache, key) else { return Ok(None) };
    let Note { name, size, sha256, unpacked_size, image_names } = note;
    let Some((path, size)) = input::kept(cx, sha256, &name, Some(size))? else {
        private::remove(&place(cx.cache, key))?;
        return Ok(None);
    };
    let promised_by = promised_by.to_owned();
    Ok(Some(Artifact { name, path, size, sha256, promised_by, unpacked_size, image_names }))
}

/// Notes that `artifact` was made from `key`.
pub(crate) fn remember(cx: &SourceContext<'_>, key: &Sha256Digest, artifact: &Artifact) -> Result<()> {
    let Artifact { name, size, sha256, unpacked_size, image_names, .. } = artifact.clone();
    let text = serde_json::to_vec(&Note { name, size, sha256, unpacked_size, image_names })
        .map_err(std::io::Error::other)
        .context("writing", &place(cx.cache, key))?;
    let path = place(cx.cache, key);
    if let Some(dir) = path.parent() {
        private::make_dir(dir)?;
    }
    private::create(&path)?.write_all(&text).context("writing", &path)
}

fn place(cache: &Cache, key: &Sha256Digest) -> PathBuf {
    cache.root().join("made").join(key.to_string())
}

fn read(cache: &Cache, key: &Sha256Digest) -> Option<Note> {
    let file = private::open(&place(cache, key)).ok().flatten()?;
    let mut text = Vec::new();
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    let note: Note = serde_json::from_slice(&text).ok()?;
    super::url::is_plain_name(&note.name).then_some(note)
}
