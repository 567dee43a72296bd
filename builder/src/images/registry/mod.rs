//! Images from registries: the OCI distribution specification 1.1, which Docker's registries follow.
//!
//! A name is asked for once; from then on the lock pins the digest of what it stood for. Each blob is compared with its digest
//! while it arrives, and kept in the cache.

mod access;
mod auth;
mod client;
mod docker_config;

use serde_json::Value;

use crate::arch::Arch;
use crate::source::SourceContext;
use crate::source::digest::Sha256Digest;
use crate::source::lock::{Lock, LockedInput};
use crate::value::ImageReference;

use super::Image;
use super::blob::Blob;
use super::error::{ImageError, Result};
use super::resolve::{self, Content, Descriptor, OCI_INDEX, OCI_MANIFEST};

pub use access::{Credentials, RegistryAccess, RegistryHosts};

use client::Client;

/// An image as its registry has it, for one architecture. Its entry in the lock is `image.<name>`.
pub(super) fn obtain(
    cx: &SourceContext<'_>,
    lock: &mut Lock,
    hosts: &RegistryHosts,
    name: &ImageReference,
    arch: Arch,
) -> Result<Image> {
    let place = name.to_string();
    let at_name = |source| ImageError::of_image(&place, source);
    let key = format!("image.{name}");
    let mut client = Client::new(cx, hosts, name).map_err(at_name)?;
    let pinned = name.sha256().and_then(|digits| digits.parse::<Sha256Digest>().ok());
    let locked = lock.input(&key).cloned();
    if let (Some(locked), Some(pinned)) = (&locked, pinned)
        && locked.sha256 != pinned
    {
        return Err(at_name(lock.mismatch(&key, "sha256", &locked.sha256, &pinned)));
    }
    let expected = locked.as_ref().map(|locked| locked.sha256).or(pinned);
    let target = match expected {
        Some(digest) => client.manifest(digest, locked.map(|locked| locked.size)).map_err(at_name)?,
        None => client.tagged(name.tag().unwrap_or("latest")).map_err(at_name)?,
    };
    let bytes = target.read().map_err(|error| invalid(&place, error.to_string()))?;
    let descriptor = Descriptor { media_type: media_type(&bytes), digest: target.digest, size: target.size };
    let mut content = Fetched { client: &mut client, place: &place };
    let blobs = resolve::blobs(&mut content, &descriptor, arch, &format!("image {place}"))?;
    // Only an image that is whole is pinned.
    if lock.input(&key).is_none() {
        let (asked, url) = client.addresses(name, target.digest).map_err(at_name)?;
        if pinned.is_none() {
            cx.progress.message(&format!(
                "image {place}: on first use its digest is what {} says over TLS; {} pins it from now on",
                asked.host(),
                lock.path().display()
            ));
        }
        let input = LockedInput { asked, url, size: target.size, sha256: target.digest };
        lock.record(&key, input).map_err(at_name)?;
    }
    Ok(Image { name: name.clone(), target: descriptor, blobs, _kept: None })
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

struct Fetched<'a, 'b> {
    client: &'a mut Client<'b>,
    place: &'a str,
}

impl Content for Fetched<'_, '_> {
    fn blob(&mut self, descriptor: &Descriptor) -> Result<Blob> {
        let Descriptor { digest, size, .. } = *descriptor;
        let fetched = if descriptor.is_manifest() {
            self.client.manifest(digest, Some(size))
        } else {
            self.client.blob(digest, size)
        };
        fetched.map_err(|source| ImageError::of_image(self.place, source))
    }
}
