//! `hcimage cache`.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;
use hc_common::text::printable::printable;
use indicatif::HumanBytes;

use super::build_args::LOCK_FILE;
use super::output::{self, Usage};
use crate::images;
use crate::session::Session;
use crate::source::SourceError;
use crate::source::digest::Sha256Digest;
use crate::source::inventory::{CacheEntry, Kind};
use crate::source::lock::Lock;

/// See, check and clean what was fetched
///
/// The cache is shared by all clusters of a user. What a lock file has can be fetched again as long as its publisher has it; a
/// release that is gone there is in the cache only.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "Examples:
  hcimage cache list
  hcimage cache verify
  hcimage cache gc --lock ~/home/hcimage.lock --lock ~/office/hcimage.lock";

#[derive(Debug, Subcommand)]
enum Action {
    /// Each entry with its size and what needs it
    List(Locks),
    /// Compare all bytes with their digests; what is damaged is removed
    Verify,
    /// Remove what no lock file needs
    Gc {
        #[command(flatten)]
        locks: Locks,
        /// Say what would go, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// The lock files whose inputs are needed.
#[derive(Debug, clap::Args)]
struct Locks {
    /// A lock file whose inputs are needed; may be given several times
    /// [default: hcimage.lock, if it is there]
    #[arg(long = "lock", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let session = super::session()?;
        match self.action {
            Action::List(locks) => list(&session, &locks),
            Action::Verify => verify(&session),
            Action::Gc { locks, dry_run } => gc(&session, &locks, dry_run),
        }
    }
}

impl Locks {
    fn read(&self) -> Result<Vec<Lock>, SourceError> {
        let default = PathBuf::from(LOCK_FILE);
        let files = match self.files.as_slice() {
            [] if default.exists() => vec![default],
            files => files.to_vec(),
        };
        files.iter().map(|file| Lock::load_existing(file)).collect()
    }
}

fn list(session: &Session, locks: &Locks) -> anyhow::Result<()> {
    let cache = session.cx().cache;
    let needs = images::needs(cache, &locks.read()?);
    let entries = cache.entries()?;
    let mut out = output::stdout();
    for entry in &entries {
        let by = entry.digest().and_then(|digest| needs.get(&digest));
        let by = by.map_or("-".to_owned(), |names| names.iter().cloned().collect::<Vec<_>>().join(", "));
        writeln!(
            out,
            "{:>12}  {}  {}",
            HumanBytes(entry.size).to_string(),
            printable(&shown(entry)),
            printable(&by)
        )?;
    }
    let total = entries.iter().fold(0_u64, |total, entry| total.saturating_add(entry.size));
    writeln!(
        out,
        "{:>12}  in {}",
        HumanBytes(total).to_string(),
        printable(&cache.root().display().to_string())
    )?;
    Ok(out.flush()?)
}

fn shown(entry: &CacheEntry) -> String {
    match entry.kind {
        Kind::File(digest) => format!("{} (sha256:{})", entry.name, short(&digest)),
        Kind::Unpacked(digest) => format!("unpacked from sha256:{}", short(&digest)),
        Kind::Incomplete => format!("{} (incomplete)", entry.name.trim_end_matches(".partial")),
    }
}

fn short(digest: &Sha256Digest) -> String {
    digest.to_string().chars().take(12).collect()
}

fn verify(session: &Session) -> anyhow::Result<()> {
    let cx = session.cx();
    let _alone = cx.cache.lock_alone(cx.progress, cx.interrupt)?;
    let mut out = output::stdout();
    let (mut sound, mut damaged) = (0_usize, Vec::new());
    for entry in cx.cache.entries()? {
        if entry.is_sound(&cx)? {
            sound += 1;
        } else {
            entry.remove()?;
            damaged.push(shown(&entry));
        }
    }
    writeln!(out, "{sound} entries are as they were fetched")?;
    for name in &damaged {
        writeln!(out, "damaged, removed: {}", printable(name))?;
    }
    out.flush()?;
    match damaged.len() {
        0 => Ok(()),
        count => Err(SourceError::DamagedCache { count }.into()),
    }
}

fn gc(session: &Session, locks: &Locks, dry_run: bool) -> anyhow::Result<()> {
    let cx = session.cx();
    let locks = locks.read()?;
    if locks.is_empty() {
        let problem = "there is no hcimage.lock here: name the lock files of your clusters with --lock";
        return Err(Usage(problem.into()).into());
    }
    let _alone = cx.cache.lock_alone(cx.progress, cx.interrupt)?;
    let needs = images::needs(cx.cache, &locks);
    let is_needed = |entry: &&CacheEntry| entry.digest().is_some_and(|digest| needs.contains_key(&digest));
    let entries = cx.cache.entries()?;
    let mut out = output::stdout();
    let mut freed = 0_u64;
    for entry in entries.iter().filter(|entry| !is_needed(entry)) {
        if !dry_run {
            entry.remove()?;
        }
        freed = freed.saturating_add(entry.size);
        let verb = if dry_run { "would remove" } else { "removed" };
        writeln!(out, "{verb} {} ({})", printable(&shown(entry)), HumanBytes(entry.size))?;
    }
    writeln!(out, "{} {}", HumanBytes(freed), if dry_run { "would be free" } else { "are free" })?;
    Ok(out.flush()?)
}
