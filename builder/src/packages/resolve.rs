//! Which packages must be installed for others to work, as apt works it out: the first alternative that can be installed, no
//! package removed, none made older.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::formats::debian_relation::{self, Relation};

use super::PackageRequest;
use super::order::{Need, Step, order};
use super::universe::{Field, Id, Origin, Package, Universe};

/// The packages to be installed or made newer, in an order in which dpkg takes them.
///
/// # Errors
/// Why it cannot be done, a text that follows the name of a base.
pub(super) fn resolve(universe: &Universe, requests: &[PackageRequest]) -> Result<Vec<Step>, String> {
    let mut search = Search::new(universe)?;
    for PackageRequest { name, recommends } in requests {
        let Some(id) = universe.candidate(name.as_str()) else {
            return Err(unknown(universe, name.as_str()));
        };
        search.recommends = *recommends;
        search.install(id).map_err(|why| format!("the package {name} cannot be installed: {why}"))?;
    }
    search.recommends = false;
    search.mend()?;
    // By their names, so that a set from the lock and one from an archive are in the same order.
    let ids: Vec<Id> = search.chosen.values().copied().collect();
    order(&ids, &search.needs()?)
        .map_err(|id| format!("{} would have to be configured before it is unpacked", universe.get(id).name))
}

fn unknown(universe: &Universe, name: &str) -> String {
    let providers = universe.providers(name);
    if providers.is_empty() {
        return format!("no source of the base has a package {name}: check its name");
    }
    format!("{name} is no package: choose one of those that provide it ({})", providers.join(", "))
}

/// How deep a chain of dependencies may be. The longest in Debian have some 40 packages.
const DEEPEST: usize = 400;

/// How many packages may be looked at: an archive that is made to have no answer must end, too.
const MOST_STEPS: u32 = 200_000;

struct Search<'a> {
    universe: &'a Universe,
    recommends: bool,
    chosen: BTreeMap<Box<str>, Id>,
    /// What packages of the base do not go with.
    rivals: HashMap<Box<str>, Vec<(Id, Relation)>>,
    /// Needs of the base that are not met, and were not.
    broken: BTreeSet<(Id, usize)>,
    depth: usize,
    steps: u32,
}

impl<'a> Search<'a> {
    fn new(universe: &'a Universe) -> Result<Self, String> {
        let mut search = Self {
            universe,
            recommends: false,
            chosen: BTreeMap::new(),
            rivals: HashMap::new(),
            broken: BTreeSet::new(),
            depth: 0,
            steps: 0,
        };
        for id in universe.all_installed() {
            let package = universe.get(id);
            for rival in package.rivals()? {
                search.rivals.entry(rival.name.as_str().into()).or_default().push((id, rival));
            }
            for (place, any_of) in package.needs()?.iter().enumerate() {
                if !search.is_one_met(any_of) {
                    search.broken.insert((id, place));
                }
            }
        }
        Ok(search)
    }

    /// What there would be of this name.
    fn there(&self, name: &str) -> Option<Id> {
        self.chosen.get(name).copied().or_else(|| self.universe.installed(name))
    }

    fn is_one_met(&self, any_of: &[Relation]) -> bool {
        any_of.iter().any(|relation| !self.all_there(relation).is_empty())
    }

    /// What there would be that the relation means: the package of that name, and those that provide it.
    fn all_there(&self, relation: &Relation) -> Vec<Id> {
        let named = self.there(&relation.name).filter(|id| self.universe.get(*id).is(relation));
        named.into_iter().chain(self.providers_there(relation)).collect()
    }

    fn providers_there(&self, relation: &Relation) -> impl Iterator<Item = Id> {
        let names = self.universe.providers(&relation.name);
        let ids: Vec<Id> = names.into_iter().filter_map(|name| self.there(name)).collect();
        ids.into_iter().filter(|id| self.universe.get(*id).is(relation))
    }

    /// Has the package installed, with all that it needs. What was chosen on the way stays where it fails: the caller puts
    /// it back.
    fn install(&mut self, id: Id) -> Result<(), String> {
        let package = self.universe.get(id);
        if self.there(&package.name) == Some(id) {
            return Ok(());
        }
        self.steps = self.steps.saturating_add(1);
        if self.depth >= DEEPEST || self.steps >= MOST_STEPS {
            return Err("there is no end to what it needs".to_owned());
        }
        self.may_replace(package)?;
        self.chosen.insert(package.name.clone(), id);
        self.depth += 1;
        let done = self.settle(id, package);
        self.depth -= 1;
        done
    }

