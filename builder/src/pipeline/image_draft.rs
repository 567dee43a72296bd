//! An image that is being made: a temporary copy, which is removed unless it is finished.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tempfile::TempPath;

use super::Base;
use super::error::{BuildError, GrowError};
use crate::apply::{ChangeRecord, apply, pending_edits};
use crate::bmap::block_map;
use crate::disk::{ByteSize, DiskError, Window, grow_last, order_for_firmware, set_disk_id, settle_end};
use crate::fs::Space;
use crate::fs::ext4::{self, Need, Planned};
use crate::local_file;
use crate::os::{Access, OsError, OsImage, PartitionRole};
use crate::output::Output;
use crate::plan::{Action, DiskId, Edit, Plan};
use crate::source::SourceContext;
use crate::source::copy::copy_open_image;
use crate::source::file_name;

/// Free space that is left after the bundle, for the system's first boot (host keys, journal, package lists).
const HEADROOM: u64 = 64 << 20;

/// Partitions of images end on whole MiB, as partitioning tools align them.
const ALIGNMENT: u64 = 1 << 20;

/// An image that is being made.
pub(super) struct ImageDraft<'a> {
    cx: &'a SourceContext<'a>,
    /// What it is made from, for messages.
    base: &'a Base,
    image: OsImage,
    path: TempPath,
    writing_back: WriteBack,
    /// Size of the base in bytes.
    before: u64,
    changes: Vec<ChangeRecord>,
    /// What was changed of the partition table so that the image ends as tools want it.
    pub(super) table_change: Option<String>,
}

impl<'a> ImageDraft<'a> {
    /// A copy of a base, in the directory of `output`.
    pub(super) fn of_base(
        cx: &'a SourceContext<'a>,
        base: &'a Base,
        output: &Output,
    ) -> Result<Self, BuildError> {
        let what = format!("copying {}", file_name(Path::new(&base.name)));
        let from = local_file::open(&base.path)
            .map_err(|source| base.failed(DiskError::Io { what: "opening it", source }.into()))?;
        let (file, path, writing_back) = copy(cx, (&from, &base.path), &what, output)?;
        let table_change = settle_end(&file).map_err(|source| base.failed(source.into()))?;
        let image = OsImage::from_file(file).map_err(|source| base.failed(source))?;
        let before = image.size().map_err(|source| base.failed(source))?.0;
        Ok(Self { cx, base, image, path, writing_back, before, changes: Vec::new(), table_change })
    }

    /// Puts a hybrid MBR into the order of a Raspberry Pi's firmware; tells whether there was something to do.
    pub(super) fn order_for_firmware(&self) -> Result<bool, BuildError> {
        order_for_firmware(self.image.file()).map_err(|source| self.base.failed(source.into()))
    }

    /// A copy of this one, which is finished up to here, in the directory of `output`.
    pub(super) fn copy(&self, output: &Output) -> Result<Self, BuildError> {
        let what = format!("copying for {}", file_name(&output.path));
        let (file, path, writing_back) = copy(self.cx, (self.image.file(), &self.path), &what, output)?;
        let image = self.image.copied_to(file);
        let Self { cx, base, before, ref changes, ref table_change, .. } = *self;
        let (changes, table_change) = (changes.clone(), table_change.clone());
        Ok(Self { cx, base, image, path, writing_back, before, changes, table_change })
    }

    /// The edits that an earlier build did not do already.
    pub(super) fn pending_edits(
        &self,
        shared: &Plan,
        per_node: &[Plan],
    ) -> Result<(Plan, Vec<Plan>), BuildError> {
        let tree = self.image.tree(Access::Read).map_err(|source| self.base.failed(source))?;
        let per_node = per_node.iter().map(|plan| pending_edits(&tree, plan)).collect::<Result<_, _>>()?;
        Ok((pending_edits(&tree, shared)?, per_node))
    }

    /// Grows the root file system when it has less space than `shared` and the largest of `per_node` need, and some to spare:
    /// all images of a board have the same size.
    pub(super) fn make_room(
        &mut self,
        shared: &Plan,
        per_node: &[Plan],
        space: Space,
    ) -> Result<(), BuildError> {
        let need = self.need(shared, per_node)?;
        let wanted = need.bytes.saturating_add(HEADROOM);
        let missing = wanted.saturating_sub(space.bytes);
        if missing == 0 && need.inodes <= space.inodes {
            return Ok(());
        }
        let (need, free) = (ByteSize(wanted), ByteSize(space.bytes));
        let failed = |source| BuildError::Grow { need, free, source };
        let missing = missing.max(ALIGNMENT);
        // A new group costs its own bitmaps, inode table and backups: about 2 %, doubled to be sure.
        let size = self
            .image
            .size()
            .map_err(|error| failed(GrowError::Reread(error)))?
            .0
            .saturating_add(missing)
            .saturating_add(missing / 25)
            .next_multiple_of(ALIGNMENT);
        grow(&self.image, ByteSize(size)).map_err(failed)?;
        self.image = OsImage::from_file(Arc::clone(self.image.file()))
            .map_err(|error| failed(GrowError::Reread(error)))?;
        Ok(())
    }

