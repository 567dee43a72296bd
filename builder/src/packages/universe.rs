//! All packages that a base has or could have.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::formats::DebianVersion;
use crate::formats::deb822::{self, Paragraph};
use crate::formats::debian_relation::{self, AnyOf, Relation};
use crate::source::digest::Sha256Digest;
use crate::value::PackageName;

/// A version of a package.
#[derive(Debug, Clone)]
pub(super) struct Package {
    pub(super) name: Box<str>,
    pub(super) version: DebianVersion,
    pub(super) arch: Box<str>,
    /// The architecture of the base.
    native: Arc<str>,
    /// The fields with its relations to others, read when they are needed: most packages are never asked.
    fields: Box<str>,
    pub(super) is_essential: bool,
    /// Of 0 (extra) to 4 (required).
    pub(super) priority: u8,
    /// The same package of several architectures may be installed, all in one version.
    pub(super) is_multi_arch_same: bool,
    /// What it takes on the node's disk, in bytes.
    pub(super) installed_size: u64,
    pub(super) origin: Origin,
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is in the base.
    Base {
        /// The owner has put it on hold.
        is_held: bool,
    },
    /// An archive has it.
    Archive {
        /// Which one, in the order of the sources.
        archive: usize,
        /// The file below the archive's address.
        filename: String,
        /// Its size in bytes.
        size: u64,
        /// Its digest.
        sha256: Sha256Digest,
    },
    /// The lock has it.
    Locked,
}

/// What relations a package has, by the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    PreDepends,
    Depends,
    Recommends,
    Conflicts,
    Breaks,
    Provides,
}

impl Field {
    const ALL: [Self; 6] =
        [Self::PreDepends, Self::Depends, Self::Recommends, Self::Conflicts, Self::Breaks, Self::Provides];

    fn name(self) -> &'static str {
        match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::Recommends => "Recommends",
            Self::Conflicts => "Conflicts",
            Self::Breaks => "Breaks",
            Self::Provides => "Provides",
        }
    }
}

/// Why a paragraph is no package. It follows the name of the file.
pub(super) type Invalid = String;

impl Package {
    /// The package that a paragraph describes; none for one of another architecture than `arch`.
    pub(super) fn of(
        paragraph: Paragraph<'_>,
        arch: &Arc<str>,
        origin: Origin,
    ) -> Result<Option<Self>, Invalid> {
        let (mut name, mut version, mut own_arch, mut fields) = ("", "", "", String::new());
        let (mut is_essential, mut priority, mut is_multi_arch_same, mut kib) = (false, 1, false, 0u64);
        for (field, value) in paragraph.fields() {
            match field {
                "Package" => name = value.text(),
                "Version" => version = value.text(),
                "Architecture" => own_arch = value.text(),
                "Essential" => is_essential = value.text() == "yes",
                "Priority" => priority = rank(value.text()),
                "Multi-Arch" => is_multi_arch_same = value.text() == "same",
                "Installed-Size" => kib = value.text().parse().unwrap_or(0),
                _ if Field::ALL.iter().any(|known| known.name() == field) => {
                    fields.push_str(&format!("{field}: {}\n", value.folded()));
                }
                _ => {}
            }
        }
        if own_arch != &**arch && own_arch != "all" {
            return Ok(None);
        }
        if !debian_relation::is_name(name) {
            return Err(format!("the name {name:?} of a package is invalid"));
        }
        // Some archives have names in capitals, which no dpkg of today makes: they cannot be asked for.
        if name.parse::<PackageName>().is_err() {
            return Ok(None);
        }
        let version = version.parse().map_err(|error| format!("{name}: {error}"))?;
        Ok(Some(Self {
            name: name.into(),
            version,
            arch: own_arch.into(),
            native: Arc::clone(arch),
            fields: fields.into(),
            is_essential,
            priority,
            is_multi_arch_same,
            installed_size: kib.saturating_mul(1024),
            origin,
        }))
    }

    /// Its relations of one kind.
    pub(super) fn relations(&self, field: Field) -> Result<Vec<AnyOf>, Invalid> {
        let Some(paragraph) = deb822::paragraphs(&self.fields).next() else { return Ok(Vec::new()) };
        let Some(value) = paragraph.field(field.name()) else { return Ok(Vec::new()) };
        debian_relation::parse(value.text(), &self.native)
            .map_err(|problem| format!("{}: {problem}", self.name))
    }

    /// What must be there for it to work.
    pub(super) fn needs(&self) -> Result<Vec<AnyOf>, Invalid> {
        let mut needs = self.relations(Field::PreDepends)?;
        needs.extend(self.relations(Field::Depends)?);
        Ok(needs)
    }

    /// What must not be there.
    pub(super) fn rivals(&self) -> Result<Vec<Relation>, Invalid> {
        let mut rivals = self.relations(Field::Conflicts)?;
        rivals.extend(self.relations(Field::Breaks)?);
        Ok(rivals.into_iter().flatten().collect())
    }

    /// Whether it is what the relation means: by its own name, or by one that it provides. A version is provided only where it
    /// is said.
    pub(super) fn is(&self, relation: &Relation) -> bool {
        if *self.name == *relation.name && relation.allows(&self.version) {
            return true;
        }
        if !self.fields.contains(relation.name.as_str()) {
            return false;
        }
        let provided = self.relations(Field::Provides).unwrap_or_default();
        provided.iter().flatten().any(|provided| {
            provided.name == relation.name
                && match (&relation.bound, &provided.bound) {
                    (None, _) => true,
                    (Some(_), Some((_, version))) => relation.allows(version),
                    (Some(_), None) => false,
                }
        })
    }