    fn may_replace(&self, package: &Package) -> Result<(), String> {
        if self.chosen.contains_key(&package.name) {
            return Err(format!("{} would be needed in two versions", package.name));
        }
        let Some(old) = self.universe.installed(&package.name) else { return Ok(()) };
        let old = self.universe.get(old);
        if old.origin == (Origin::Base { is_held: true }) {
            return Err(format!("the base has put {} {} on hold", old.name, old.version));
        }
        if old.is_multi_arch_same && self.universe.is_foreign_too(&old.name) {
            return Err(format!(
                "the base has {} for two architectures, which must stay in one version",
                old.name
            ));
        }
        if package.version < old.version {
            return Err(format!("{} {} would become {}", old.name, old.version, package.version));
        }
        Ok(())
    }

    fn settle(&mut self, id: Id, package: &'a Package) -> Result<(), String> {
        self.make_room(id, package)?;
        for any_of in package.needs()? {
            self.meet(&any_of).map_err(|why| format!("{} {why}", package.name))?;
        }
        if self.recommends {
            let old = self.universe.installed(&package.name).map(|old| self.universe.get(old));
            let old = old.map(|old| old.relations(Field::Recommends)).transpose()?.unwrap_or_default();
            for any_of in package.relations(Field::Recommends)? {
                // What the older version recommended was decided on then.
                let names = |any: &[Relation]| any.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
                if !old.iter().any(|known| names(known) == names(&any_of)) {
                    // A recommendation that cannot be met is no reason not to install.
                    let _ = self.meet(&any_of);
                }
            }
        }
        Ok(())
    }

