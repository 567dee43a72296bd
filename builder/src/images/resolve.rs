//! From what a name stands for to the blobs of one platform: index, manifest, configuration, layers.
//!
//! Formats: the OCI image specification 1.1, and Docker's schema 2, which has other media types for the same.

use oci_spec::image::{Descriptor as OciDescriptor, ImageIndex, ImageManifest, MediaType};
use serde::Deserialize;

use crate::arch::Arch;
use crate::source::digest::Sha256Digest;

use super::blob::{Blob, DOCUMENT_LIMIT};
use super::error::{ImageError, Result};

/// The largest layer in bytes.
pub(super) const LAYER_LIMIT: u64 = 16 << 30;

/// The most layers: Docker itself stops at 127, others do not.
const MOST_LAYERS: usize = 1000;

/// An index may name indexes; none is known that goes deeper.
const MOST_DEPTH: usize = 4;

pub(super) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// What a blob is, where one names another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Sha256Digest,
    /// In bytes.
    pub(super) size: u64,
}

impl Descriptor {
    /// Whether it is an index or a manifest, and not one of the blobs that a manifest names.
    pub(super) fn is_manifest(&self) -> bool {
        [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST].contains(&self.media_type.as_str())
    }
}

/// Where blobs are looked up.
pub(super) trait Content {
    /// An index, manifest, configuration or layer.
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Blob>;

    /// A layer, which may be fetched later.
    fn layer(&mut self, descriptor: &Descriptor) -> Result<Blob> {
        self.blob(descriptor)
    }
}

/// The blobs that a node of `arch` needs of the image `target`. `place` names the image in messages.
pub(super) fn blobs(
    content: &mut dyn Content,
    target: &Descriptor,
    arch: Arch,
    place: &str,
) -> Result<Vec<Blob>> {
    let mut walk = Walk { content, arch, place, blobs: Vec::new() };
    walk.follow(target, 0)?;
    Ok(walk.blobs)
}

struct Walk<'a> {
    content: &'a mut dyn Content,
    arch: Arch,
    place: &'a str,
    blobs: Vec<Blob>,
}

