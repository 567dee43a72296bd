//! Resolving inputs anew: what the lock has of them changes, and nothing else.

use std::collections::BTreeSet;

use crate::source::lock::{Entry, Lock};
use crate::value::ImageReference;

use super::{Project, Session, SessionError, Sources};

/// An entry of the lock that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The entry's name, such as `base.cm4`.
    pub name: String,
    /// What it was; none for a new one.
    pub from: Option<Entry>,
    /// What it is; none where nothing needs it any more.
    pub to: Option<Entry>,
}

impl Session {
    /// Resolves the inputs called `names` anew, or all of them where there are none, obtains them, and returns what changed in
    /// the lock. A channel is resolved together with the release that it led to.
    ///
    /// # Errors
    /// [`SessionError::NoEntry`] for a name that the lock does not have; else as [`Session::preview`]. Then the lock is as it was.
    pub fn update(
        &self,
        project: &Project,
        sources: &Sources,
        names: &[String],
    ) -> Result<Vec<Changed>, SessionError> {
        let before = Lock::load(&sources.lock)?;
        let dropped = chosen(&before, names)?;
        // Written at the end, so that a failure half-way leaves the lock whole.
        let mut after = Lock::load(&sources.lock)?.without(&dropped);
        drop(self.prepare_with(project, sources, &mut after)?);
        let all: BTreeSet<String> = before.entries().chain(after.entries()).map(|(name, _)| name).collect();
        let find =
            |lock: &Lock, name: &str| lock.entries().find(|(known, _)| known == name).map(|(_, entry)| entry);
        let mut changes = Vec::new();
        for name in all {
            let (from, to) = (find(&before, &name), find(&after, &name));
            if from != to {
                changes.push(Changed { name, from, to });
            }
        }
        after.commit()?;
        Ok(changes)
    }
}

/// The entries that the names mean: a whole name, or what it begins with up to a dot; an image also by a short name.
fn chosen(lock: &Lock, names: &[String]) -> Result<BTreeSet<String>, SessionError> {
    let known: Vec<String> = lock.entries().map(|(name, _)| name).collect();
    if names.is_empty() {
        return Ok(known.into_iter().collect());
    }
    let mut chosen = BTreeSet::new();
    for name in names {
        let image = name.parse::<ImageReference>().map(|image| format!("image.{image}")).ok();
        let is_meant = |entry: &&String| {
            *entry == name || entry.starts_with(&format!("{name}.")) || Some(*entry) == image.as_ref()
        };
        let meant: Vec<String> = known.iter().filter(is_meant).cloned().collect();
        if meant.is_empty() {
            return Err(SessionError::NoEntry { name: name.clone(), known: known.join(", ") });
        }
        chosen.extend(meant);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn lock() -> Lock {
        let row = |name: &str| {
            format!(
                "[[input]]\nname = \"{name}\"\nurl = \"https://e.org/a\"\nsize = 1\nsha256 = \"{}\"\n",
                "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
            )
        };
        let names =
            ["base.cm4", "base.pc", "image.docker.io/library/nginx:1.31", "k3s.v1.36.2+k3s1.k3s-arm64"];
        let text = format!(
            "schema = 1\n[[channel]]\nname = \"k3s.stable\"\nurl = \"https://e.org\"\nversion = \"v1.36.2+k3s1\"\n{}",
            names.map(row).concat()
        );
        Lock::parse(Path::new("hcimage.lock"), &text).unwrap()
    }

    #[test]
    fn names_mean_entries_groups_and_images_by_a_short_name() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&lock(), &names).map(|found| found.into_iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&[]).unwrap().len(), 5);
        assert_eq!(of(&["base"]).unwrap(), ["base.cm4", "base.pc"]);
        assert_eq!(of(&["base.pc", "base.pc"]).unwrap(), ["base.pc"]);
        assert_eq!(of(&["k3s"]).unwrap().len(), 2);
        assert_eq!(of(&["nginx:1.31"]).unwrap(), ["image.docker.io/library/nginx:1.31"]);
        for unknown in ["base.c", "nginx:1.30", "x"] {
            let error = of(&[unknown]).unwrap_err().to_string();
            assert!(error.contains(unknown) && error.contains("base.cm4"), "{error}");
        }
    }
}
