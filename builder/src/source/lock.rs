//! `hcimage.lock`: every external input as resolved on first use, so that later builds use the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::Sha256Digest;
use super::error::{IoContext, Result, SourceError};
use super::k3s_version::K3sVersion;
use super::url::SourceUrl;
use crate::local_file::{self, TEXT_LIMIT};

const HEADER: &str = "\
# Written by hcimage: each external input as resolved on first use. Later builds use exactly these.
# `hcimage update NAME` takes a newer one. Keep this file under version control.

";

/// What the names of packages begin with.
const PACKAGES: &str = "package.";

/// The only schema so far.
const SCHEMA: u32 = 1;

/// An input as it was resolved on first use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedInput {
    /// The requested address; it may redirect to [`LockedInput::url`], as a "latest" address does.
    pub asked: SourceUrl,
    /// The address of the bytes.
    pub url: SourceUrl,
    /// Size in bytes.
    pub size: u64,
    /// Digest of the bytes.
    pub sha256: Sha256Digest,
}

/// The lock file of one cluster.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    inputs: BTreeMap<String, LockedInput>,
    channels: BTreeMap<String, LockedChannel>,
    /// What each group of inputs, such as `package.cm4`, was worked out for.
    resolved: BTreeMap<String, BTreeSet<String>>,
    /// When the newest index of each suite of packages was made, in seconds since 1970: an older one is refused.
    releases: BTreeMap<String, i64>,
    is_frozen: bool,
    /// Whether changes are held back.
    is_draft: bool,
}

/// What an entry says, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry(String);

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct LockedChannel {
    url: SourceUrl,
    version: K3sVersion,
}

