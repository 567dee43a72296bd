//! Images from registries: the OCI distribution specification 1.1, which Docker's registries follow.
//!
//! A name is asked for once; from then on the lock pins the digest of what it stood for. Each blob is compared with its digest
//! while it arrives, and kept in the cache.

mod access;
mod auth;
mod authorization;
mod client;
mod docker_config;
mod go_syntax;
mod mirror;
mod name_rewrite;
mod refusal;

use std::path::PathBuf;

use oci_spec::image::{Descriptor as OciDescriptor, ImageManifest};
use serde_json::Value;

use crate::arch::Arch;
use crate::source::SourceContext;
use crate::source::digest::Sha256Digest;
use crate::source::expected::ExpectedDigest;
use crate::source::lock::{Lock, LockedInput};
use crate::value::ImageReference;

use super::Image;
use super::blob::Blob;
use super::error::{ImageError, Result};
use super::resolve::{self, Content, Descriptor, OCI_INDEX, OCI_MANIFEST};

pub use access::{Credentials, Login, RegistryAccess, RegistryHosts};
pub use mirror::Mirror;
pub use name_rewrite::{NameRewrites, RewriteProblem};

use client::Client;

/// An image whose documents are here, and its layers perhaps not yet.
pub(super) struct Described<'a> {
    pinned: Pinned<'a>,
    target: Descriptor,
    blobs: Vec<Blob>,
    layers: Vec<Descriptor>,
}

/// An image as its registry has it, for one architecture, without its layers: so all of them are known before the first is
/// fetched. Its entry in the lock is `image.<name>`.
pub(super) fn describe<'a>(
    cx: &'a SourceContext<'a>,
    lock: &Lock,
    hosts: &'a RegistryHosts,
    name: &'a ImageReference,
    arch: Arch,
) -> Result<Described<'a>> {
    let place = name.to_string();
    let mut pinned = Pinned::open(cx, lock, hosts, &format!("image.{name}"), name)?;
    let target = pinned.target(lock)?;
    let mut content = Documents { cx, client: &mut pinned.client, place: &place, layers: Vec::new() };
    let blobs = resolve::blobs(&mut content, &target, arch, &format!("image {place}"))?;
    let layers = content.layers;
    Ok(Described { pinned, target, blobs, layers })
}

impl Described<'_> {
    /// The whole image.
    pub(super) fn fetch(mut self, lock: &mut Lock) -> Result<Image> {
        let name = self.pinned.name.clone();
        for Descriptor { digest, size, .. } in &self.layers {
            let fetched = self.pinned.client.blob(*digest, *size);
            fetched.map_err(|source| ImageError::of_image(&name.to_string(), source))?;
        }
        // Only an image that is whole is pinned.
        self.pinned.pin(lock, &self.target)?;
        Ok(Image { name, target: self.target, blobs: self.blobs, _kept: None })
    }
}

/// What Helm calls a packed chart, and its description, in a registry.
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// A Helm chart that was fetched, and is not pinned yet.
pub(crate) struct FetchedChart<'a> {
    path: PathBuf,
    size: u64,
    sha256: Sha256Digest,
    pinned: Pinned<'a>,
    target: Descriptor,
}

impl FetchedChart<'_> {
    /// Path, size and digest of the packed chart.
    pub(crate) fn file(&self) -> (PathBuf, u64, Sha256Digest) {
        (self.path.clone(), self.size, self.sha256)
    }

    /// Writes its manifest into the lock, on first use.
    pub(crate) fn pin(self, lock: &mut Lock) -> Result<()> {
        self.pinned.pin(lock, &self.target)
    }
}

/// A Helm chart as its registry has it. `key` is its entry in the lock, which pins the digest of the manifest.
pub(crate) fn chart<'a>(
    cx: &'a SourceContext<'a>,
    lock: &Lock,
    hosts: &'a RegistryHosts,
    key: &str,
    name: &'a ImageReference,
) -> Result<FetchedChart<'a>> {
    let place = name.to_string();
    let mut pinned = Pinned::open(cx, lock, hosts, key, name)?;
    let target = pinned.target(lock)?;
    let bytes = pinned.client.manifest(target.digest, Some(target.size));
    let bytes = bytes.map_err(|source| ImageError::of_image(&place, source))?.read();
    let bytes = bytes.map_err(|error| invalid(&place, error.to_string()))?;
    let manifest: ImageManifest = serde_json::from_slice(&bytes)
        .map_err(|error| invalid(&place, format!("invalid manifest: {error}")))?;
    let is_chart = |layer: &&OciDescriptor| layer.media_type().as_ref() == CHART;
    let layer = manifest.layers().iter().find(is_chart).ok_or_else(|| {
        let found = manifest.config().media_type();
        invalid(
            &place,
            format!("it is no Helm chart: expected a layer {CHART}, found the configuration {found}"),
        )
    })?;
    let digest = layer.digest().as_ref().strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
    let digest: Sha256Digest =
        digest.ok_or_else(|| invalid(&place, format!("unsupported digest {}", layer.digest())))?;
    let blob = pinned.client.blob(digest, layer.size());
    let path = blob.map_err(|source| ImageError::of_image(&place, source))?.into_path();
    let path = path.ok_or_else(|| invalid(&place, "it is not in the cache"))?;
    Ok(FetchedChart { path, size: layer.size(), sha256: digest, pinned, target })
}