    /// One of the alternatives is there, or is installed now.
    fn meet(&mut self, any_of: &[Relation]) -> Result<(), String> {
        if self.is_one_met(any_of) {
            return Ok(());
        }
        let mut why = None;
        for relation in any_of {
            for candidate in self.universe.candidates(relation) {
                let before = self.chosen.clone();
                match self.install(candidate) {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        self.chosen = before;
                        why = why.or(Some(error));
                    }
                }
            }
        }
        let why = why.unwrap_or_else(|| {
            match any_of.first().and_then(|first| self.universe.candidate(&first.name)) {
                Some(other) => {
                    format!("the sources of the base have only {}", self.universe.get(other).version)
                }
                None => "no source of the base has it".to_owned(),
            }
        });
        Err(format!("needs {}: {why}", debian_relation::shown(any_of)))
    }

    /// Nothing is there that the package does not go with. What a newer version mends is made newer; nothing is removed.
    fn make_room(&mut self, id: Id, package: &Package) -> Result<(), String> {
        let mut against: Vec<Id> = Vec::new();
        for rival in package.rivals()? {
            against.extend(self.all_there(&rival));
        }
        let mut names = vec![package.name.to_string()];
        let provided = package.relations(Field::Provides)?;
        names.extend(provided.into_iter().flatten().map(|provided| provided.name));
        for name in &names {
            let of_base = self.rivals.get(name.as_str()).into_iter().flatten();
            against.extend(of_base.filter(|(_, rival)| package.is(rival)).map(|(other, _)| *other));
        }
        for other in self.chosen.values().copied().collect::<Vec<_>>() {
            if self.universe.get(other).rivals()?.iter().any(|rival| package.is(rival)) {
                against.push(other);
            }
        }
        for other in against {
            let rival = self.universe.get(other);
            // It does not mean itself, and what is replaced is gone.
            if other == id || rival.name == package.name || self.there(&rival.name) != Some(other) {
                continue;
            }
            let (name, version) = (&rival.name, &rival.version);
            let newer = self.universe.candidate(name).filter(|newer| {
                *newer != other
                    && self.universe.get(*newer).version > *version
                    && self.goes_with(*newer, package)
            });
            let conflict = || format!("{} does not go with {name} {version}, which is there", package.name);
            let Some(newer) = newer.filter(|_| rival.is_installed()) else { return Err(conflict()) };
            self.install(newer)
                .map_err(|why| format!("{}: a newer {name} cannot be installed: {why}", conflict()))?;
        }
        Ok(())
    }

    fn goes_with(&self, other: Id, package: &Package) -> bool {
        let other = self.universe.get(other);
        let is_against = |one: &Package, two: &Package| {
            one.rivals().map_or(true, |rivals| rivals.iter().any(|rival| two.is(rival)))
        };
        !is_against(other, package) && !is_against(package, other)
    }

    /// What became newer may be needed in its old version by another package of the base: that one becomes newer, too.
    fn mend(&mut self) -> Result<(), String> {
        loop {
            let before = self.chosen.len();
            for id in self.universe.all_installed() {
                let package = self.universe.get(id);
                if self.there(&package.name) != Some(id) {
                    continue;
                }
                for (place, any_of) in package.needs()?.iter().enumerate() {
                    if self.is_one_met(any_of) || self.broken.contains(&(id, place)) {
                        continue;
                    }
                    let newer = self.universe.candidate(&package.name).filter(|newer| *newer != id);
                    let breaks = || {
                        let wanted = debian_relation::shown(any_of);
                        format!("{} of the base would no longer work: it needs {wanted}", package.name)
                    };
                    let newer = newer.ok_or_else(breaks)?;
                    self.install(newer).map_err(|why| format!("{}; {why}", breaks()))?;
                    break;
                }
            }
            if self.chosen.len() == before {
                return Ok(());
            }
        }
    }

    /// What is installed, each package with those of the others that it needs.
    fn needs(&self) -> Result<BTreeMap<Id, Vec<Need>>, String> {
        self.chosen.values().map(|id| Ok((*id, self.needs_of(*id)?))).collect()
    }

    fn needs_of(&self, id: Id) -> Result<Vec<Need>, String> {
        let mut needs = Vec::new();
        for (field, is_before) in [(Field::PreDepends, true), (Field::Depends, false)] {
            for relation in self.universe.get(id).relations(field)?.iter().flatten() {
                let named = self.there(&relation.name);
                let all = named.into_iter().chain(self.providers_there(relation));
                // What the base has is configured already.
                let new = all.filter(|other| *other != id && !self.universe.get(*other).is_installed());
                needs.extend(new.map(|other| Need { id: other, is_before }));
            }
        }
        Ok(needs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::deb822;

    /// A base and an archive, as dpkg and an archive list them.
    fn universe(status: &str, archive: &str) -> Universe {
        let mut universe = Universe::of_base(status, &"arm64".into()).unwrap();
        for paragraph in deb822::paragraphs(archive) {
            let origin = Origin::Locked;
            if let Some(package) = Package::of(paragraph, &"arm64".into(), origin).unwrap() {
                universe.add(package);
            }
        }
        universe
    }

    /// `name version; Field: value; …` a line.
    fn listed(lines: &str, status: Option<&str>) -> String {
        let mut text = String::new();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let mut parts = line.trim().split("; ");
            let (name, version) = parts.next().unwrap().split_once(' ').unwrap();
            let arch = if line.contains("Architecture:") { "" } else { "Architecture: arm64\n" };
            text += &format!("Package: {name}\nVersion: {version}\n{arch}");
            if let Some(status) = status.filter(|_| !line.contains("Status:")) {
                text += &format!("Status: {status}\n");
            }
            for part in parts {
                text += &format!("{part}\n");
            }
            text.push('\n');
        }
        text
    }

    fn resolved(base: &str, archive: &str, names: &[&str], recommends: bool) -> Result<String, String> {
        let universe = universe(&listed(base, Some("install ok installed")), &listed(archive, None));
        let requests = names.iter().map(|name| PackageRequest { name: name.parse().unwrap(), recommends });
        let steps = resolve(&universe, &requests.collect::<Vec<_>>())?;
        let shown = steps.iter().map(|step| {
            let package = universe.get(step.id);
            let stage = if step.stage > 0 { format!("@{}", step.stage) } else { String::new() };
            format!("{} {}{stage}", package.name, package.version)
        });
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn what_a_package_needs_comes_before_it() {
        let archive = "a 1; Depends: b (>= 2) | c, d; Recommends: r\nb 1\nc 3; Pre-Depends: e\nd 1; Depends: a\ne 1\nr 1; Depends: gone";
        assert_eq!(resolved("x 1", archive, &["a"], false).unwrap(), "e 1, c 3@1, d 1@1, a 1@1");
        // A recommendation that cannot be met is left out.
        assert_eq!(resolved("x 1", archive, &["a"], true).unwrap(), "e 1, c 3@1, d 1@1, a 1@1");
        let archive = archive.replace("; Depends: gone", "");
        assert_eq!(resolved("x 1", &archive, &["a"], true).unwrap(), "e 1, r 1, c 3@1, d 1@1, a 1@1");
        assert_eq!(resolved("a 1\nb 2\nd 1", &archive, &["a"], false).unwrap(), "");
    }

    #[test]
    fn what_is_needed_before_a_package_is_unpacked_is_configured_in_an_earlier_call() {
        // As python3 does, whose minimal part needs an interpreter that runs.
        let archive = "py 1; Pre-Depends: py-min (= 1); Depends: py3 (>= 1)\npy-min 1; Pre-Depends: py3-min; Depends: base\n\
                       py3-min 1; Depends: libc (>= 2)\npy3 1; Depends: py3-min\nlibc 2\nbase 1";
        let said = resolved("libc 1", archive, &["py"], false).unwrap();
        assert_eq!(said, "base 1, libc 2, py3-min 1, py3 1, py-min 1@1, py 1@2");
        let circle = "a 1; Pre-Depends: b\nb 1; Depends: a";
        assert!(
            resolved("x 1", circle, &["a"], false).unwrap_err().contains("configured before it is unpacked")
        );
    }

    #[test]
    fn a_virtual_package_is_what_is_there_or_has_the_higher_priority() {
        let archive = "a 1; Depends: mta\nexim 1; Provides: mta; Priority: standard\nnull 1; Provides: mta\nv 1; Depends: mta (>= 2)\n\
                       smtp 1; Provides: mta (= 3)";
        assert_eq!(resolved("x 1", archive, &["a"], false).unwrap(), "exim 1, a 1");
        assert_eq!(resolved("null 1; Provides: mta", archive, &["a"], false).unwrap(), "a 1");
        assert_eq!(resolved("x 1", archive, &["v"], false).unwrap(), "smtp 1, v 1");
        let error = resolved("x 1", archive, &["mta"], false).unwrap_err();
        assert!(error.contains("exim, null, smtp"), "{error}");
    }

    #[test]
    fn nothing_is_removed_or_made_older_and_what_mends_a_conflict_becomes_newer() {
        let base = "old 1; Depends: lib (= 1)\nlib 1\nfirm 1; Conflicts: rival";
        for (archive, name, want) in [
            ("a 1; Breaks: lib (<< 2)\nlib 2\nold 2; Depends: lib (= 2)", "a", "lib 2, old 2, a 1"),
            ("a 1; Breaks: lib (<< 2)\nlib 2", "a", "old of the base would no longer work"),
            ("a 1; Conflicts: firm", "a", "does not go with firm 1"),
            ("rival 1", "rival", "does not go with firm 1"),
            ("b 1; Provides: rival", "b", "does not go with firm 1"),
            ("a 1; Depends: lib (<< 1)\nlib 0", "a", "needs lib (<< 1): the sources of the base have only 1"),
            ("a 1; Depends: b\nb 1; Depends: c (>= 2)\nc 1", "a", "a needs b: b needs c (>= 2)"),
            ("a 1; Depends: b, c\nb 1\nc 1; Conflicts: b", "a", "does not go with b 1"),
            ("a 1; Depends: c | d\nc 1; Conflicts: firm\nd 1", "a", "d 1, a 1"),
            // A package may conflict with what it provides itself.
            ("a 1; Conflicts: v; Provides: v", "a", "a 1"),
        ] {
            let said = resolved(base, archive, &[name], false).unwrap_or_else(|error| error);
            let is_right = if want.contains(' ')
                && want.ends_with(|c: char| c.is_ascii_digit())
                && !want.contains(':')
            {
                let sorted = |text: &str| text.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
                sorted(&said) == sorted(want) || said.contains(want)
            } else {
                said.contains(want)
            };
            assert!(is_right, "{archive}: {said}");
        }
    }

    #[test]
    fn a_package_on_hold_or_of_two_architectures_stays() {
        let archive = "a 1; Depends: lib (>= 2)\nlib 2; Multi-Arch: same";
        let held = "lib 1; Status: hold ok installed";
        assert!(resolved(held, archive, &["a"], false).unwrap_err().contains("on hold"));
        let two = "lib 1; Multi-Arch: same\nlib 1; Multi-Arch: same; Architecture: armhf";
        assert!(resolved(two, archive, &["a"], false).unwrap_err().contains("two architectures"));
        let half = universe_error("lib 1; Status: install ok half-configured");
        assert!(half.contains("lib is half-configured"), "{half}");
    }

    fn universe_error(base: &str) -> String {
        Universe::of_base(&listed(base, Some("install ok installed")), &"arm64".into()).unwrap_err()
    }

    #[test]
    fn the_highest_version_counts_and_what_is_there_already_is_left() {
        assert_eq!(resolved("a 1", "a 2\na 1~rc1\na 2", &["a"], false).unwrap(), "a 2");
        assert_eq!(resolved("a 3", "a 2", &["a"], false).unwrap(), "");
        assert!(
            resolved("a 1", "b 1; Architecture: amd64", &["b"], false).unwrap_err().contains("no source")
        );
    }
}
