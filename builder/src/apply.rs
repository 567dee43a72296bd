//! Carries a plan out on an open image, and keeps what each path held before and after.

use std::io::{self, Read};
use std::path::PathBuf;

use serde::Serialize;

use crate::exit_class::{Classified, ExitClass};
use crate::fs::{Attributes, FsError, ImagePath, Kind, Stat};
use crate::interrupt::{Interrupt, Interrupted};
use crate::local_file;
use crate::os::Tree;
use crate::placement::{self, Misplaced};
use crate::plan::{Action, Content, Edit, Plan, Reason};
use crate::progress::{Progress, Task};
use crate::source::artifact::Artifact;
use crate::source::digest::{Hasher, HashingReader, Sha256Digest};

/// What an edit did to a path, for `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeRecord {
    /// The path as the running system will see it.
    pub path: String,
    /// What it is now.
    pub now: NewState,
    /// SHA-256 of the content before, where a regular file was there that is not secret.
    pub old_sha256: Option<Sha256Digest>,
    /// Why it changed.
    pub reason: Reason,
}

/// What a changed path is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NewState {
    /// A regular file.
    File {
        /// SHA-256 of its content; none where that is secret, since a short secret could be guessed from it.
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<Sha256Digest>,
        /// Size in bytes.
        size: u64,
        /// Owner and mode; none on FAT, which has neither.
        #[serde(flatten)]
        owner: Option<Owner>,
    },
    /// A symbolic link.
    Link {
        /// Where it leads.
        target: String,
    },
    /// A directory that was not there before.
    #[serde(rename = "folder")]
    Dir {
        /// Owner and mode; none on FAT.
        #[serde(flatten)]
        owner: Option<Owner>,
    },
    /// Nothing.
    Removed,
}

/// Owner and mode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Owner {
    /// Permission bits, in octal digits.
    #[serde(serialize_with = "octal")]
    pub mode: u16,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn octal<S: serde::Serializer>(mode: &u16, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{mode:04o}"))
}

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file system refused.
    #[error("writing {path} into the image")]
    Fs {
        /// The path inside the image.
        path: ImagePath,
        /// Why.
        #[source]
        source: FsError,
    },
    /// A file of this machine cannot be read.
    #[error("reading {path}")]
    HostFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file of this machine is not what was promised.
    #[error(
        "{path} is damaged or not the file that was meant: its SHA-256 is {found}, \
         {promised_by} says {expected}; fetch both again, or remove it from the cache"
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// What was read.
        found: Sha256Digest,
        /// What should have been read.
        expected: Sha256Digest,
        /// Who says so.
        promised_by: String,
    },
    /// A file would lie where its mode does not hold, or where others can replace it.
    #[error("{path} cannot be written into this image: {problem}; {hint}")]
    Place {
        /// The path inside the image.
        path: ImagePath,
        /// What is wrong with its place.
        problem: String,
        /// The fix.
        hint: &'static str,
    },
    /// The user pressed Ctrl-C.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl Classified for ApplyError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Digest { .. } | Self::Place { .. } => Some(ExitClass::BadInput),
            Self::Fs { .. } | Self::HostFile { .. } | Self::Interrupted(_) => None,
        }
    }
}

/// Carries out all edits in order. On an error the image is half-edited and must be thrown away.
pub fn apply(
    tree: &Tree,
    plan: &Plan,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Vec<ChangeRecord>, ApplyError> {
    let total = plan.edits.iter().map(|edit| edit.size()).sum();
    let task = progress.start("writing into the image", Some(total));
    let mut applier = Applier { tree, task: task.as_ref(), interrupt, changes: Vec::new() };
    for edit in &plan.edits {
        interrupt.check()?;
        applier.edit(edit)?;
    }
    let changes = applier.changes;
    task.done();
    Ok(changes)
}

impl Edit {
    fn size(&self) -> u64 {
        match &self.action {
            Action::Write(content, _) => content.size(),
            _ => 0,
        }
    }
}

/// The edits of a plan that an earlier build did not do already, so that building on a built image changes nothing. All of
/// them are checked for their places.
pub fn pending_edits(tree: &Tree, plan: &Plan) -> Result<Plan, ApplyError> {
    let mut edits = Vec::new();
    for edit in &plan.edits {
        let fs = |source| ApplyError::Fs { path: edit.path.clone(), source };
        if let Some(Misplaced { problem, hint }) = placement::check(tree, edit).map_err(fs)? {
            return Err(ApplyError::Place { path: edit.path.clone(), problem, hint });
        }
        let done = is_done(tree, edit).map_err(fs)?;
        if !done {
            edits.push(edit.clone());
        }
    }
    Ok(Plan { edits, disk_id: plan.disk_id })
}

/// Whether the image is as the edit would leave it, but for the time of the change.
fn is_done(tree: &Tree, edit: &Edit) -> Result<bool, FsError> {
    let Some(old) = tree.stat(&edit.path)? else { return Ok(edit.action == Action::Remove) };
    match &edit.action {
        Action::Write(content, wanted) => Ok(old.kind == Kind::File
            && old.size == content.size()
            && (tree.on_boot(&edit.path)? || old.attributes.same_but_time(wanted))
            && digest(tree, &edit.path, Some(&old))? == Some(content.sha256())),
        Action::Link(target, _) => Ok(old.kind == Kind::Symlink && tree.read_link(&edit.path)? == *target),
        Action::Dir(_) => Ok(old.kind == Kind::Dir),
        Action::Remove => Ok(false),
    }
}

/// The digest of what is there, where it is a regular file.
fn digest(tree: &Tree, path: &ImagePath, stat: Option<&Stat>) -> Result<Option<Sha256Digest>, FsError> {
    if stat.is_none_or(|stat| stat.kind != Kind::File) {
        return Ok(None);
    }
    let mut hasher = Hasher::default();
    tree.copy_to(path, &mut hasher)?;
    Ok(Some(hasher.digest()))
}

struct Applier<'a> {
    tree: &'a Tree,
    task: &'a dyn Task,
    interrupt: &'a Interrupt,
    changes: Vec<ChangeRecord>,
}

