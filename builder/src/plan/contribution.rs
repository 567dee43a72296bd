//! What each feature of a node adds to its plan, and all of it together.

use std::collections::BTreeMap;

use crate::formats::k3s_config::Setting;
use crate::formats::modules_load::Module;
use crate::formats::yaml::Node;
use crate::fs::ImagePath;
use crate::os::{Facts, Interest};
use crate::source::artifact::Artifact;

use super::builder::PlanBuilder;
use super::edit::{Action, Content, DiskId, Edit, Plan};
use super::error::PlanError;
use super::request::Request;

/// A feature of a node: what it reads of the base, and what it adds.
pub(super) struct Feature {
    /// What messages call it.
    pub(super) name: &'static str,
    /// All that it asks the facts' snapshot for, named beside the code that asks.
    pub(super) reads: &'static [Interest],
    /// Makes its contribution.
    pub(super) add: Add,
}

/// How a contribution is made. Neither reads or writes anything but its arguments.
pub(super) enum Add {
    /// From facts and request alone.
    Alone(fn(&mut PlanBuilder<'_>, &Request<'_>) -> Result<(), PlanError>),
    /// From what the features of the first kind have contributed, too: files that tell of them all.
    FromAll(fn(&mut PlanBuilder<'_>, &Request<'_>, &Gathered) -> Result<(), PlanError>),
}

/// What one feature adds, as data.
#[derive(Default)]
pub(super) struct Contribution {
    /// Changes to the image. An artifact is a file that is written with a [`Content::HostFile`].
    pub(super) edits: Vec<Edit>,
    /// What k3s is told.
    pub(super) settings: Vec<Setting>,
    /// Kernel modules that the node must have, besides those that k3s itself asks for.
    pub(super) kernel_modules: Vec<Module>,
    /// Addons of k3s that firstboot waits for, on the first server.
    pub(super) addons: Vec<String>,
    /// A change of the disk's id.
    pub(super) disk_id: Option<DiskId>,
}

/// What all features of the first kind have contributed, but for their edits.
#[derive(Default)]
pub(super) struct Gathered {
    /// Where each artifact goes, in the order of the edits.
    pub(super) artifacts: Vec<(ImagePath, Artifact)>,
    /// Each key once.
    pub(super) settings: Vec<Setting>,
    /// See [`Contribution::kernel_modules`].
    pub(super) kernel_modules: Vec<Module>,
    /// See [`Contribution::addons`].
    pub(super) addons: Vec<String>,
}

/// A contribution, and the feature whose it is.
pub(super) type Named = (&'static str, Contribution);

/// All contributions in the order of the features.
pub(super) fn contributions(
    features: &[Feature],
    facts: &Facts,
    request: &Request<'_>,
) -> Result<Vec<Named>, PlanError> {
    let mut all = Vec::new();
    for feature in features {
        let mut builder = PlanBuilder::new(facts, request.time);
        if let Add::Alone(add) = feature.add {
            add(&mut builder, request)?;
        }
        all.push((feature.name, builder.finish()));
    }
    let gathered = gather(&all)?;
    for (feature, (_, contribution)) in features.iter().zip(&mut all) {
        if let Add::FromAll(add) = feature.add {
            let mut builder = PlanBuilder::new(facts, request.time);
            add(&mut builder, request, &gathered)?;
            *contribution = builder.finish();
        }
    }
    Ok(all)
}

fn gather(all: &[Named]) -> Result<Gathered, PlanError> {
    let mut gathered = Gathered::default();
    let mut owners = BTreeMap::new();
    for (name, contribution) in all {
        for edit in &contribution.edits {
            if let Action::Write(Content::HostFile(artifact), _) = &edit.action {
                gathered.artifacts.push((edit.path.clone(), artifact.clone()));
            }
        }
        for (key, node) in &contribution.settings {
            let first = *owners.entry(*key).or_insert(*name);
            let twice = || PlanError::conflict(format!("the k3s setting {key}"), first, name);
            set(&mut gathered.settings, key, node.clone()).ok_or_else(twice)?;
        }
        gathered.kernel_modules.extend(&contribution.kernel_modules);
        gathered.addons.extend(contribution.addons.iter().cloned());
    }
    Ok(gathered)
}

/// Lists of several features are put together; of anything else there can be one. None where there is one already.
fn set(settings: &mut Vec<Setting>, key: &'static str, node: Node) -> Option<()> {
    match (settings.iter_mut().find(|(known, _)| *known == key), node) {
        (None, node) => settings.push((key, node)),
        (Some((_, Node::List(items))), Node::List(more)) => items.extend(more),
        (Some(_), _) => return None,
    }
    Some(())
}

/// The edits of all. No path may appear twice: the second edit would undo the first.
pub(super) fn merge(all: Vec<Named>) -> Result<Plan, PlanError> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut owners: BTreeMap<ImagePath, &'static str> = BTreeMap::new();
    let mut disk_id = None;
    for (name, contribution) in all {
        disk_id = disk_id.or(contribution.disk_id);
        for edit in contribution.edits {
            if let Some(first) = owners.insert(edit.path.clone(), name) {
                return Err(PlanError::conflict(edit.path.to_string(), first, name));
            }
            edits.push(edit);
        }
    }
    Ok(Plan { edits, disk_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contribution(path: &str, setting: Setting) -> Contribution {
        let path = ImagePath::parse(path).unwrap();
        let edits = vec![Edit { path, action: Action::Remove, reason: "test".into() }];
        Contribution { edits, settings: vec![setting], ..Contribution::default() }
    }

    #[test]
    fn a_path_of_two_features_is_an_error_that_names_both() {
        let of = |path| contribution(path, ("debug", Node::Switch(true)));
        assert_eq!(merge(vec![("one", of("/a")), ("two", of("/b"))]).unwrap().edits.len(), 2);
        let error = merge(vec![("one", of("/a")), ("two", of("/a"))]).unwrap_err().to_string();
        assert!(error.contains("/a") && error.contains("one") && error.contains("two"), "{error}");
    }

    #[test]
    fn lists_of_two_features_are_put_together_and_other_settings_conflict() {
        let list = |item: &str| contribution("/a", ("kubelet-arg", Node::list([item])));
        let gathered = gather(&[("one", list("a=1")), ("two", list("b=2"))]).unwrap();
        assert!(gathered.settings == [("kubelet-arg", Node::list(["a=1", "b=2"]))]);

        let text = || contribution("/a", ("cluster-domain", Node::text("x")));
        let error = gather(&[("one", text()), ("two", text())]).err().unwrap().to_string();
        for word in ["cluster-domain", "one", "two"] {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
