//! Requests to the registry of one image, and to its mirrors.

use std::error::Error;
use std::path::PathBuf;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};

use crate::images::blob::{Blob, DOCUMENT_LIMIT};
use crate::images::resolve::{DOCKER_INDEX, DOCKER_MANIFEST, LAYER_LIMIT, OCI_INDEX, OCI_MANIFEST};
use crate::source::digest::Sha256Digest;
use crate::source::error::Result;
use crate::source::expected::ExpectedDigest;
use crate::source::fetch::{Answer, Fetcher};
use crate::source::input::{self, Published};
use crate::source::url::SourceUrl;
use crate::source::{SourceContext, SourceError};
use crate::value::ImageReference;

use super::access::RegistryHosts;
use super::authorization::Asked;
use super::mirror::Mirror;
use super::refusal;

/// Where the images of `docker.io` are.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// What the registries of one image are asked with.
pub(super) struct Client<'a> {
    cx: &'a SourceContext<'a>,
    name: &'a ImageReference,
    hosts: Vec<RegistryHost>,
    access: &'a RegistryHosts,
}

/// A registry or mirror.
struct RegistryHost {
    /// The address that its API is below.
    root: SourceUrl,
    /// What it calls the image.
    repository: String,
    /// What its credentials are kept under.
    key: String,
    fetcher: Fetcher,
    /// What it was last content with.
    authorization: Option<HeaderValue>,
}

