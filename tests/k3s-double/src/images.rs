//! The airgap images in `agent/images`: whether each archive is one that containerd could import.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, anyhow, bail, ensure};
use ruzstd::decoding::StreamingDecoder;
use serde_json::Value;

use crate::oci::Blobs;
use crate::{files, log};

/// The largest zstd window that k3s accepts.
const WINDOW_LIMIT: u64 = 32 * 1024 * 1024;
/// Largest manifest kept in memory, in bytes.
const MANIFEST_LIMIT: u64 = 4 * 1024 * 1024;
/// If it is there, archives that did not change are not imported again.
const CACHE: &str = ".cache.json";
/// The names of what was imported, below the data directory: what `ctr images list` prints.
const STORE: &str = "agent/containerd/k3s-double-images";

/// What tells that an archive changed: its size and the time it was last written, in nanoseconds since 1970.
type Stamp = (u64, u64);

/// "Imports" each archive in the directory and returns the names of its images. A failure is only logged.
///
/// # Errors
/// When the directory is there but cannot be read, or the cache cannot be written.
pub(crate) fn import_for(data: &Path) -> Result<Vec<String>> {
    let images = import(&data.join("agent/images"))?;
    let store = data.join(STORE);
    if let Some(dir) = store.parent() {
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    }
    let list: String = images.iter().map(|name| format!("{name}\n")).collect();
    files::write_atomic(&store, 0o600, list.as_bytes())?;
    Ok(images)
}

/// The names of the imported images, a line each.
///
/// # Errors
/// When nothing was imported yet, as where containerd does not run.
pub(crate) fn list(data: &Path) -> Result<String> {
    let list = files::read_optional(&data.join(STORE))?;
    list.context("ctr: cannot access socket /run/k3s/containerd/containerd.sock: no such file or directory")
}

/// The names of what the archives in the directory have.
fn import(dir: &Path) -> Result<Vec<String>> {
    let cache_path = dir.join(CACHE);
    let cached = files::read_optional(&cache_path)?;
    let mut record = cached.as_deref().map(read_cache).unwrap_or_default();
    let mut images = Vec::new();
    for archive in archives_in(dir)? {
        let shown = archive.display().to_string();
        let stamp = stamp(&archive)?;
        match record.get(&shown) {
            Some((known, names)) if *known == stamp => {
                log::info(&format!("Image archive {shown} is unchanged, not imported again"));
                images.extend(names.clone());
            }
            _ => match import_one(&archive) {
                Ok(names) => {
                    images.extend(names.clone());
                    record.insert(shown, (stamp, names));
                }
                Err(error) => log::error(&format!("Error encountered while importing {shown}: {error:#}")),
            },
        }
    }
    if cached.is_some() {
        files::write_atomic(&cache_path, 0o644, write_cache(&record).as_bytes())?;
    }
    Ok(images)
}

fn import_one(archive: &Path) -> Result<Vec<String>> {
    log::info(&format!("Importing images from {}", archive.display()));
    let names = read_archive(archive)?;
    log::info(&format!("Imported images from {}: {}", archive.display(), names.join(", ")));
    Ok(names)
}

/// All archives and lists below the directory, sorted by path.
fn archives_in(dir: &Path) -> Result<Vec<PathBuf>> {
    const SUFFIXES: [&str; 8] =
        [".tar", ".tar.lz4", ".tar.bz2", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".txt"];
    let mut found = Vec::new();
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(found),
        entries => entries.with_context(|| format!("reading {}", dir.display()))?,
    };
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", dir.display()))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            found.append(&mut archives_in(&path)?);
        } else if SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read_archive(path: &Path) -> Result<Vec<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = BufReader::new(File::open(path).context("opening it")?);
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    if ends(&[".tar"]) {
        read_tar(file)
    } else if ends(&[".tar.zst", ".tzst"]) {
        let decoder = StreamingDecoder::new_with_max_window_size(file, WINDOW_LIMIT);
        read_tar(decoder.map_err(|e| anyhow!("starting zstd (window at most 32 MiB): {e}"))?)
    } else if ends(&[".tar.gz", ".tgz"]) {
        read_tar(flate2::read::MultiGzDecoder::new(file))
    } else if ends(&[".txt"]) {
        bail!("the images it lists would be pulled; the stand-in pulls nothing")
    } else {
        bail!("k3s reads this compression, the stand-in does not: use .tar, .tar.gz or .tar.zst")
    }
}

/// Reads the whole archive and returns the names of its images.
fn read_tar(mut stream: impl Read) -> Result<Vec<String>> {
    let mut manifests: BTreeMap<String, Value> = BTreeMap::new();
    let mut blobs = Blobs::default();
    let mut archive = tar::Archive::new(&mut stream);
    for entry in archive.entries().context("reading the archive")? {
        let entry = entry.context("reading the archive")?;
        let path = entry.path_bytes().into_owned();
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        if let Some(name) = ["manifest.json", "index.json"].into_iter().find(|name| name.as_bytes() == path) {
            let parsed = serde_json::from_reader(entry.take(MANIFEST_LIMIT));
            manifests.insert(name.into(), parsed.with_context(|| format!("reading {name} in it"))?);
        } else if let Some(digest) = path.strip_prefix(b"blobs/sha256/").filter(|digest| !digest.is_empty()) {
            let digest = String::from_utf8_lossy(digest).into_owned();
            blobs.add(&digest, entry)?;
        }
    }
    // What follows the end mark still has to decompress: a cut file must not pass.
    std::io::copy(&mut stream, &mut std::io::sink()).context("reading the archive's end")?;
    let names = match (manifests.get("index.json"), manifests.get("manifest.json")) {
        (_, Some(docker)) => docker_names(docker)?,
        (Some(oci), None) => blobs.images(oci)?,
        (None, None) => bail!("neither manifest.json nor index.json is in it"),
    };
    ensure!(!names.is_empty(), "no image in it");
    Ok(names)
}

