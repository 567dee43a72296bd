//! A folder packed as `helm package` does: the same bytes for the same files, whoever packs them, where and when.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::local_file;
use crate::source::digest::Sha256Digest;
use crate::source::{NewFile, SourceContext, SourceError};

use super::LARGEST;
use super::error::{ChartError, Result};
use super::package::{LARGEST_FILE, MOST_FILES};

/// The deepest folder.
const DEEPEST: usize = 32;

/// Packs the chart in `folder`. Returns path, size and digest. Hidden files, such as `.git`, are left out.
pub(super) fn pack(
    cx: &SourceContext<'_>,
    release: &str,
    folder: &Path,
) -> Result<(PathBuf, u64, Sha256Digest)> {
    let fail = |problem: String| ChartError::invalid(release, problem);
    let mut files = Vec::new();
    collect(folder, "", DEEPEST, &mut files).map_err(fail)?;
    if !files.iter().any(|name| name == "Chart.yaml") {
        return Err(fail(format!("{}: there is no Chart.yaml in it", folder.display())));
    }
    files.sort();
    let what = format!("packing {}", folder.display());
    let failed = |source: io::Error| ChartError::of(release)(SourceError::Io { what: what.clone(), source });
    let file =
        NewFile::create(cx, &format!("{release}.tgz"), LARGEST, &what).map_err(ChartError::of(release))?;
    // Neither name nor time of the file, and no word of the system, are in the header.
    let packed = GzBuilder::new().mtime(0).operating_system(255).write(file, Compression::default());
    let mut tar = Builder::new(packed);
    for name in &files {
        let path = folder.join(name);
        let bytes = local_file::read(&path, LARGEST_FILE)
            .map_err(|error| fail(format!("{}: {error}", path.display())))?;
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, format!("{release}/{name}"), bytes.as_slice()).map_err(failed)?;
    }
    let file = tar.into_inner().and_then(|packed| packed.finish()).map_err(failed)?;
    file.keep(cx).map_err(ChartError::of(release))
}

/// The paths of all files below `folder`, with slashes. Links are refused: what they lead to may be anything.
fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<String>,
) -> std::result::Result<(), String> {
    let fail = |error: io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        let shown = path.display();
        let name =
            entry.file_name().into_string().map_err(|_| format!("{shown}: the name is not UTF-8 text"))?;
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(fail)?;
        let name = format!("{prefix}{name}");
        if kind.is_dir() {
            let depth =
                depth.checked_sub(1).ok_or_else(|| format!("{shown}: more than {DEEPEST} folders deep"))?;
            collect(&path, &format!("{name}/"), depth, files)?;
        } else if kind.is_file() {
            files.push(name);
        } else {
            return Err(format!(
                "{shown}: neither a file nor a folder: replace it by a copy of what it stands for"
            ));
        }
        if files.len() > MOST_FILES {
            return Err(format!("{shown}: more than {MOST_FILES} files"));
        }
    }
    Ok(())
}
