//! The secrets file on disk, and other private files.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::clock::{Clock, date, moment};
use super::error::{Damage, SecretsError};
use super::file::{self, SCHEMA, Unreadable};
use super::pki::NOT_BEFORE;
use super::{
    Item, MemberSecrets, OwnTokens, Rotation, Secret, Secrets, WantedSecrets, Warning, check, member,
};
use crate::local_file;
#[cfg(windows)]
use crate::source::digest::Sha256Digest;
use crate::value::Hostname;

/// The secrets for a build, and whether they are new.
#[derive(Debug)]
pub struct Opened {
    /// The secrets, with a password for each requested node.
    pub secrets: Secrets,
    /// Whether they were created now: a new cluster.
    pub created: bool,
    /// The nodes that got their password now.
    pub added: Vec<Hostname>,
    /// Whether overlays got secrets now.
    pub added_overlays: bool,
    /// Certificates that expire soon.
    pub warnings: Vec<Warning>,
}

/// A cluster of a thousand nodes has below 100 KiB.
const MOST_BYTES: u64 = 4 << 20;

/// A cluster as the cluster file has it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Tokens that the user chose.
    pub tokens: &'a OwnTokens,
    /// The secrets that each overlay wants made, by name.
    pub overlays: &'a WantedSecrets,
}

/// A cluster with random tokens.
impl<'a> From<&'a str> for Wanted<'a> {
    fn from(name: &'a str) -> Self {
        const RANDOM: OwnTokens = OwnTokens { server: None, agent: None };
        static NONE: WantedSecrets = BTreeMap::new();
        Self { name, tokens: &RANDOM, overlays: &NONE }
    }
}

/// The path of a cluster's secrets: `home.secrets.toml` beside `home.toml`.
pub fn beside(cluster_file: &Path) -> PathBuf {
    cluster_file.with_extension("secrets.toml")
}

/// Reads the secrets at `path`, or creates them if the file is missing; new nodes get a password. All changes are synced
/// to disk before this returns.
///
/// # Errors
/// If the file is damaged, of another cluster, or readable by others: an existing file is never replaced by a new one.
pub fn open<'a>(
    path: &Path,
    cluster: impl Into<Wanted<'a>>,
    nodes: &[Hostname],
    clock: Clock,
) -> Result<Opened, SecretsError> {
    let path = &real(path);
    let _lock = lock(path)?;
    let opened = complete(path, cluster.into(), nodes, clock)?;
    if opened.created || !opened.added.is_empty() || opened.added_overlays {
        write(path, &file::render(&opened.secrets), !opened.created)?;
    }
    Ok(opened)
}

/// The secrets as after [`open`], without writing: missing ones are created in memory only.
pub fn peek<'a>(
    path: &Path,
    cluster: impl Into<Wanted<'a>>,
    nodes: &[Hostname],
    clock: Clock,
) -> Result<Secrets, SecretsError> {
    Ok(complete(&real(path), cluster.into(), nodes, clock)?.secrets)
}

/// Reads the passwords of nodes that join a cluster made elsewhere, or creates the file; new nodes get a password. Returns
/// the nodes that got theirs now, too.
///
/// # Errors
/// As for [`open`].
pub fn open_member(
    path: &Path,
    cluster: &str,
    nodes: &[Hostname],
) -> Result<(MemberSecrets, Vec<Hostname>), SecretsError> {
    let path = &real(path);
    let _lock = lock(path)?;
    let (secrets, added, created) = complete_member(path, cluster, nodes)?;
    if !added.is_empty() {
        write(path, &member::render(&secrets), !created)?;
    }
    Ok((secrets, added))
}

/// The passwords as after [`open_member`], without writing.
pub fn peek_member(path: &Path, cluster: &str, nodes: &[Hostname]) -> Result<MemberSecrets, SecretsError> {
    Ok(complete_member(&real(path), cluster, nodes)?.0)
}

