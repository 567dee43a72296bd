//! In which order dpkg takes packages, and in how many calls.

use std::collections::{BTreeMap, BTreeSet};

use super::universe::Id;

/// A package to be installed, and when: those of a stage go into one call of dpkg, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) id: Id,
    /// Counted from 0. What a package needs before it is unpacked (`Pre-Depends`) is configured in an earlier stage: dpkg
    /// itself configures nothing before all packages of a call are unpacked.
    pub(super) stage: usize,
}

/// Another package that is installed too, and that a package needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) id: Id,
    /// Before the package is unpacked.
    pub(super) is_before: bool,
}

/// What a package needs comes before it, but for circles, which dpkg dissolves; else they stay in the order of `ids`. The error
/// is a package of a circle that nobody can dissolve.
pub(super) fn order(ids: &[Id], needs: &BTreeMap<Id, Vec<Need>>) -> Result<Vec<Step>, Id> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for id in ids {
        visit(*id, needs, &mut seen, &mut order);
    }
    let stages = stages(&order, needs)?;
    let stage_of = |id: &Id| stages.get(id).copied().unwrap_or_default();
    let mut steps: Vec<Step> = order.iter().map(|id| Step { id: *id, stage: stage_of(id) }).collect();
    steps.sort_by_key(|step| step.stage);
    Ok(steps)
}

fn visit(id: Id, needs: &BTreeMap<Id, Vec<Need>>, seen: &mut BTreeSet<Id>, done: &mut Vec<Id>) {
    if seen.insert(id) {
        for need in needs.get(&id).into_iter().flatten() {
            visit(need.id, needs, seen, done);
        }
        done.push(id);
    }
}

/// The least stages: not before what a package depends on, and after what it pre-depends on.
fn stages(order: &[Id], needs: &BTreeMap<Id, Vec<Need>>) -> Result<BTreeMap<Id, usize>, Id> {
    let mut stages: BTreeMap<Id, usize> = order.iter().map(|id| (*id, 0)).collect();
    let mut is_settled = false;
    while !is_settled {
        is_settled = true;
        for id in order {
            let stage_of = |id: &Id| stages.get(id).copied().unwrap_or_default();
            let after = |need: &Need| stage_of(&need.id) + usize::from(need.is_before);
            let least =
                needs.get(id).into_iter().flatten().map(after).max().unwrap_or_default().max(stage_of(id));
            if least > order.len() {
                return Err(*id);
            }
            is_settled &= stages.insert(*id, least) == Some(least);
        }
    }
    Ok(stages)
}