impl Lock {
    /// Reads the lock file at `path`. A missing file is an empty lock.
    pub fn load(path: &Path) -> Result<Self> {
        match local_file::read_text(path, TEXT_LIMIT) {
            Ok(text) => Self::parse(path, &text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::of(path, BTreeMap::new(), BTreeMap::new()))
            }
            Err(e) => Err(e).context("reading", path),
        }
    }

    /// Reads a lock file that must be there.
    pub fn load_existing(path: &Path) -> Result<Self> {
        Self::parse(path, &local_file::read_text(path, TEXT_LIMIT).context("reading", path)?)
    }

    /// Reads the text of the lock file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let bad = |problem: String| SourceError::BadRecord { file: path.display().to_string(), problem };
        let document: Document = toml::from_str(text).map_err(|e| bad(format!("invalid lock file: {e}")))?;
        if document.schema != SCHEMA {
            return Err(bad(format!(
                "unsupported schema {}: this hcimage supports schema {SCHEMA}; use a newer hcimage",
                document.schema
            )));
        }
        let twice = |name: String| bad(format!("duplicate entry \"{name}\": remove one"));
        let (mut inputs, mut channels) = (BTreeMap::new(), BTreeMap::new());
        for InputRow { name, asked, url, size, sha256 } in document.input {
            // The digest here comes from a signed index, which needs no TLS; anything else came by TLS alone.
            let parse = |text: &str| match name.starts_with(PACKAGES) {
                true => SourceUrl::signed(text),
                false => text.parse(),
            };
            let url = parse(&url).map_err(|error| bad(format!("invalid lock file: {error}")))?;
            let asked = asked.as_deref().map(parse).transpose();
            let asked = asked.map_err(|error| bad(format!("invalid lock file: {error}")))?;
            let input = LockedInput { asked: asked.unwrap_or_else(|| url.clone()), url, size, sha256 };
            if inputs.insert(name.clone(), input).is_some() {
                return Err(twice(name));
            }
        }
        for ChannelRow { name, url, version } in document.channel {
            if channels.insert(name.clone(), LockedChannel { url, version }).is_some() {
                return Err(twice(name));
            }
        }
        let mut lock = Self::of(path, inputs, channels);
        lock.releases = document.release.into_iter().map(|row| (row.name, row.date)).collect();
        lock.resolved = document.resolved.into_iter().map(|row| (row.name, row.asked)).collect();
        Ok(lock)
    }

    fn of(
        path: &Path,
        inputs: BTreeMap<String, LockedInput>,
        channels: BTreeMap<String, LockedChannel>,
    ) -> Self {
        let (resolved, releases) = (BTreeMap::new(), BTreeMap::new());
        Self { path: path.into(), inputs, channels, resolved, releases, is_frozen: false, is_draft: false }
    }

    /// The same, which takes no new entry where `is_frozen`.
    pub fn frozen(self, is_frozen: bool) -> Self {
        Self { is_frozen, ..self }
    }

    /// All entries by name, with what they say.
    pub fn entries(&self) -> impl Iterator<Item = (String, Entry)> + '_ {
        let inputs = self.inputs.iter().map(|(name, LockedInput { url, size, sha256, .. })| {
            (name.clone(), Entry(format!("{url}, {size} bytes, SHA-256 {sha256}")))
        });
        let channels = self.channels.iter();
        let channels = channels.map(|(name, channel)| (name.clone(), Entry(channel.version.to_string())));
        channels.chain(inputs)
    }

    /// The digest of each input, by its name.
    pub fn digests(&self) -> impl Iterator<Item = (String, Sha256Digest)> + '_ {
        self.inputs.iter().map(|(name, input)| (name.clone(), input.sha256))
    }

    /// The same without the entries in `dropped`. Nothing of it is written before [`Lock::commit`].
    pub(crate) fn without(mut self, dropped: &BTreeSet<String>) -> Self {
        self.inputs.retain(|name, _| !dropped.contains(name));
        self.channels.retain(|name, _| !dropped.contains(name));
        // A group that lacks one is worked out anew.
        self.resolved.retain(|group, _| !dropped.iter().any(|name| name.starts_with(&format!("{group}."))));
        Self { is_draft: true, ..self }
    }

    /// Writes what [`Lock::without`] held back.
    pub(crate) fn commit(mut self) -> Result<()> {
        self.is_draft = false;
        self.save()
    }

    /// Fails where the lock takes no new entry.
    pub(crate) fn require_thawed(&self, name: &str) -> Result<()> {
        if !self.is_frozen {
            return Ok(());
        }
        Err(SourceError::NotLocked { name: name.to_owned(), lock: self.path.display().to_string() })
    }

    /// Where the lock file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The input of this name, if it was resolved before.
    pub fn input(&self, name: &str) -> Option<&LockedInput> {
        self.inputs.get(name)
    }

    /// Writes an input on first use; on later uses its digest and size must match the entry.
    pub fn record(&mut self, name: &str, input: LockedInput) -> Result<()> {
        let Some(locked) = self.inputs.get(name) else {
            self.require_thawed(name)?;
            self.inputs.insert(name.to_owned(), input);
            return self.save();
        };
        if locked.sha256 != input.sha256 {
            return Err(self.mismatch(name, "sha256", &locked.sha256, &input.sha256));
        }
        if locked.size != input.size {
            return Err(self.mismatch(name, "size", &locked.size, &input.size));
        }
        Ok(())
    }

    /// The inputs of a group, whose names begin with its own and a dot.
    pub(crate) fn group(&self, group: &str) -> impl Iterator<Item = (&String, &LockedInput)> {
        let prefix = format!("{group}.");
        self.inputs.iter().filter(move |(name, _)| name.starts_with(&prefix))
    }

    /// What a group of inputs was worked out for; none where it was not.
    pub(crate) fn resolved(&self, group: &str) -> Option<&BTreeSet<String>> {
        self.resolved.get(group)
    }

    /// Puts inputs in the place of all of a group, whose names begin with its own and a dot: what they were worked out for, and
    /// when the indexes were made that they are from.
    pub(crate) fn replace(
        &mut self,
        group: &str,
        asked: BTreeSet<String>,
        inputs: BTreeMap<String, LockedInput>,
        releases: BTreeMap<String, i64>,
    ) -> Result<()> {
        self.require_thawed(group)?;
        let prefix = format!("{group}.");
        self.inputs.retain(|name, _| !name.starts_with(&prefix));
        self.inputs.extend(inputs);
        self.resolved.insert(group.to_owned(), asked);
        self.releases.extend(releases);
        self.save()
    }

    /// When the newest index of a suite was made that was used so far, in seconds since 1970.
    pub(crate) fn release(&self, name: &str) -> Option<i64> {
        self.releases.get(name).copied()
    }

    /// The version that the channel resolved to on first use. A channel of another server is an error.
    pub fn channel(&self, name: &str, url: &SourceUrl) -> Result<Option<K3sVersion>> {
        let Some(locked) = self.channels.get(name) else { return Ok(None) };
        if locked.url != *url {
            return Err(self.mismatch(name, "url", &locked.url, url));
        }
        Ok(Some(locked.version.clone()))
    }

    /// Writes the version of a channel, on first use.
    pub fn record_channel(&mut self, name: &str, url: SourceUrl, version: K3sVersion) -> Result<()> {
        self.require_thawed(name)?;
        self.channels.insert(name.to_owned(), LockedChannel { url, version });
        self.save()
    }

    /// The error for a value that differs from the locked one.
    pub(crate) fn mismatch(
        &self,
        name: &str,
        what: &'static str,
        locked: &impl ToString,
        found: &impl ToString,
    ) -> SourceError {
        SourceError::LockMismatch {
            name: name.to_owned(),
            lock: self.path.display().to_string(),
            what,
            locked: locked.to_string(),
            found: found.to_string(),
        }
    }

    /// The whole text, as it is in the file.
    pub(crate) fn to_text(&self) -> Result<String> {
        self.text().map_err(std::io::Error::other).context("writing", &self.path)
    }

    /// The file's text: sorted by name, the same for the same entries.
    fn text(&self) -> std::result::Result<String, toml::ser::Error> {
        let input = self.inputs.iter().map(|(name, input)| InputRow {
            name: name.clone(),
            asked: Some(&input.asked).filter(|asked| **asked != input.url).map(ToString::to_string),
            url: input.url.to_string(),
            size: input.size,
            sha256: input.sha256,
        });
        let channel = self.channels.iter().map(|(name, channel)| ChannelRow {
            name: name.clone(),
            url: channel.url.clone(),
            version: channel.version.clone(),
        });
        let release = self.releases.iter().map(|(name, date)| ReleaseRow { name: name.clone(), date: *date });
        let resolved = self
            .resolved
            .iter()
            .map(|(name, asked)| ResolvedRow { name: name.clone(), asked: asked.clone() });
        let document = Document {
            schema: SCHEMA,
            channel: channel.collect(),
            release: release.collect(),
            resolved: resolved.collect(),
            input: input.collect(),
        };
        Ok(format!("{HEADER}{}", toml::to_string(&document)?))
    }

    /// Replaces the file atomically and durably.
    fn save(&self) -> Result<()> {
        if self.is_draft {
            return Ok(());
        }
        let text = self.to_text()?;
        write_atomically(&self.path, text.as_bytes()).context("writing", &self.path)
    }
}