    pub(super) fn is_installed(&self) -> bool {
        matches!(self.origin, Origin::Base { .. })
    }
}

fn rank(priority: &str) -> u8 {
    match priority {
        "required" => 4,
        "important" => 3,
        "standard" => 2,
        "extra" => 0,
        _ => 1,
    }
}

/// A package of a [`Universe`].
pub(super) type Id = usize;

/// All packages of one architecture and of `all`.
#[derive(Debug)]
pub(super) struct Universe {
    /// The architecture, as Debian names it.
    pub(super) arch: Arc<str>,
    packages: Vec<Package>,
    by_name: HashMap<Box<str>, Vec<Id>>,
    providers: HashMap<Box<str>, Vec<Id>>,
    installed: BTreeMap<Box<str>, Id>,
    /// Packages of the base that are installed for another architecture too.
    foreign: Vec<Box<str>>,
}

impl Universe {
    /// What the base has, by dpkg's status.
    ///
    /// # Errors
    /// When a package is half-installed, or a paragraph is invalid.
    pub(super) fn of_base(status: &str, arch: &Arc<str>) -> Result<Self, Invalid> {
        let mut universe = Self {
            arch: Arc::clone(arch),
            packages: Vec::new(),
            by_name: HashMap::new(),
            providers: HashMap::new(),
            installed: BTreeMap::new(),
            foreign: Vec::new(),
        };
        for paragraph in deb822::paragraphs(status) {
            let Some(state) = paragraph.field("Status") else { continue };
            let mut words = state.words();
            let (want, _, state) = (words.next(), words.next(), words.next());
            match state {
                Some("installed") => {}
                Some("not-installed" | "config-files") | None => continue,
                Some(state) => {
                    let name = paragraph.field("Package").map(deb822::Value::text).unwrap_or_default();
                    return Err(format!(
                        "the package {name} is {state}: the base is not completely installed"
                    ));
                }
            }
            let origin = Origin::Base { is_held: want == Some("hold") };
            match Package::of(paragraph, arch, origin)? {
                Some(package) => universe.add(package),
                None => {
                    let name = paragraph.field("Package").map(deb822::Value::text).unwrap_or_default();
                    universe.foreign.push(name.into());
                }
            }
        }
        Ok(universe)
    }

    /// Takes a package in.
    pub(super) fn add(&mut self, package: Package) {
        let id = self.packages.len();
        if package.is_installed() {
            self.installed.insert(package.name.clone(), id);
        }
        if package.fields.contains("Provides: ") {
            let provided = package.relations(Field::Provides).unwrap_or_default();
            for provided in provided.into_iter().flatten() {
                self.providers.entry(provided.name.into()).or_default().push(id);
            }
        }
        self.by_name.entry(package.name.clone()).or_default().push(id);
        self.packages.push(package);
    }

    /// Takes a package in, if there is one.
    pub(super) fn extend(&mut self, package: Option<Package>) {
        if let Some(package) = package {
            self.add(package);
        }
    }

    /// The package. Every [`Id`] comes from this universe.
    #[expect(clippy::indexing_slicing, reason = "an id is a place in this list, which only grows")]
    pub(super) fn get(&self, id: Id) -> &Package {
        &self.packages[id]
    }

    /// What the base has of this name.
    pub(super) fn installed(&self, name: &str) -> Option<Id> {
        self.installed.get(name).copied()
    }

    /// All that the base has.
    pub(super) fn all_installed(&self) -> impl Iterator<Item = Id> + '_ {
        self.installed.values().copied()
    }

    /// Whether the base has it for another architecture too.
    pub(super) fn is_foreign_too(&self, name: &str) -> bool {
        self.foreign.iter().any(|known| **known == *name)
    }

    /// The version that would be installed: the highest; of equal ones the base's, then that of the first source.
    pub(super) fn candidate(&self, name: &str) -> Option<Id> {
        let mut best: Option<Id> = None;
        for id in self.by_name.get(name)? {
            let is_better = |best: Id| {
                let (new, old) = (self.get(*id), self.get(best));
                new.version > old.version
                    || (new.version == old.version && new.is_installed() && !old.is_installed())
            };
            if best.is_none_or(is_better) {
                best = Some(*id);
            }
        }
        best
    }

    /// Candidates that are what the relation means, the best first, as apt has them: the package of that name, one that is
    /// installed, an essential one, one of a higher priority, the first.
    pub(super) fn candidates(&self, relation: &Relation) -> Vec<Id> {
        let named = self.candidate(&relation.name);
        let provided = self.providers.get(relation.name.as_str()).into_iter().flatten().copied();
        let is_candidate = |id: &Id| self.candidate(&self.get(*id).name) == Some(*id);
        let mut found: Vec<Id> = named.into_iter().chain(provided).collect();
        found.retain(|id| is_candidate(id) && self.get(*id).is(relation));
        let key = |id: &Id| {
            let package = self.get(*id);
            let is_named = *package.name == *relation.name;
            let is_there = self.installed.contains_key(&package.name);
            (!is_named, !is_there, !package.is_essential, u8::MAX - package.priority)
        };
        found.sort_by_key(key);
        found.dedup();
        found
    }

    /// Names of packages that provide the name.
    pub(super) fn providers(&self, name: &str) -> Vec<&str> {
        let ids = self.providers.get(name).into_iter().flatten();
        let mut names: Vec<&str> = ids.map(|id| &*self.get(*id).name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