/// A name, and what the lock says of it.
struct Pinned<'a> {
    cx: &'a SourceContext<'a>,
    key: String,
    name: &'a ImageReference,
    client: Client<'a>,
    /// The digest that the name itself has.
    own: Option<Sha256Digest>,
}

impl<'a> Pinned<'a> {
    fn open(
        cx: &'a SourceContext<'a>,
        lock: &Lock,
        hosts: &'a RegistryHosts,
        key: &str,
        name: &'a ImageReference,
    ) -> Result<Self> {
        let at_name = |source| ImageError::of_image(&name.to_string(), source);
        let client = Client::new(cx, hosts, name).map_err(at_name)?;
        let own = name.sha256().and_then(|digits| digits.parse::<Sha256Digest>().ok());
        if let (Some(locked), Some(own)) = (lock.input(key), own)
            && locked.sha256 != own
        {
            return Err(at_name(lock.mismatch(key, "sha256", &locked.sha256, &own)));
        }
        Ok(Self { cx, key: key.to_owned(), name, client, own })
    }

    /// What the name stands for: as locked, or as the registry says now.
    fn target(&mut self, lock: &Lock) -> Result<Descriptor> {
        let place = self.name.to_string();
        let locked = lock.input(&self.key);
        let expected = locked.map(|locked| locked.sha256).or(self.own);
        let target = match expected {
            Some(digest) => self.client.manifest(digest, locked.map(|locked| locked.size)),
            None => self.client.tagged(self.name.tag().unwrap_or("latest")),
        };
        let target = target.map_err(|source| ImageError::of_image(&place, source))?;
        let bytes = target.read().map_err(|error| invalid(&place, error.to_string()))?;
        Ok(Descriptor { media_type: media_type(&bytes), digest: target.digest, size: target.size })
    }

    /// Writes what the name stands for into the lock, on first use.
    fn pin(self, lock: &mut Lock, target: &Descriptor) -> Result<()> {
        let Self { cx, key, name, client, own } = self;
        let at_name = |source| ImageError::of_image(&name.to_string(), source);
        if lock.input(&key).is_some() {
            return Ok(());
        }
        let (asked, url) = client.addresses(name, target.digest).map_err(at_name)?;
        if own.is_none() {
            let by = if client.has_mirrors() { "or a mirror of it says" } else { "says over TLS" };
            cx.progress.message(&format!(
                "{name}: on first use its digest is what {} {by}; {} pins it from now on",
                asked.host(),
                lock.path().display()
            ));
        }
        let input = LockedInput { asked, url, size: target.size, sha256: target.digest };
        lock.record(&key, input).map_err(at_name)
    }
}

fn invalid(place: &str, problem: impl Into<String>) -> ImageError {
    ImageError::Invalid { place: format!("image {place}"), problem: problem.into() }
}

/// What a document says that it is. One of the first version of OCI says nothing.
fn media_type(bytes: &[u8]) -> String {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    match document.get("mediaType").and_then(Value::as_str) {
        Some(media_type) => media_type.to_owned(),
        None if document.get("manifests").is_some() => OCI_INDEX.to_owned(),
        None if document.get("layers").is_some() => OCI_MANIFEST.to_owned(),
        None => String::new(),
    }
}

/// Documents are fetched, layers noted.
struct Documents<'a, 'b> {
    cx: &'a SourceContext<'a>,
    client: &'a mut Client<'b>,
    place: &'a str,
    layers: Vec<Descriptor>,
}

impl Content for Documents<'_, '_> {
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Blob> {
        let Descriptor { digest, size, .. } = *descriptor;
        let fetched = if descriptor.is_manifest() {
            self.client.manifest(digest, Some(size))
        } else {
            self.client.blob(digest, size)
        };
        fetched.map_err(|source| ImageError::of_image(self.place, source))
    }

    fn layer(&mut self, descriptor: &Descriptor) -> Result<Blob> {
        let Descriptor { digest, size, .. } = *descriptor;
        self.layers.push(descriptor.clone());
        let path = self.cx.cache.file(&digest, client::NAME);
        if path.symlink_metadata().is_err() {
            self.cx.progress.expect(&ExpectedDigest::Sha256(digest).to_string(), size);
        }
        Ok(Blob::in_file(digest, &path, 0, size))
    }
}
