//! The bill of materials beside a node image: CycloneDX 1.5, JSON (ECMA-424). The same inputs give the same bytes.
//!
//! What is in it: the base with its packages, k3s, container images, charts, and every file that the build wrote but those whose
//! content is secret.

use cyclonedx_bom::external_models::normalized_string::NormalizedString;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::{Bom, UrnUuid};
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::models::tool::{Tool, Tools};
use purl::GenericPurlBuilder;

use crate::apply::{ChangeRecord, NewState};
use crate::source::digest::Sha256Digest;

/// What went into an image, besides the files that the build wrote.
#[derive(Debug, Clone, Default)]
pub struct Bill {
    /// In any order.
    pub parts: Vec<Part>,
}

/// One thing that went in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its name.
    pub name: String,
    /// Its version; empty where it has none.
    pub version: String,
    /// Digest of the bytes that were used, where they are one file.
    pub sha256: Option<Sha256Digest>,
}

/// What a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartKind {
    /// The base image.
    Base,
    /// A package of the base.
    Package {
        /// `debian`, `ubuntu`.
        distribution: String,
        /// `arm64`.
        architecture: String,
    },
    /// A file of the release of k3s.
    K3s,
    /// A container image; its version is its tag or digest.
    ContainerImage,
    /// A Helm chart.
    Chart,
}

/// Why there is no bill: a fault of hcimage.
#[derive(Debug, thiserror::Error)]
#[error("writing the bill of materials: {0}")]
pub struct SbomError(String);

/// The bill of the image of `node`, with what its build changed at `time`, in seconds since 1970.
///
/// # Errors
/// When the format cannot express a value, which is a fault of hcimage.
pub fn render(node: &str, bill: &Bill, changes: &[ChangeRecord], time: i64) -> Result<Vec<u8>, SbomError> {
    let failed = |error: &dyn std::fmt::Display| SbomError(error.to_string());
    let mut components: Vec<Component> =
        bill.parts.iter().map(component).collect::<Result<_, _>>().map_err(|error| failed(&error))?;
    components.extend(changes.iter().filter_map(file));
    components.sort_by(|one, other| one.bom_ref.cmp(&other.bom_ref));
    components.dedup_by(|one, other| one.bom_ref == other.bom_ref);
    let when = time::OffsetDateTime::from_unix_timestamp(time).map_err(|error| failed(&error))?;
    let when = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        when.year(),
        u8::from(when.month()),
        when.day(),
        when.hour(),
        when.minute(),
        when.second()
    );
    let metadata = Metadata {
        timestamp: Some(when.try_into().map_err(|error| failed(&error))?),
        tools: Some(Tools::List(vec![Tool::new("hcimage", "hcimage", env!("CARGO_PKG_VERSION"))])),
        component: Some(Component {
            version: None,
            ..Component::new(Classification::OperatingSystem, node, "", Some("node".to_owned()))
        }),
        ..Metadata::default()
    };
    let bom = Bom {
        version: 1,
        metadata: Some(metadata),
        components: Some(Components(components)),
        ..Bom::default()
    };
    let write = |bom: &Bom| {
        let mut bytes = Vec::new();
        bom.clone().output_as_json_v1_5(&mut bytes).map_err(|error| failed(&error)).map(|()| bytes)
    };
    // Its serial number is made of what it says.
    let serial = serial_number(&Sha256Digest::of(&write(&Bom { serial_number: None, ..bom.clone() })?));
    let serial_number = Some(UrnUuid::new(serial).map_err(|error| failed(&format!("{error:?}")))?);
    let mut bytes = write(&Bom { serial_number, ..bom })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// An UUID of version 8, custom (RFC 9562).
fn serial_number(digest: &Sha256Digest) -> String {
    let hex = digest.to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn component(part: &Part) -> Result<Component, purl::ParseError> {
    let Part { kind, name, version, sha256 } = part;
    let class = match kind {
        PartKind::Base => Classification::OperatingSystem,
        PartKind::Package { .. } => Classification::Library,
        PartKind::K3s | PartKind::Chart => Classification::Application,
        PartKind::ContainerImage => Classification::Container,
    };
    let purl = purl_of(part)?;
    let reference = purl.clone().unwrap_or_else(|| format!("base:{name}"));
    let mut component = Component::new(class, name, version, Some(reference));
    component.purl = purl.and_then(|purl| purl.parse::<Purl>().ok());
    component.version = (!version.is_empty()).then(|| NormalizedString::new(version));
    component.hashes = sha256.as_ref().map(hashes);
    Ok(component)
}

/// The package URL, by the types that purl-spec has.
fn purl_of(part: &Part) -> Result<Option<String>, purl::ParseError> {
    let Part { kind, name, version, .. } = part;
    let of = |kind: &str, name: &str| GenericPurlBuilder::new(kind.to_owned(), name).with_version(version);
    let builder = match kind {
        PartKind::Base => return Ok(None),
        PartKind::Package { distribution, architecture } => of("deb", name)
            .with_namespace(distribution.as_str())
            .with_qualifier("arch", architecture.as_str())?,
        PartKind::K3s => of("github", "k3s").with_namespace("k3s-io").with_subpath(name.as_str()),
        PartKind::Chart => of("helm", name),
        PartKind::ContainerImage => {
            let (repository, last) = name.rsplit_once('/').unwrap_or(("", name));
            let url = if repository.is_empty() { last.to_owned() } else { format!("{repository}/{last}") };
            of("oci", last).with_qualifier("repository_url", url)?
        }
    };
    Ok(Some(builder.build()?.to_string()))
}

/// A file that the build wrote. One whose content is secret has no digest, and is left out.
fn file(change: &ChangeRecord) -> Option<Component> {
    let NewState::File { sha256: Some(sha256), .. } = &change.now else { return None };
    let mut component =
        Component::new(Classification::File, &change.path, "", Some(format!("file:{}", change.path)));
    component.version = None;
    component.hashes = Some(hashes(sha256));
    Some(component)
}

fn hashes(sha256: &Sha256Digest) -> Hashes {
    Hashes(vec![Hash { alg: HashAlgorithm::SHA_256, content: HashValue(sha256.to_string()) }])
}