/// What is fetched.
#[derive(Clone, Copy)]
enum Path<'a> {
    Manifest(&'a str),
    Blob(&'a Sha256Digest),
}

impl<'a> Client<'a> {
    pub(super) fn new(
        cx: &'a SourceContext<'a>,
        access: &'a RegistryHosts,
        name: &'a ImageReference,
    ) -> Result<Self> {
        let registry = name.registry();
        let host = if registry == "docker.io" { DOCKER_HUB } else { registry };
        // A registry of this machine is asked without TLS, as every tool does.
        let scheme = if is_loopback(host) && !access.access.contains_key(host) { "http" } else { "https" };
        let own: SourceUrl = format!("{scheme}://{host}/v2").parse()?;
        let mut hosts = Vec::new();
        for Mirror { root, key, rewrites } in access.mirrors_of(registry) {
            // As for k3s, a mirror at the address of the registry is the registry.
            if *root == own && key == host {
                continue;
            }
            let repository = rewrites.of(name.repository());
            if is_repository(&repository) {
                hosts.push(RegistryHost::new(
                    cx,
                    access,
                    root.clone(),
                    key.clone(),
                    repository.into_owned(),
                )?);
            } else {
                cx.progress.message(&format!(
                    "warning: for the mirror {key}, {name} is rewritten to \"{repository}\", which is no name of an image: \
                     the mirror is not asked for it"
                ));
            }
        }
        hosts.push(RegistryHost::new(cx, access, own, registry.to_owned(), name.repository().to_owned())?);
        Ok(Self { cx, name, hosts, access })
    }

    /// Where the name was asked for, and where its bytes are for good.
    pub(super) fn addresses(
        &self,
        name: &ImageReference,
        digest: Sha256Digest,
    ) -> Result<(SourceUrl, SourceUrl)> {
        let pinned = format!("sha256:{digest}");
        let asked = name.tag().unwrap_or(&pinned);
        let last = self.hosts.last().ok_or_else(|| no_host(name))?;
        Ok((last.address(Path::Manifest(asked)), last.address(Path::Manifest(&pinned))))
    }

    /// Whether somebody else may have answered in the place of the registry.
    pub(super) fn has_mirrors(&self) -> bool {
        self.hosts.len() > 1
    }

    /// What a tag stands for now.
    pub(super) fn tagged(&mut self, tag: &str) -> Result<Blob> {
        self.cx.progress.message(&format!("asking for image {}", self.name));
        let bytes = self.small(Path::Manifest(tag))?;
        self.keep(&bytes)
    }

    /// An index or manifest.
    pub(super) fn manifest(&mut self, digest: Sha256Digest, size: Option<u64>) -> Result<Blob> {
        if let Some(known) = self.kept(digest, size)? {
            return Ok(known);
        }
        let pinned = format!("sha256:{digest}");
        let bytes = self.small(Path::Manifest(&pinned))?;
        let actual = Sha256Digest::of(&bytes);
        if actual != digest {
            let problem = format!("the registry sent the manifest sha256:{actual}, expected sha256:{digest}");
            return Err(SourceError::BadRecord { file: self.name.to_string(), problem });
        }
        self.keep(&bytes)
    }

    /// A configuration or layer.
    pub(super) fn blob(&mut self, digest: Sha256Digest, size: u64) -> Result<Blob> {
        let (cx, name, access) = (self.cx, self.name, self.access);
        let path = self.first(|host| host.download(cx, name, digest, size, access))?;
        Ok(Blob::in_file(digest, &path, 0, size))
    }

    fn small(&mut self, path: Path<'_>) -> Result<Vec<u8>> {
        let (cx, name, access) = (self.cx, self.name, self.access);
        self.first(|host| host.get(cx, name, path, access))
    }

    /// What the first host has that has it; the error of the last one, which is the registry itself. Why its mirrors did not
    /// help is told before.
    fn first<T>(&mut self, mut ask: impl FnMut(&mut RegistryHost) -> Result<T>) -> Result<T> {
        let mut failed = Vec::new();
        for host in &mut self.hosts {
            match ask(host) {
                Err(error @ SourceError::Interrupted(_)) => return Err(error),
                Err(error) => failed.push((host.root.host(), error)),
                found => return found,
            }
        }
        let last = failed.pop();
        for (mirror, error) in &failed {
            let problem = told(error);
            self.cx
                .progress
                .message(&format!("the mirror {mirror} did not give out {}: {problem}", self.name));
        }
        Err(last.map_or_else(|| no_host(self.name), |(_, error)| error))
    }

    fn kept(&self, digest: Sha256Digest, size: Option<u64>) -> Result<Option<Blob>> {
        let found = input::kept(self.cx, digest, NAME, size)?;
        Ok(found.map(|(path, size)| Blob::in_file(digest, &path, 0, size)))
    }

    fn keep(&self, bytes: &[u8]) -> Result<Blob> {
        let (path, size, digest) = input::keep(self.cx, NAME, bytes)?;
        Ok(Blob::in_file(digest, &path, 0, size))
    }
}

/// What blobs are called in the cache, where a directory has their digest.
pub(super) const NAME: &str = "blob";

fn no_host(name: &ImageReference) -> SourceError {
    SourceError::Invalid { what: name.to_string(), problem: "no registry has this image".into() }
}

/// An error with its causes.
fn told(error: &SourceError) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Whether a text is a repository such as `library/nginx`, by the grammar of names (`distribution/reference`).
fn is_repository(text: &str) -> bool {
    let whole = format!("registry.invalid/{text}").parse::<ImageReference>();
    whole.is_ok_and(|name| name.repository() == text)
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

impl RegistryHost {
    fn new(
        cx: &SourceContext<'_>,
        access: &RegistryHosts,
        root: SourceUrl,
        key: String,
        repository: String,
    ) -> Result<Self> {
        let ca = access.access.get(&key).and_then(|access| access.ca.as_deref());
        let fetcher = match ca {
            Some(ca) => cx.fetcher.with_root(ca)?,
            None => cx.fetcher.clone(),
        };
        Ok(Self { root, repository, key, fetcher, authorization: None })
    }

    fn address(&self, path: Path<'_>) -> SourceUrl {
        let base = self.root.below_path(&self.repository);
        match path {
            Path::Manifest(reference) => base.below("manifests").below(reference),
            Path::Blob(digest) => base.below("blobs").below(&format!("sha256:{digest}")),
        }
    }

    fn headers(&self, path: Path<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Path::Manifest(_) = path {
            for media_type in [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST] {
                headers.append(ACCEPT, HeaderValue::from_static(media_type));
            }
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }

    /// A small document.
    fn get(
        &mut self,
        cx: &SourceContext<'_>,
        name: &ImageReference,
        path: Path<'_>,
        access: &RegistryHosts,
    ) -> Result<Vec<u8>> {
        let url = self.address(path);
        let mut answer = self.fetcher.ask(&url, &self.headers(path), DOCUMENT_LIMIT, cx.interrupt)?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.authorize(cx, name, &answer, access)?;
            answer = self.fetcher.ask(&url, &self.headers(path), DOCUMENT_LIMIT, cx.interrupt)?;
        }
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(refusal::of_registry(&self.key, name, &url, status)),
        }
    }

    /// A blob, into the cache.
    fn download(
        &mut self,
        cx: &SourceContext<'_>,
        name: &ImageReference,
        digest: Sha256Digest,
        size: u64,
        access: &RegistryHosts,
    ) -> Result<PathBuf> {
        let path = Path::Blob(&digest);
        let url = self.address(path);
        let mut is_second = false;
        loop {
            let blob = Published {
                headers: self.headers(path),
                name: Some(NAME.to_owned()),
                ..Published::new(
                    url.clone(),
                    ExpectedDigest::Sha256(digest),
                    format!("the manifest of {name}"),
                )
            };
            let through = SourceContext { fetcher: &self.fetcher, ..*cx };
            match input::obtain_published(&through, &blob, Some(size), LAYER_LIMIT) {
                // A token lasts some minutes only.
                Err(SourceError::Status { status: StatusCode::UNAUTHORIZED, .. }) if !is_second => {
                    let ping = self.root.below("");
                    let answer = self.fetcher.ask(&ping, &HeaderMap::new(), DOCUMENT_LIMIT, cx.interrupt)?;
                    self.authorize(cx, name, &answer, access)?;
                    is_second = true;
                }
                Err(SourceError::Status { status, .. }) => {
                    return Err(refusal::of_registry(&self.key, name, &url, status));
                }
                fetched => return Ok(fetched?.path),
            }
        }
    }

    /// Does what the registry asks for with "401 Unauthorized".
    fn authorize(
        &mut self,
        cx: &SourceContext<'_>,
        name: &ImageReference,
        answer: &Answer,
        access: &RegistryHosts,
    ) -> Result<()> {
        let Self { root, repository, key, fetcher, .. } = &*self;
        let asked = Asked { cx, access, fetcher, root, key, name, repository };
        self.authorization = asked.authorization(answer)?;
        Ok(())
    }
}