fn complete_member(
    path: &Path,
    cluster: &str,
    nodes: &[Hostname],
) -> Result<(MemberSecrets, Vec<Hostname>, bool), SecretsError> {
    let (mut secrets, created) = match read(path, member::parse)? {
        Some(secrets) => (secrets, false),
        None => (MemberSecrets::make(cluster), true),
    };
    of_cluster(secrets.cluster(), cluster, path)?;
    let added = secrets.add_nodes(nodes)?;
    Ok((secrets, added, created))
}

/// The checked contents of the file, with missing parts added; nothing is written.
fn complete(
    path: &Path,
    wanted: Wanted<'_>,
    nodes: &[Hostname],
    clock: Clock,
) -> Result<Opened, SecretsError> {
    let (mut secrets, created) = match read(path, file::parse)? {
        Some(secrets) => (secrets, false),
        None => (make(wanted.name, clock)?, true),
    };
    of_cluster(secrets.cluster(), wanted.name, path)?;
    if created {
        secrets.take_tokens(wanted.tokens);
    } else {
        tokens(&secrets, wanted.tokens, path)?;
    }
    let warnings = check::validity(&secrets, clock)?;
    let added = secrets.add_nodes(nodes)?;
    let added_overlays = secrets.add_overlays(wanted.overlays)?;
    Ok(Opened { secrets, created, added, added_overlays, warnings })
}

/// Renews one item of the secrets at `path` with [`Secrets::rotate`], and saves it.
///
/// # Errors
/// As for [`open`], and if the file is missing.
pub fn rotate<'a>(
    path: &Path,
    cluster: impl Into<Wanted<'a>>,
    item: &Item,
    clock: Clock,
) -> Result<Rotation, SecretsError> {
    let (path, wanted) = (&real(path), cluster.into());
    let _lock = lock(path)?;
    let secrets = read(path, file::parse)?.ok_or_else(|| SecretsError::Io {
        what: format!("reading {}: the cluster has not been built yet, so it has no secrets", path.display()),
        source: io::ErrorKind::NotFound.into(),
    })?;
    of_cluster(secrets.cluster(), wanted.name, path)?;
    check::validity(&secrets, clock)?;
    let rotation = secrets.rotate_to(item, wanted.tokens, clock.now)?;
    if let Rotation::Renewed { secrets, .. } = &rotation {
        write(path, &file::render(secrets), true)?;
    }
    Ok(rotation)
}

/// Writes a file that only its owner can read, such as the kubeconfig. After a power cut it is the old file or the new
/// one, never partial. A link of that name is replaced, and what it leads to stays.
pub fn write_private(path: &Path, content: &Secret) -> Result<(), SecretsError> {
    write(path, content, true)
}

/// A clock that is behind would create CAs that expire too early, unnoticed for years.
fn make(cluster: &str, clock: Clock) -> Result<Secrets, SecretsError> {
    let earliest = clock.build_time.max(NOT_BEFORE);
    if clock.now < earliest {
        let (now, earliest) = (date(moment(clock.now)?), date(moment(earliest)?));
        return Err(SecretsError::ClockBehind { now, earliest });
    }
    Secrets::make(cluster, &[], clock.now)
}

fn of_cluster(found: &str, wanted: &str, path: &Path) -> Result<(), SecretsError> {
    if found == wanted {
        return Ok(());
    }
    let (found, wanted) = (found.to_owned(), wanted.to_owned());
    Err(SecretsError::OtherCluster { path: path.into(), found, wanted })
}

/// A running cluster does not let in nodes with another token: it is changed by a rotation.
fn tokens(secrets: &Secrets, own: &OwnTokens, path: &Path) -> Result<(), SecretsError> {
    let differs = |own: &Option<Secret>, known: &Secret| own.as_ref().is_some_and(|own| own != known);
    for (differs, key, item) in [
        (differs(&own.server, &secrets.server_password), "token", "server-token"),
        (differs(&own.agent, &secrets.agent_password), "agent-token", "agent-token"),
    ] {
        if differs {
            return Err(SecretsError::OtherToken { path: path.into(), key, item });
        }
    }
    Ok(())
}

