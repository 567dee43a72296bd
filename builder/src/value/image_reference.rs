//! Names of container images.

use std::fmt;
use std::str::FromStr;

use hc_common::value::ValueError;
use oci_spec::distribution::Reference;

/// The name of a container image, in full: `docker.io/library/nginx:1.31` where somebody wrote `nginx:1.31`. A name without
/// tag and digest has the tag `latest`, as everywhere in Kubernetes (`distribution/reference`, "familiar names").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference(Reference);

impl ImageReference {
    /// The registry in the name, such as `docker.io`.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The repository, such as `library/nginx`.
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag()
    }

    /// The hexadecimal digits of the SHA-256 that the name pins.
    pub fn sha256(&self) -> Option<&str> {
        self.0.digest()?.strip_prefix("sha256:")
    }

    /// The name by its tag alone; none where it has no tag.
    pub fn without_digest(&self) -> Option<Self> {
        let tag = self.tag()?.to_owned();
        Some(Self(Reference::with_tag(self.registry().to_owned(), self.repository().to_owned(), tag)))
    }

    /// The name by its digest alone, in hexadecimal digits of SHA-256.
    pub fn at_digest(&self, sha256: &str) -> Self {
        let digest = format!("sha256:{sha256}");
        Self(Reference::with_digest(self.registry().to_owned(), self.repository().to_owned(), digest))
    }

    /// Whether the name has no fixed version: the tag `latest`, and no digest.
    pub fn floats(&self) -> bool {
        self.0.digest().is_none() && self.0.tag().is_none_or(|tag| tag == "latest")
    }

    /// Whether a container that asks for `self` gets the image called `there`: containerd finds an image by its whole name,
    /// and by its digest where the name has one.
    pub fn is_met_by(&self, there: &Self) -> bool {
        let same = self.registry() == there.registry() && self.repository() == there.repository();
        match self.sha256() {
            Some(digest) => same && there.sha256() == Some(digest),
            None => same && self.tag() == there.tag(),
        }
    }
}

/// In full.
impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for ImageReference {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let hint = "use the form nginx:1.31, ghcr.io/navidrome/navidrome:0.63.2 or NAME@sha256:DIGEST";
        let refused = |cause: &str| ValueError::new("name of a container image", text, cause, hint);
        if text.contains("://") {
            return Err(refused("is an address: leave out what comes before the host"));
        }
        let reference =
            text.parse::<Reference>().map_err(|problem| refused(&format!("is invalid: {problem}")))?;
        match reference.digest() {
            Some(digest) if !digest.starts_with("sha256:") => Err(refused("has a digest other than sha256")),
            _ => Ok(Self(reference)),
        }
    }
}

impl PartialOrd for ImageReference {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ImageReference {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn image(text: &str) -> ImageReference {
        text.parse().unwrap()
    }

    #[test]
    fn short_names_are_told_in_full() {
        for (short, full) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.31", "docker.io/library/nginx:1.31"),
            ("rancher/k3s-upgrade:v1.36.2-k3s1", "docker.io/rancher/k3s-upgrade:v1.36.2-k3s1"),
            ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
            ("localhost:5000/b:1", "localhost:5000/b:1"),
            ("localhost/b:1", "localhost/b:1"),
            ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ] {
            assert_eq!(image(short).to_string(), full);
        }
        let pinned = format!("quay.io/a/b:1@sha256:{DIGEST}");
        assert_eq!((image(&pinned).to_string(), image(&pinned).sha256()), (pinned.clone(), Some(DIGEST)));
        assert_eq!(image(&pinned).tag(), Some("1"));
    }

    #[test]
    fn an_invalid_name_is_rejected_with_its_reason() {
        for (bad, reason) in [
            ("", "invalid"),
            ("Nginx", "invalid"),
            ("nginx:", "invalid"),
            ("nginx:1:2", "invalid"),
            ("a b", "invalid"),
            ("https://ghcr.io/a/b:1", "address"),
            ("a@sha256:12", "invalid"),
            (&format!("a@sha512:{DIGEST}{DIGEST}"), "sha256"),
        ] {
            let error = bad.parse::<ImageReference>().unwrap_err().to_string();
            assert!(error.contains(reason), "{bad}: {error}");
        }
    }

    #[test]
    fn names_that_float_are_known() {
        assert!(image("nginx").floats() && image("nginx:latest").floats());
        assert!(!image("nginx:1").floats() && !image(&format!("nginx@sha256:{DIGEST}")).floats());
    }

    #[test]
    fn a_name_is_met_by_the_same_tag_or_the_same_digest() {
        let pinned = |tag: &str| image(&format!("nginx{tag}@sha256:{DIGEST}"));
        assert!(image("nginx:1").is_met_by(&image("docker.io/library/nginx:1")));
        assert!(image("nginx:1").is_met_by(&pinned(":1")));
        assert!(pinned("").is_met_by(&pinned(":1")));
        for (asked, there) in [
            (image("nginx:1"), image("nginx:2")),
            (image("nginx:1"), image("ghcr.io/library/nginx:1")),
            (pinned(":1"), image("nginx:1")),
            (image("nginx:1"), pinned("")),
        ] {
            assert!(!asked.is_met_by(&there), "{asked} {there}");
        }
    }
}
