//! A card that forgets what was not synced.
//!
//! Content and names are durable separately, as POSIX has it: a file's content after `sync_file`, the names in a
//! directory after `sync_dir`. A real file system often keeps more; the two kinds of power cut are the extremes.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hc_firstboot::sys::{Kind, Stat};

/// What a power cut does to names that were not synced. Content that was not synced is lost in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// They are as they were before.
    NamesLost,
    /// They are on the card already: the file system wrote them early, but not the content they name.
    NamesKept,
}

#[derive(Debug, Clone)]
struct Inode {
    stat: Stat,
    target: PathBuf,
    live: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    inodes: Vec<Inode>,
    live: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk {
    fn inode(&self, path: &Path) -> io::Result<&Inode> {
        self.live.get(path).map(|&at| &self.inodes[at]).ok_or_else(missing)
    }

    fn add(&mut self, path: &Path, kind: Kind, mode: u32, now: Duration) -> io::Result<usize> {
        let parent = path.parent().unwrap();
        if parent != Path::new("/") && self.stat(parent)?.kind != Kind::Dir {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let stat = Stat { kind, size: 0, mode, uid: 0, gid: 0, modified: now };
        self.inodes.push(Inode { stat, target: PathBuf::new(), live: Vec::new(), durable: Vec::new() });
        self.live.insert(path.to_owned(), self.inodes.len() - 1);
        Ok(self.inodes.len() - 1)
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.inode(path)?.live.clone())
    }

    pub(crate) fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.inode(path).map(|inode| Stat { size: inode.live.len() as u64, ..inode.stat })
    }

    pub(crate) fn write(&mut self, path: &Path, content: &[u8], mode: u32, now: Duration) -> io::Result<()> {
        let at = match self.live.get(path) {
            Some(&at) => at,
            None => self.add(path, Kind::File, mode, now)?,
        };
        self.inodes[at].live = content.to_vec();
        self.inodes[at].stat.modified = now;
        Ok(())
    }

    pub(crate) fn link(&mut self, path: &Path, target: &str) {
        let at = self.add(path, Kind::Link, 0o777, Duration::ZERO).unwrap();
        self.inodes[at].target = target.into();
    }

    pub(crate) fn remove(&mut self, path: &Path) {
        self.live.remove(path);
    }

    /// Zeros in place, durably; the name stays.
    pub(crate) fn wipe(&mut self, path: &Path) -> io::Result<()> {
        let at = *self.live.get(path).ok_or_else(missing)?;
        let inode = &mut self.inodes[at];
        inode.live = vec![0; inode.live.len()];
        inode.durable.clone_from(&inode.live);
        Ok(())
    }

    /// Whether any content that a name leads to, or ever led to, holds these bytes.
    pub(crate) fn holds(&self, secret: &str) -> bool {
        let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        self.inodes.iter().any(|inode| holds(&inode.live) || holds(&inode.durable))
    }

    pub(crate) fn names_in(&self, dir: &Path) -> Vec<String> {
        let names = self.live.keys().filter(|path| path.parent() == Some(dir));
        names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let at = self.live.remove(from).ok_or_else(missing)?;
        self.live.insert(to.to_owned(), at);
        Ok(())
    }

    pub(crate) fn make_dirs(&mut self, path: &Path) {
        let parts: Vec<_> = path.ancestors().filter(|part| *part != Path::new("/")).collect();
        for part in parts.into_iter().rev() {
            if !self.live.contains_key(part) {
                self.add(part, Kind::Dir, 0o755, Duration::ZERO).unwrap();
            }
        }
    }

    pub(crate) fn own(&mut self, path: &Path, mode: u32, uid: u32, gid: u32) {
        let stat = &mut self.inodes[self.live[path]].stat;
        (stat.mode, stat.uid, stat.gid) = (mode, uid, gid);
    }

    pub(crate) fn sync_file(&mut self, path: &Path) -> io::Result<()> {
        let at = *self.live.get(path).ok_or_else(missing)?;
        self.inodes[at].durable = self.inodes[at].live.clone();
        Ok(())
    }

    pub(crate) fn sync_dir(&mut self, dir: &Path) {
        self.durable.retain(|path, _| path.parent() != Some(dir));
        let here = self.live.iter().filter(|(path, _)| path.parent() == Some(dir));
        self.durable.extend(here.map(|(path, &at)| (path.clone(), at)));
    }

    pub(crate) fn sync_all(&mut self) {
        self.durable = self.live.clone();
        self.inodes.iter_mut().for_each(|inode| inode.durable = inode.live.clone());
    }

    pub(crate) fn cut(&mut self, cut: Cut) {
        match cut {
            Cut::NamesLost => self.live = self.durable.clone(),
            Cut::NamesKept => self.durable = self.live.clone(),
        }
        self.inodes.iter_mut().for_each(|inode| inode.live = inode.durable.clone());
        // A name whose directory is lost is lost.
        let names = self.live.clone();
        let whole = |path: &Path| {
            path.ancestors().skip(1).all(|part| part == Path::new("/") || names.contains_key(part))
        };
        self.live.retain(|path, _| whole(path));
        self.durable = self.live.clone();
        self.forget_below(Path::new("/run"));
    }

    pub(crate) fn forget_below(&mut self, dir: &Path) {
        self.live.retain(|path, _| !path.starts_with(dir) || path == dir);
    }

    pub(crate) fn names_below(&self, dir: &Path) -> Vec<PathBuf> {
        self.live.keys().filter(|path| path.starts_with(dir) && *path != dir).cloned().collect()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.read(Path::new(path)).unwrap_or_default()).unwrap()
    }
}
