//! The way from a base image to a node image: copy, grow, edit, check, and only then give it its name.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tempfile::TempPath;

use crate::apply::{ApplyError, Change, apply, outstanding};
use crate::disk::{ByteSize, DiskError, grow_last};
use crate::fs::FsError;
use crate::fs::ext4::{self, Need, Planned};
use crate::interrupt::Interrupted;
use crate::manifest::Manifest;
use crate::os::{Access, Facts, OsError, OsImage, Role, probe};
use crate::output::{Output, OutputError};
use crate::plan::{Action, Edit, Plan, PlanError, Request, plan};
use crate::source::copy::copy_image;
use crate::source::{SourceError, Tools};

/// Room that is left for the system's own first steps (host keys, journal, package lists) after the bundle.
const HEADROOM: u64 = 64 << 20;

/// Partitions of images end on whole MiB, as partitioning tools align them.
const ALIGNMENT: u64 = 1 << 20;

/// Why no image was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The base is not one that can be used.
    #[error("in the base image {path}")]
    Base {
        /// The base.
        path: PathBuf,
        /// Why not.
        #[source]
        source: OsError,
    },
    /// Board, wishes and base do not go together.
    #[error("planning for {path}")]
    Plan {
        /// The base.
        path: PathBuf,
        /// Why not.
        #[source]
        source: PlanError,
    },
    /// The output cannot be made.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The base could not be copied.
    #[error(transparent)]
    Copy(#[from] SourceError),
    /// The bundle does not fit and the image cannot be grown.
    #[error("the bundle needs {need} on the root file system, {free} are free, and it cannot be grown")]
    Grow {
        /// What is needed.
        need: ByteSize,
        /// What is there.
        free: ByteSize,
        /// Why not.
        #[source]
        source: GrowError,
    },
    /// An edit failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// What was written does not pass the checks.
    #[error("checking what was written")]
    Check(#[source] FsError),
    /// The user pressed Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// Why an image could not be grown.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The partition cannot be made larger.
    #[error("growing the partition")]
    Partition(#[from] DiskError),
    /// The file system cannot be made larger.
    #[error("growing the file system")]
    FileSystem(#[from] FsError),
    /// The image cannot be read again after it was grown.
    #[error("reading the grown image")]
    Reread(#[source] OsError),
}

/// What was made.
#[derive(Debug)]
pub struct Built {
    /// The image.
    pub image: PathBuf,
    /// The list of changes, beside it.
    pub manifest: PathBuf,
    /// Size of the image in bytes, holes included.
    pub size: ByteSize,
    /// By how much the image was grown.
    pub grown: ByteSize,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// A base whose facts and plan are known.
#[derive(Debug)]
pub struct Prepared<'a> {
    base: &'a Path,
    facts: Facts,
    plan: Plan,
    time: i64,
}

impl<'a> Prepared<'a> {
    /// Says what the base is.
    pub fn probe(base: &Path) -> Result<Facts, BuildError> {
        let failed = |source| BuildError::Base { path: base.to_owned(), source };
        let image = OsImage::open(base).map_err(failed)?;
        probe(&image).map_err(failed)
    }

    /// Plans; writes nothing.
    pub fn new(base: &'a Path, facts: Facts, request: &Request) -> Result<Self, BuildError> {
        let plan =
            plan(&facts, request).map_err(|source| BuildError::Plan { path: base.to_owned(), source })?;
        Ok(Self { base, facts, plan, time: request.time })
    }

    /// What the base is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Makes the image. Whatever fails, nothing is left behind, and the base is never written.
    pub fn build(&self, tools: &Tools, output: &Output) -> Result<Built, BuildError> {
        output.check(Some(self.base))?;
        let Tools { progress, interrupt, .. } = *tools;
        let temporary = output.temporary()?;
        copy_image(progress, interrupt, self.base, temporary.as_file(), temporary.path())?;
        let (file, path) = temporary.into_parts();
        let writing_back = WriteBack::start(&file).map_err(|source| output.failed(source))?;
        let file = Arc::new(file);
        let failed = |source| BuildError::Base { path: self.base.to_owned(), source };

        let access = Access::Write { now: self.time };
        let before = file.metadata().map_err(|source| output.failed(source))?.len();
        let mut image = OsImage::from_file(Arc::clone(&file)).map_err(failed)?;
        let plan = outstanding(&image.tree(Access::Read).map_err(failed)?, &self.plan)?;
        if let Some(missing) = self.missing(&image, &plan)? {
            image = self.grow(image, missing)?;
        }
        let tree = image.tree(access).map_err(failed)?;
        let changes = apply(&tree, &plan, progress, interrupt)?;
        tree.finish().map_err(BuildError::Check)?;

        let task = progress.start("syncing to the disk", None);
        writing_back.end().and_then(|()| file.sync_all()).map_err(|source| output.failed(source))?;
        task.done();
        interrupt.check()?;
        let size = file.metadata().map_err(|source| output.failed(source))?.len();
        let manifest = self.manifest(output, &changes)?;
        output.publish(path, manifest)?;
        Ok(Built {
            image: output.path.clone(),
            manifest: output.manifest(),
            size: ByteSize(size),
            grown: ByteSize(size.saturating_sub(before)),
            changes,
        })
    }

    /// What the plan needs of the root file system.
    fn need(&self, image: &OsImage, plan: &Plan) -> Result<Need, BuildError> {
        let failed = |source| BuildError::Base { path: self.base.to_owned(), source };
        let root = image.root_fs().map_err(failed)?;
        let planned = plan.edits.iter().filter(|edit| edit.path.below(&self.facts.boot_folder).is_none());
        root.need(planned.filter_map(planned_file))
            .map_err(|source| failed(OsError::Fs { role: Role::Root.as_str(), source }))
    }

    /// How many bytes the root file system is too small, if it is.
    fn missing(&self, image: &OsImage, plan: &Plan) -> Result<Option<(ByteSize, u64)>, BuildError> {
        let need = self.need(image, plan)?;
        let wanted = need.bytes.saturating_add(HEADROOM);
        let missing = wanted.saturating_sub(self.facts.space.bytes);
        if missing == 0 && need.inodes <= self.facts.space.inodes {
            return Ok(None);
        }
        Ok(Some((ByteSize(wanted), missing.max(ALIGNMENT))))
    }

    fn grow(&self, image: OsImage, (need, missing): (ByteSize, u64)) -> Result<OsImage, BuildError> {
        let free = ByteSize(self.facts.space.bytes);
        let failed = |source| BuildError::Grow { need, free, source };
        // A new group costs its own bitmaps, inode table and backups: about 2 %, doubled to be sure.
        let size = image
            .size()
            .map_err(|error| failed(GrowError::Reread(error)))?
            .0
            .saturating_add(missing)
            .saturating_add(missing / 25)
            .next_multiple_of(ALIGNMENT);
        grow(&image, ByteSize(size)).map_err(failed)?;
        OsImage::from_file(Arc::clone(image.file())).map_err(|error| failed(GrowError::Reread(error)))
    }

    /// The manifest, written and synced, without its final name.
    fn manifest(&self, output: &Output, changes: &[Change]) -> Result<TempPath, OutputError> {
        let temporary = output.temporary()?;
        let manifest = Manifest { base: &self.facts.system, time: self.time, changes };
        manifest.write(temporary.as_file()).map_err(|source| output.failed(source))?;
        temporary.as_file().sync_all().map_err(|source| output.failed(source))?;
        Ok(temporary.into_temp_path())
    }
}

/// Grows the root partition to the end of an image of `size` bytes, and its file system with it.
fn grow(image: &OsImage, size: ByteSize) -> Result<(), GrowError> {
    let partition = image.partition(Role::Root);
    let grown = grow_last(image.file(), partition.number, size)?;
    let image = OsImage::from_file(Arc::clone(image.file())).map_err(GrowError::Reread)?;
    let window = image.root_window().map_err(GrowError::Reread)?;
    ext4::grow::grow(&window, grown)?;
    Ok(())
}

/// What an edit puts on the file system; none where it takes something away.
fn planned_file(edit: &Edit) -> Option<Planned> {
    let content = match &edit.action {
        Action::Write(content, _) => ext4::Content::File { size: content.size() },
        Action::Link(target, _) => {
            ext4::Content::Symlink { target: u64::try_from(target.len()).unwrap_or(u64::MAX) }
        }
        Action::Folder(_) => ext4::Content::Folder,
        Action::Remove => return None,
    };
    Some(Planned { path: edit.path.clone(), content })
}

/// The copied base goes to the disk while it is edited, so that little is left to wait for at the end.
struct WriteBack(JoinHandle<io::Result<()>>);

impl WriteBack {
    fn start(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        Ok(Self(thread::spawn(move || file.sync_data())))
    }

    /// An error in writing back is told only once for a file, so it must not be lost here.
    fn end(self) -> io::Result<()> {
        self.0.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes back died")))
    }
}
