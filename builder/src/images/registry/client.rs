//! Requests to the registry of one image, and to its mirrors.

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

use super::access::{Credentials, RegistryHosts};
use super::auth::{self, Challenge};
use super::docker_config;

/// Where the images of `docker.io` are.
const DOCKER_HUB: &str = "registry-1.docker.io";

/// What a server of tokens may answer, in bytes.
const TOKEN_LIMIT: u64 = 64 << 10;

/// What the registries of one image are asked with.
pub(super) struct Client<'a> {
    cx: &'a SourceContext<'a>,
    name: &'a ImageReference,
    hosts: Vec<RegistryHost>,
    access: &'a RegistryHosts,
}

/// A registry or mirror.
struct RegistryHost {
    /// Before `/v2/`.
    url: SourceUrl,
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
        let mut hosts = Vec::new();
        for url in access.mirrors_of(registry) {
            hosts.push(RegistryHost::new(cx, access, url.clone(), url.host())?);
        }
        let host = if registry == "docker.io" { DOCKER_HUB } else { registry };
        // A registry of this machine is asked without TLS, as every tool does.
        let scheme = if is_loopback(host) && !access.access.contains_key(host) { "http" } else { "https" };
        let url: SourceUrl = format!("{scheme}://{host}").parse()?;
        hosts.push(RegistryHost::new(cx, access, url, registry.to_owned())?);
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
        Ok((last.address(name, Path::Manifest(asked)), last.address(name, Path::Manifest(&pinned))))
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

    /// What the first host has that has it; the error of the last one.
    fn first<T>(&mut self, mut ask: impl FnMut(&mut RegistryHost) -> Result<T>) -> Result<T> {
        let mut last = None;
        for host in &mut self.hosts {
            match ask(host) {
                Err(error @ SourceError::Interrupted(_)) => return Err(error),
                Err(error) => last = Some(error),
                found => return found,
            }
        }
        Err(last.unwrap_or_else(|| no_host(self.name)))
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
const NAME: &str = "blob";

fn no_host(name: &ImageReference) -> SourceError {
    SourceError::Invalid { what: name.to_string(), problem: "no registry has this image".into() }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

impl RegistryHost {
    fn new(cx: &SourceContext<'_>, access: &RegistryHosts, url: SourceUrl, key: String) -> Result<Self> {
        let ca = access.access.get(&key).and_then(|access| access.ca.as_deref());
        let fetcher = match ca {
            Some(ca) => cx.fetcher.with_root(ca)?,
            None => cx.fetcher.clone(),
        };
        Ok(Self { url, key, fetcher, authorization: None })
    }

    fn address(&self, name: &ImageReference, path: Path<'_>) -> SourceUrl {
        let base = name.repository().split('/').fold(self.url.below("v2"), |url, part| url.below(part));
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
        let url = self.address(name, path);
        let mut answer = self.fetcher.ask(&url, &self.headers(path), DOCUMENT_LIMIT, cx.interrupt)?;
        if answer.status == StatusCode::UNAUTHORIZED {
            self.authorize(cx, name, &answer, access)?;
            answer = self.fetcher.ask(&url, &self.headers(path), DOCUMENT_LIMIT, cx.interrupt)?;
        }
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            status => Err(self.refused(name, &url, status)),
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
        let url = self.address(name, path);
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
                    let ping = self.url.below("v2").below("");
                    let answer = self.fetcher.ask(&ping, &HeaderMap::new(), DOCUMENT_LIMIT, cx.interrupt)?;
                    self.authorize(cx, name, &answer, access)?;
                    is_second = true;
                }
                Err(SourceError::Status { status, .. }) => return Err(self.refused(name, &url, status)),
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
        let unknown =
            |problem: &str| SourceError::BadAnswer { url: answer.url.to_string(), problem: problem.into() };
        let challenge = Challenge::of(answer).ok_or_else(|| {
            unknown("the registry wants to know who asks, in a way that is not supported: expected Basic or Bearer")
        })?;
        match challenge {
            Challenge::Basic => {
                let credentials = credentials_of(access, &self.key)?
                    .ok_or_else(|| self.refused(name, &answer.url, StatusCode::UNAUTHORIZED))?;
                self.authorization = credentials.basic();
            }
            Challenge::Bearer { realm, service } => {
                let url = auth::token_url(&realm, service.as_deref(), name.repository())?;
                let mut headers = HeaderMap::new();
                if let Some(value) =
                    self.credentials_for(cx, &url, access)?.and_then(|credentials| credentials.basic())
                {
                    headers.insert(AUTHORIZATION, value);
                }
                let answer = self.fetcher.ask(&url, &headers, TOKEN_LIMIT, cx.interrupt)?;
                if answer.status != StatusCode::OK {
                    return Err(self.refused(name, &url, answer.status));
                }
                let token = auth::token(&answer.body);
                let token = token.ok_or_else(|| unknown("the server of tokens gave none"))?;
                self.authorization = auth::bearer(&token);
            }
        }
        Ok(())
    }

    /// The credentials that the server of tokens at `url` gets: those of the registry only where it belongs to it.
    fn credentials_for(
        &self,
        cx: &SourceContext<'_>,
        url: &SourceUrl,
        access: &RegistryHosts,
    ) -> Result<Option<Credentials>> {
        let host = url.host();
        if auth::belongs(&host, &self.key) || host == self.url.host() {
            return credentials_of(access, &self.key);
        }
        let own = credentials_of(access, &host)?;
        if own.is_none() && credentials_of(access, &self.key)?.is_some() {
            cx.progress.message(&format!(
                "warning: {} sends us to {host} for a token; its password is not sent there; where {host} is its server of \
                 tokens, add credentials for {host}",
                self.key
            ));
        }
        Ok(own)
    }

    fn refused(&self, name: &ImageReference, url: &SourceUrl, status: StatusCode) -> SourceError {
        let key = &self.key;
        let problem = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                "{key} does not give out {name} ({status}): it does not exist, or needs credentials; run `docker login {key}`, \
                 or set them in [registries.configs.\"{key}\".auth]"
            ),
            StatusCode::NOT_FOUND if url.to_string().contains("sha256:") => format!(
                "{key} has no longer what {name} stood for (404); `hcimage update {name}` takes what it stands for now"
            ),
            StatusCode::NOT_FOUND => format!("{key} has no {name} (404): check name and tag"),
            status => format!("the registry answered {status}"),
        };
        SourceError::BadAnswer { url: url.to_string(), problem }
    }
}

/// From the cluster file, else from Docker's configuration.
fn credentials_of(access: &RegistryHosts, key: &str) -> Result<Option<Credentials>> {
    match access.access.get(key).and_then(|access| access.credentials.clone()) {
        Some(credentials) => Ok(Some(credentials)),
        None => docker_config::credentials(key),
    }
}