    /// What the plans take of the root file system at most.
    fn need(&self, shared: &Plan, per_node: &[Plan]) -> Result<Need, BuildError> {
        let failed = |source| self.base.failed(source);
        let root = self.image.root_fs().map_err(failed)?;
        let need = |plan: &Plan| {
            let edits = plan.edits.iter();
            let on_root = edits.filter(|edit| self.image.on_root(&edit.path));
            root.need(on_root.filter_map(planned_file))
                .map_err(|source| failed(OsError::Fs { role: PartitionRole::Root.as_str(), source }))
        };
        let mut most = Need::default();
        for plan in per_node {
            let Need { bytes, inodes } = need(plan)?;
            most = Need { bytes: most.bytes.max(bytes), inodes: most.inodes.max(inodes) };
        }
        let Need { bytes, inodes } = need(shared)?;
        Ok(Need { bytes: bytes.saturating_add(most.bytes), inodes: inodes.saturating_add(most.inodes) })
    }

    /// Carries a plan out, and checks what was written.
    pub(super) fn apply(&mut self, plan: &Plan, now: i64) -> Result<(), BuildError> {
        if let Some(DiskId { old, new }) = plan.disk_id {
            set_disk_id(self.image.file(), old, new).map_err(|source| self.base.failed(source.into()))?;
        }
        if plan.edits.is_empty() {
            return Ok(());
        }
        let tree = self.image.tree(Access::Write { now }).map_err(|source| self.base.failed(source))?;
        self.changes.extend(apply(&tree, plan, self.cx.progress, self.cx.interrupt)?);
        tree.finish().map_err(BuildError::Check)
    }

    /// Starts to sync everything to the disk, and to map what a card must have of it, in threads: one waits for the disk, the other
    /// for the processor.
    pub(super) fn finish(self) -> Finishing {
        let Self { image, path, writing_back, before, changes, .. } = self;
        let mapped = Arc::clone(image.file());
        let syncing = thread::spawn(move || {
            writing_back.end()?;
            let file = image.file();
            file.sync_all()?;
            Ok((file.metadata()?.len(), Arc::clone(file)))
        });
        let mapping = thread::spawn(move || block_map(&Window::whole(mapped)?));
        Finishing { syncing, mapping, path, before, changes }
    }
}

/// A complete image that is being synced.
pub(super) struct Finishing {
    syncing: JoinHandle<io::Result<(u64, Arc<File>)>>,
    mapping: JoinHandle<io::Result<String>>,
    path: TempPath,
    before: u64,
    pub(super) changes: Vec<ChangeRecord>,
}

impl Finishing {
    /// Everything is on the disk when this returns.
    pub(super) fn wait(self, output: &Output) -> Result<Finished, BuildError> {
        let (size, held) = joined(self.syncing, "syncs").map_err(|source| output.failed(source))?;
        let bmap = joined(self.mapping, "maps").map_err(BuildError::Map)?;
        let grown = ByteSize(size.saturating_sub(self.before));
        Ok(Finished {
            path: self.path,
            _held: held,
            bmap,
            size: ByteSize(size),
            grown,
            changes: self.changes,
        })
    }
}

/// A complete and synced image, without its final name.
pub(super) struct Finished {
    pub(super) path: TempPath,
    /// While it is open, no other build takes the file for left over.
    pub(super) _held: Arc<File>,
    /// The block map.
    pub(super) bmap: String,
    pub(super) size: ByteSize,
    /// By how much it is larger than its base.
    pub(super) grown: ByteSize,
    pub(super) changes: Vec<ChangeRecord>,
}

/// The result of a thread. The kernel reports a write-back error only once, so it must not be lost.
fn joined<T>(thread: JoinHandle<io::Result<T>>, does: &str) -> io::Result<T> {
    let panicked = || io::Error::other(format!("the thread that {does} the image panicked"));
    thread.join().unwrap_or_else(|_| Err(panicked()))
}

fn copy(
    cx: &SourceContext<'_>,
    from: (&File, &Path),
    what: &str,
    output: &Output,
) -> Result<(Arc<File>, TempPath, WriteBack), BuildError> {
    let temporary = output.temporary()?;
    copy_open_image(cx.progress, cx.interrupt, what, from, temporary.as_file(), temporary.path())?;
    let (file, path) = temporary.into_parts();
    let writing_back = WriteBack::start(&file).map_err(|source| output.failed(source))?;
    Ok((Arc::new(file), path, writing_back))
}

/// Grows the root partition to the end of an image of `size` bytes, and its file system with it.
fn grow(image: &OsImage, size: ByteSize) -> Result<(), GrowError> {
    let partition = image.root();
    let grown = grow_last(image.file(), partition.number, size)?;
    let image = OsImage::from_file(Arc::clone(image.file())).map_err(GrowError::Reread)?;
    let window = image.root_window().map_err(GrowError::Reread)?;
    ext4::resize::grow(&window, grown)?;
    Ok(())
}

/// What an edit puts on the file system; none where it takes something away.
fn planned_file(edit: &Edit) -> Option<Planned> {
    let content = match &edit.action {
        Action::Write(content, _) => ext4::Content::File { size: content.size() },
        Action::Link(target, _) => {
            ext4::Content::Symlink { target: u64::try_from(target.len()).unwrap_or(u64::MAX) }
        }
        Action::Dir(_) => ext4::Content::Dir,
        Action::Remove => return None,
    };
    Some(Planned { path: edit.path.clone(), content })
}

/// The copy is synced while it is edited, so that the last sync is short.
struct WriteBack(JoinHandle<io::Result<()>>);

impl WriteBack {
    fn start(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        Ok(Self(thread::spawn(move || file.sync_data())))
    }

    fn end(self) -> io::Result<()> {
        joined(self.0, "syncs")
    }
}