/// After a power cut the file is the old one or the new one, never partial.
fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hcimage-lock");
    // The file has no secrets and belongs under version control: normal permissions, reduced by the umask.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    super::cache::sync_dir(dir)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    channel: Vec<ChannelRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    release: Vec<ReleaseRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resolved: Vec<ResolvedRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    input: Vec<InputRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelRow {
    name: String,
    url: SourceUrl,
    version: K3sVersion,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputRow {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<String>,
    url: String,
    size: u64,
    sha256: Sha256Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolvedRow {
    name: String,
    asked: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseRow {
    name: String,
    date: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_class::{Classified, ExitClass};

    fn input(text: &str) -> LockedInput {
        let url: SourceUrl = "https://example.org/x.img.xz".parse().unwrap();
        LockedInput { asked: url.clone(), url, size: 3, sha256: Sha256Digest::of(text.as_bytes()) }
    }

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hcimage.lock");
        (dir, path)
    }

    #[test]
    fn the_text_is_sorted_and_reads_back() {
        let (_dir, path) = scratch();
        let mut lock = Lock::load(&path).unwrap();
        let asked = "https://example.org/latest".parse().unwrap();
        lock.record("k3s.v1.36.2+k3s1.k3s-arm64", input("b")).unwrap();
        lock.record("base.cm4", LockedInput { asked, ..input("a") }).unwrap();
        let stable: SourceUrl = "https://example.org/channels/stable".parse().unwrap();
        lock.record_channel("k3s.stable", stable.clone(), "v1.36.2+k3s1".parse().unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let body = text.strip_prefix(HEADER).unwrap();
        assert_eq!(
            body,
            "schema = 1\n\n\
             [[channel]]\nname = \"k3s.stable\"\nurl = \"https://example.org/channels/stable\"\nversion = \"v1.36.2+k3s1\"\n\n\
             [[input]]\nname = \"base.cm4\"\nasked = \"https://example.org/latest\"\nurl = \"https://example.org/x.img.xz\"\nsize = 3\n\
             sha256 = \"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"\n\n\
             [[input]]\nname = \"k3s.v1.36.2+k3s1.k3s-arm64\"\nurl = \"https://example.org/x.img.xz\"\nsize = 3\n\
             sha256 = \"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d\"\n"
        );
        let again = Lock::load(&path).unwrap();
        assert_eq!(again.inputs, lock.inputs);
        assert_eq!(again.channel("k3s.stable", &stable).unwrap(), Some("v1.36.2+k3s1".parse().unwrap()));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn an_input_that_differs_from_its_entry_is_rejected() {
        let (_dir, path) = scratch();
        let mut lock = Lock::load(&path).unwrap();
        lock.record("base.cm4", input("a")).unwrap();
        lock.record("base.cm4", input("a")).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = lock.record("base.cm4", input("b")).unwrap_err();
        assert_eq!(error.class(), Some(ExitClass::BadInput));
        let text = error.to_string();
        for part in ["base.cm4", "hcimage.lock", "ca978112", "3e23e816", "remove the entry"] {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert!(lock.record("base.cm4", LockedInput { size: 4, ..input("a") }).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_channel_of_another_server_is_rejected() {
        let (_dir, path) = scratch();
        let mut lock = Lock::load(&path).unwrap();
        let (one, two): (SourceUrl, SourceUrl) =
            ("https://one.example/stable".parse().unwrap(), "https://two.example/stable".parse().unwrap());
        lock.record_channel("k3s.stable", one, "v1.36.2+k3s1".parse().unwrap()).unwrap();
        assert!(lock.channel("k3s.stable", &two).is_err());
    }

    #[test]
    fn an_invalid_lock_file_is_rejected_with_its_reason() {
        let row = "[[input]]\nname = \"a\"\nurl = \"https://e.org/a\"\nsize = 1\nsha256 = \"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"\n";
        let good = format!("schema = 1\n{row}");
        Lock::parse(Path::new("x.lock"), &good).unwrap();
        for (bad, reason) in [
            (format!("schema = 2\n{row}"), "schema 2"),
            (row.to_owned(), "schema"),
            (format!("{good}{row}"), "duplicate entry"),
            (format!("{good}colour = \"red\"\n"), "colour"),
            (good.replace("ca97", "zz97"), "SHA-256"),
            (good.replace("https", "http"), "plain http"),
            (good.replace("size = 1", "size = -1"), "-1"),
            ("schema".to_owned(), "invalid lock file"),
        ] {
            let error = Lock::parse(Path::new("x.lock"), &bad).unwrap_err().to_string();
            assert!(error.starts_with("x.lock: ") && error.contains(reason), "{reason}: {error}");
        }
    }
}