impl Walk<'_> {
    fn invalid(&self, problem: impl Into<String>) -> ImageError {
        ImageError::Invalid { place: self.place.to_owned(), problem: problem.into() }
    }

    fn follow(&mut self, target: &Descriptor, depth: usize) -> Result<()> {
        let blob = self.document(target)?;
        let bytes = self.bytes(&blob)?;
        self.blobs.push(blob);
        match kind(&target.media_type, &bytes) {
            Some(Kind::Index) if depth < MOST_DEPTH => {
                let index: ImageIndex = self.parse("index", &bytes)?;
                let chosen = self.choose(index.manifests())?;
                self.follow(&chosen, depth + 1)
            }
            Some(Kind::Index) => Err(self.invalid("the index names an index that names an index, and so on")),
            Some(Kind::Manifest) => self.manifest(&bytes),
            None => Err(self.invalid(format!(
                "expected an image manifest or an index, found {:?}; images of Docker's schema 1 must be pushed again by \
                 a current tool",
                target.media_type
            ))),
        }
    }

    /// The entry for the node's processor. The best variant comes first, as containerd sorts them
    /// (`platforms.Only`).
    fn choose(&self, entries: &[OciDescriptor]) -> Result<Descriptor> {
        // What has no platform may be for any: its configuration tells.
        let rank = |entry: &OciDescriptor| match entry.platform() {
            Some(platform) => {
                let os = platform.os().to_string();
                let variant = platform.variant().as_deref().unwrap_or_default();
                rank(self.arch, &os, &platform.architecture().to_string(), variant)
            }
            None => Some(u8::MAX),
        };
        let best =
            entries.iter().filter_map(|entry| Some((rank(entry)?, entry))).min_by_key(|(rank, _)| *rank);
        match best {
            Some((_, entry)) => self.descriptor(entry),
            None => {
                let found = entries.iter().filter_map(|entry| entry.platform().as_ref());
                let found = found.map(|platform| {
                    let variant = platform.variant().as_ref().map(|variant| format!("/{variant}"));
                    format!("{}/{}{}", platform.os(), platform.architecture(), variant.unwrap_or_default())
                });
                // Attestations are in the index as images for no platform.
                let found: Vec<String> = found.filter(|name| !name.starts_with("unknown/")).collect();
                Err(self.no_platform(&found.join(", ")))
            }
        }
    }

    fn no_platform(&self, found: &str) -> ImageError {
        let found = if found.is_empty() { "none at all" } else { found };
        ImageError::NoPlatform {
            place: self.place.to_owned(),
            wanted: self.arch.go(),
            found: found.to_owned(),
        }
    }

    fn manifest(&mut self, bytes: &[u8]) -> Result<()> {
        let manifest: ImageManifest = self.parse("manifest", bytes)?;
        if manifest.layers().len() > MOST_LAYERS {
            return Err(self.invalid(format!("more than {MOST_LAYERS} layers")));
        }
        let config = self.descriptor(manifest.config())?;
        let blob = self.document(&config)?;
        self.check_platform(&self.bytes(&blob)?)?;
        self.blobs.push(blob);
        for layer in manifest.layers() {
            let descriptor = self.layer_descriptor(layer)?;
            let blob = self.content.layer(&descriptor)?;
            if !self.blobs.iter().any(|known| known.digest == blob.digest) {
                self.blobs.push(blob);
            }
        }
        Ok(())
    }

    /// The configuration says for what its layers are, whatever an index says.
    fn check_platform(&self, config: &[u8]) -> Result<()> {
        let config: Config = self.parse("configuration", config)?;
        let variant = config.variant.unwrap_or_default();
        match rank(self.arch, &config.os, &config.architecture, &variant) {
            Some(_) => Ok(()),
            None if config.os.is_empty() || config.architecture.is_empty() => Err(self
                .invalid("the configuration names no system and processor: this is no image of a container")),
            None => Err(self.no_platform(&format!("{}/{}", config.os, config.architecture))),
        }
    }

    fn layer_descriptor(&self, layer: &OciDescriptor) -> Result<Descriptor> {
        let descriptor = self.descriptor(layer)?;
        let media_type = descriptor.media_type.as_str();
        if media_type.contains("nondistributable") || media_type.contains("foreign") || layer.urls().is_some()
        {
            return Err(self.invalid(format!(
                "the layer {} lies on a server of its own ({media_type}): such layers are not fetched; use an image without",
                descriptor.digest
            )));
        }
        match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => {}
            other => {
                return Err(self.invalid(format!(
                    "the layer {} is of the type {other:?}: this is no image of a container",
                    descriptor.digest
                )));
            }
        }
        if descriptor.size > LAYER_LIMIT {
            return Err(
                self.invalid(format!("a layer of {} bytes, expected at most {LAYER_LIMIT}", descriptor.size))
            );
        }
        Ok(descriptor)
    }

    fn descriptor(&self, descriptor: &OciDescriptor) -> Result<Descriptor> {
        let of = |media_type: &MediaType| media_type.to_string();
        let found = Descriptor {
            media_type: of(descriptor.media_type()),
            digest: self.digest(descriptor.digest().as_ref())?,
            size: descriptor.size(),
        };
        Ok(found)
    }

    fn digest(&self, text: &str) -> Result<Sha256Digest> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        digits.parse().map_err(|_| self.invalid(format!("unsupported digest {text:?}: expected sha256")))
    }

    fn document(&mut self, descriptor: &Descriptor) -> Result<Blob> {
        if descriptor.size > DOCUMENT_LIMIT {
            let (kind, size) = (&descriptor.media_type, descriptor.size);
            return Err(self.invalid(format!("{kind} of {size} bytes, expected at most {DOCUMENT_LIMIT}")));
        }
        self.content.blob(descriptor)
    }

    fn bytes(&self, blob: &Blob) -> Result<Vec<u8>> {
        blob.read().map_err(|error| self.invalid(format!("the blob {}: {error}", blob.digest)))
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, what: &str, bytes: &[u8]) -> Result<T> {
        serde_json::from_slice(bytes).map_err(|error| self.invalid(format!("invalid {what}: {error}")))
    }
}

/// What counts here of an image's configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    architecture: String,
    os: String,
    variant: Option<String>,
}

enum Kind {
    Index,
    Manifest,
}

/// Of what kind a document is: by its media type, or by its fields where a descriptor has none.
fn kind(media_type: &str, bytes: &[u8]) -> Option<Kind> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let by_type = |media_type: &str| match media_type {
        OCI_INDEX | DOCKER_INDEX => Some(Kind::Index),
        OCI_MANIFEST | DOCKER_MANIFEST => Some(Kind::Manifest),
        _ => None,
    };
    if let Some(kind) = by_type(media_type) {
        return Some(kind);
    }
    let fields: Fields = serde_json::from_slice(bytes).ok()?;
    match (fields.media_type.as_deref().and_then(by_type), fields.manifests, fields.layers) {
        (Some(kind), _, _) => Some(kind),
        (None, Some(_), None) => Some(Kind::Index),
        (None, None, Some(_)) => Some(Kind::Manifest),
        _ => None,
    }
}

/// How well a platform suits a processor: smaller is better, none is not at all. `variant` may be empty.
fn rank(arch: Arch, os: &str, architecture: &str, variant: &str) -> Option<u8> {
    if os != "linux" || architecture != arch.go() {
        return None;
    }
    match (arch, variant) {
        // A processor of ARMv7 runs what was built for older ones.
        (Arch::Armv7, "v7" | "") => Some(0),
        (Arch::Armv7, "v6") => Some(1),
        (Arch::Armv7, "v5") => Some(2),
        (Arch::Aarch64, "v8" | "") => Some(0),
        // What needs a newer processor than every board has is not taken: containerd asks for v8 and v1.
        (Arch::X86_64, "v1" | "") => Some(0),
        _ => None,
    }
}
