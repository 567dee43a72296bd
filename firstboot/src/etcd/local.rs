//! What k3s has stored on this server.

use std::io;
use std::path::{Path, PathBuf};

use hc_common::paths::K3S_DATASTORE_DIR as DB;

use crate::sys::System;

/// How often the data of a start that failed may be set aside: each takes about 130 MB.
const LONGEST_LIST: u32 = 3;

/// The datastore that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datastore {
    Etcd,
    Sqlite,
}

impl Datastore {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Sqlite => "SQLite",
        }
    }
}

/// The datastore on this server, if any. k3s itself looks for etcd's write-ahead log.
pub(crate) fn datastore(sys: &dyn System) -> Option<Datastore> {
    let is_there = |path: &str| sys.stat(&Path::new(DB).join(path)).is_ok();
    if is_there("etcd/member/wal") {
        return Some(Datastore::Etcd);
    }
    is_there("state.db").then_some(Datastore::Sqlite)
}

/// Whether etcd has the data of a member here.
pub(crate) fn has_member(sys: &dyn System) -> bool {
    datastore(sys) == Some(Datastore::Etcd)
}

/// The name that k3s has given to its member here: it keeps it until the member exists.
pub(crate) fn member_name(sys: &dyn System) -> Option<String> {
    let bytes = sys.read(&Path::new(DB).join("etcd/name")).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Renames etcd's data, durably, so that k3s starts without it. Nothing is deleted. Returns the new place.
pub(crate) fn set_aside(sys: &dyn System) -> io::Result<PathBuf> {
    let db = Path::new(DB);
    let free = |place: &PathBuf| sys.stat(place).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    let mut places = (1..=LONGEST_LIST).map(|number| db.join(format!("etcd.unfinished-{number}")));
    let place = places.find(free).ok_or_else(|| {
        io::Error::other(format!("{DB} has {LONGEST_LIST} directories etcd.unfinished-* already"))
    })?;
    sys.rename(&db.join("etcd"), &place)?;
    sys.sync_dir(db)?;
    Ok(place)
}