/// A docker archive lists images, each with its `RepoTags`.
fn docker_names(manifest: &Value) -> Result<Vec<String>> {
    let images = manifest.as_array().context("manifest.json is not a list")?;
    let tags = |image: &Value| image.get("RepoTags").and_then(Value::as_array).cloned().unwrap_or_default();
    names(
        images.iter().map(|image| tags(image).iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    )
}

/// Every image needs a name, or nothing could ever refer to it.
fn names(images: impl Iterator<Item = Vec<String>>) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for mut tags in images {
        ensure!(!tags.is_empty(), "an image in it has no tag");
        all.append(&mut tags);
    }
    Ok(all)
}

fn stamp(path: &Path) -> Result<Stamp> {
    let read = || -> Result<Stamp> {
        let metadata = fs::metadata(path)?;
        let written = metadata.modified()?.duration_since(UNIX_EPOCH)?;
        Ok((metadata.len(), u64::try_from(written.as_nanos())?))
    };
    read().with_context(|| format!("reading the size and time of {}", path.display()))
}

/// An empty or foreign cache knows nothing.
fn read_cache(text: &str) -> BTreeMap<String, (Stamp, Vec<String>)> {
    serde_json::from_str(text).unwrap_or_default()
}

fn write_cache(record: &BTreeMap<String, (Stamp, Vec<String>)>) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::sha256_hex;

    const DOCKER: &str =
        r#"[{"Config":"c.json","RepoTags":["docker.io/rancher/mirrored-pause:3.6"],"Layers":[]}]"#;

    fn tar_of(name: &str, content: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        builder.into_inner().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn imported(files: &[(&str, Vec<u8>)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        import(dir.path()).unwrap()
    }

    /// An OCI layout with an image for this machine, whose layer may have lost a byte.
    fn oci(is_whole: bool) -> Vec<u8> {
        let go = if std::env::consts::ARCH == "x86_64" { "amd64" } else { "arm64" };
        let mut builder = tar::Builder::new(Vec::new());
        let mut add = |name: &str, content: &str| {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, content.as_bytes()).unwrap();
        };
        let mut blob = |content: &str, written: &str| {
            let digest = sha256_hex(content.as_bytes());
            add(&format!("blobs/sha256/{digest}"), written);
            format!("sha256:{digest}")
        };
        let layer = blob("layer", if is_whole { "layer" } else { "laye" });
        let config = format!(r#"{{"os":"linux","architecture":"{go}"}}"#);
        let config = blob(&config, &config);
        let manifest = format!(r#"{{"config":{{"digest":"{config}"}},"layers":[{{"digest":"{layer}"}}]}}"#);
        let digest = blob(&manifest, &manifest);
        let name = "docker.io/library/a:1";
        add(
            "index.json",
            &format!(
                r#"{{"manifests":[{{"digest":"{digest}","annotations":{{"io.containerd.image.name":"{name}"}}}}]}}"#
            ),
        );
        builder.into_inner().unwrap()
    }

    #[test]
    fn reads_docker_and_oci_archives() {
        let names = imported(&[
            ("a.tar", oci(true)),
            ("b.tar.zst", zstd(&tar_of("./manifest.json", DOCKER))),
            ("c.unknown", b"ignored".to_vec()),
        ]);
        assert_eq!(names, ["docker.io/library/a:1", "docker.io/rancher/mirrored-pause:3.6"]);
    }

    #[test]
    fn what_was_imported_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(list(dir.path()).is_err());
        fs::create_dir_all(dir.path().join("agent/images")).unwrap();
        fs::write(dir.path().join("agent/images/a.tar"), oci(true)).unwrap();
        import_for(dir.path()).unwrap();
        assert_eq!(list(dir.path()).unwrap(), "docker.io/library/a:1\n");
    }

    #[test]
    fn what_containerd_could_not_import_gives_no_image() {
        let good = zstd(&tar_of("manifest.json", DOCKER));
        for (name, bytes) in [
            ("cut.tar.zst", good[..good.len() - 8].to_vec()),
            ("not.tar.zst", b"not zstd at all".to_vec()),
            ("empty.tar", tar_of("other.json", "{}")),
            ("untagged.tar", tar_of("manifest.json", r#"[{"RepoTags":null}]"#)),
            ("list.txt", b"docker.io/library/a:1\n".to_vec()),
            ("damaged.tar", oci(false)),
        ] {
            assert!(imported(&[(name, bytes)]).is_empty(), "{name}");
        }
    }

    #[test]
    fn without_a_cache_file_none_is_made_and_with_one_it_is_filled() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.tar"), tar_of("manifest.json", DOCKER)).unwrap();
        import(dir.path()).unwrap();
        let cache = dir.path().join(CACHE);
        assert!(!cache.exists());
        fs::write(&cache, "").unwrap();
        let first = import(dir.path()).unwrap();
        let record = read_cache(&fs::read_to_string(&cache).unwrap());
        assert_eq!(record.len(), 1);
        assert_eq!(import(dir.path()).unwrap(), first);
    }

    #[test]
    fn an_archive_in_the_cache_is_not_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("a.tar");
        fs::write(&archive, "not a tar").unwrap();
        let record =
            BTreeMap::from([(archive.display().to_string(), (stamp(&archive).unwrap(), vec!["x:1".into()]))]);
        fs::write(dir.path().join(CACHE), write_cache(&record)).unwrap();
        assert_eq!(import(dir.path()).unwrap(), ["x:1"]);
    }
}