fn read<T>(path: &Path, parse: fn(&str) -> Result<T, Unreadable>) -> Result<Option<T>, SecretsError> {
    let failed = |source| SecretsError::Io { what: format!("reading {}", path.display()), source };
    let file = match local_file::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    owner_only(&file, path)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > MOST_BYTES {
        let problem = format!("the file has {length} bytes, expected at most {MOST_BYTES}");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, problem)));
    }
    // Allocated once: a growing buffer would leave copies in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1));
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    let damaged = |damage| SecretsError::Damaged { path: path.into(), damage };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged(Damage::new("the file is not UTF-8 text")))?;
    match parse(text) {
        Ok(secrets) => Ok(Some(secrets)),
        Err(Unreadable::OtherKind) => Err(SecretsError::OtherKind { path: path.into() }),
        Err(Unreadable::Damaged(damage)) => Err(damaged(damage)),
        Err(Unreadable::Newer(found)) => Err(SecretsError::Newer { path: path.into(), found, known: SCHEMA }),
    }
}

/// The file is complete, synced and 0600 before it gets its name. Without `replace`, an existing file is kept.
fn write(path: &Path, content: &Secret, replace: bool) -> Result<(), SecretsError> {
    let failed = |source| SecretsError::Io { what: format!("writing {}", path.display()), source };
    // tempfile creates files that only their owner can read.
    let mut file =
        tempfile::Builder::new().prefix(".hcimage-secrets").tempfile_in(dir(path)).map_err(failed)?;
    owner_only(file.as_file(), path)?;
    file.write_all(content.expose().as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    let persisted = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    persisted.map_err(|e| failed(e.error))?;
    crate::source::cache::sync_dir(dir(path)).map_err(failed)
}

/// The target of a symbolic link, so that the target is replaced and not the link. Any other path stays as the user wrote it: a
/// whole path of Windows has a form of its own, which nobody wants to read.
fn real(path: &Path) -> PathBuf {
    let target = if path.is_symlink() { path.canonicalize().ok() } else { None };
    target.unwrap_or_else(|| path.into())
}

fn dir(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Concurrent builds must not both create a cluster, nor lose each other's nodes: the second one waits here. The
/// directory is locked, because the file itself is replaced.
#[cfg(unix)]
fn lock(path: &Path) -> Result<File, SecretsError> {
    let dir = dir(path);
    let failed = |source| SecretsError::Io { what: format!("locking {}", dir.display()), source };
    let file = File::open(dir).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// Windows locks no directories: a file in the user's own directory for temporary files, which is named by the directory, is
/// locked in its place.
#[cfg(windows)]
fn lock(path: &Path) -> Result<File, SecretsError> {
    let dir = dir(path);
    let failed = |source| SecretsError::Io { what: format!("locking {}", dir.display()), source };
    let whole = dir.canonicalize().map_err(failed)?;
    let name = Sha256Digest::of(whole.as_os_str().as_encoded_bytes());
    let at = std::env::temp_dir().join(format!("hcimage-{name}.lock"));
    let file = File::options().create(true).truncate(false).write(true).open(at).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

#[cfg(unix)]
fn owner_only(file: &File, path: &Path) -> Result<(), SecretsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata();
    let metadata = metadata
        .map_err(|source| SecretsError::Io { what: format!("reading {}", path.display()), source })?;
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & 0o077 == 0 => Ok(()),
        mode => Err(SecretsError::TooOpen { path: path.into(), mode }),
    }
}

/// Windows has access control lists instead of modes; the file inherits those of its directory.
#[cfg(windows)]
fn owner_only(_file: &File, _path: &Path) -> Result<(), SecretsError> {
    Ok(())
}

#[cfg(test)]
mod tests;