impl Applier<'_> {
    fn edit(&mut self, edit: &Edit) -> Result<(), ApplyError> {
        let fs = |source| ApplyError::Fs { path: edit.path.clone(), source };
        let old = self.tree.stat(&edit.path).map_err(fs)?;
        let hidden = matches!(&edit.action, Action::Write(Content::Secret(_) | Content::Masked(..), _));
        let old = old.filter(|_| !hidden);
        let old_sha256 = digest(self.tree, &edit.path, old.as_ref()).map_err(fs)?;
        let now = match &edit.action {
            Action::Write(content, attributes) => {
                self.dirs_above(edit, *attributes).map_err(fs)?;
                self.write(edit, content, *attributes)?
            }
            Action::Link(target, attributes) => {
                self.dirs_above(edit, *attributes).map_err(fs)?;
                self.tree.symlink(&edit.path, target, *attributes).map_err(fs)?;
                NewState::Link { target: target.clone() }
            }
            Action::Dir(attributes) => {
                self.dirs_above(edit, *attributes).map_err(fs)?;
                return self.dir(&edit.path, *attributes, &edit.reason).map_err(fs);
            }
            Action::Remove => {
                self.tree.remove(&edit.path).map_err(fs)?;
                NewState::Removed
            }
        };
        self.changes.push(ChangeRecord {
            path: edit.path.to_string(),
            now,
            old_sha256,
            reason: edit.reason.clone(),
        });
        Ok(())
    }

    /// Makes what is missing above the path, one directory a change, so that the manifest lists each.
    fn dirs_above(&mut self, edit: &Edit, attributes: Attributes) -> Result<(), FsError> {
        let mut missing = Vec::new();
        let mut above = edit.path.parent();
        while let Some(dir) = above {
            if self.tree.exists(&dir)? {
                break;
            }
            above = dir.parent();
            missing.push(dir);
        }
        for dir in missing.into_iter().rev() {
            self.dir(&dir, Attributes { mode: 0o755, ..attributes }, &edit.reason)?;
        }
        Ok(())
    }

    fn dir(&mut self, path: &ImagePath, attributes: Attributes, reason: &Reason) -> Result<(), FsError> {
        match self.tree.kind(path)? {
            Some(Kind::Dir) => return Ok(()),
            Some(_) => {
                let problem = "a directory is to be there, and it is something else".to_owned();
                return Err(FsError::BadPath { path: path.to_string(), problem });
            }
            None => {}
        }
        self.tree.create_dirs(path, attributes)?;
        let now = NewState::Dir { owner: self.owner(path, attributes)? };
        self.changes.push(ChangeRecord {
            path: path.to_string(),
            now,
            old_sha256: None,
            reason: reason.clone(),
        });
        Ok(())
    }

    fn write(&self, edit: &Edit, content: &Content, attributes: Attributes) -> Result<NewState, ApplyError> {
        let owner = self
            .owner(&edit.path, attributes)
            .map_err(|source| ApplyError::Fs { path: edit.path.clone(), source })?;
        let (sha256, size) = match content {
            Content::Bytes(bytes) => {
                (Some(Sha256Digest::of(bytes)), self.stream(&edit.path, bytes.as_ref(), attributes)?.0)
            }
            Content::Secret(text) | Content::Masked(text, _) => {
                (None, self.stream(&edit.path, text.expose().as_bytes(), attributes)?.0)
            }
            Content::HostFile(file) | Content::UserFile(file) => {
                let Artifact { path, size: expected_size, sha256: expected, promised_by, .. } = file;
                let failed = |source| ApplyError::HostFile { path: path.clone(), source };
                let file = local_file::open(path).map_err(failed)?;
                // What is longer has another digest; it is not read without end.
                let file = file.take(expected_size.saturating_add(1));
                let (size, mut reader) = self.stream(&edit.path, HashingReader::new(file), attributes)?;
                let rest = io::copy(&mut reader, &mut io::sink()).map_err(failed)?;
                let found = reader.digest().map_err(failed)?;
                if found != *expected || rest != 0 {
                    return Err(ApplyError::Digest {
                        path: path.clone(),
                        found,
                        expected: *expected,
                        promised_by: promised_by.clone(),
                    });
                }
                (Some(found), size)
            }
        };
        Ok(NewState::File { sha256, size, owner })
    }

    fn stream<R: Read>(
        &self,
        path: &ImagePath,
        content: R,
        attributes: Attributes,
    ) -> Result<(u64, R), ApplyError> {
        let mut watched = Watched { inner: content, task: self.task, interrupt: self.interrupt };
        let size = self.tree.write(path, &mut watched, attributes);
        self.interrupt.check()?;
        let size = size.map_err(|source| ApplyError::Fs { path: path.clone(), source })?;
        Ok((size, watched.inner))
    }

    fn owner(&self, path: &ImagePath, attributes: Attributes) -> Result<Option<Owner>, FsError> {
        let Attributes { mode, uid, gid, .. } = attributes;
        Ok((!self.tree.on_boot(path)?).then_some(Owner { mode, uid, gid }))
    }
}

/// Moves the progress on with what is read, and stops where the user wants it.
struct Watched<'a, R> {
    inner: R,
    task: &'a dyn Task,
    interrupt: &'a Interrupt,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt.check().map_err(io::Error::other)?;
        let count = self.inner.read(buffer)?;
        self.task.advance(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}
