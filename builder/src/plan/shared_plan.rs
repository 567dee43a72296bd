//! What all nodes of a board have in common, so that it is written once and copied.

use std::collections::BTreeMap;

use crate::fs::ImagePath;

use super::edit::{Action, Edit, Plan};

/// Plans for one base, divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedPlan {
    /// What each of them does in the same way.
    pub shared: Plan,
    /// What is left of each, in the order of the plans.
    pub per_node: Vec<Plan>,
}

/// Divides plans: first `shared`, then one of `per_node`, leaves what that plan alone would leave.
///
/// That holds because no path appears twice in a plan, and because a directory is made with the same mode whichever edit
/// below it comes first, unless an edit names the directory itself: such an edit stays before all that is below it.
pub fn split(plans: &[Plan]) -> SharedPlan {
    let Some((first, others)) = plans.split_first() else {
        return SharedPlan { shared: Plan::default(), per_node: Vec::new() };
    };
    // A plan can have ten thousand of them.
    let others: Vec<BTreeMap<&ImagePath, &Edit>> = others.iter().map(|plan| by_path(&plan.edits)).collect();
    let mut shared: Vec<Edit> = Vec::new();
    let mut particular: Vec<&Edit> = Vec::new();
    for edit in &first.edits {
        let in_all = others.iter().all(|other| other.get(&edit.path).is_some_and(|found| *found == edit));
        let below_particular = particular.iter().any(|dir| edit.path.below(&dir.path).is_some());
        if in_all && !below_particular {
            shared.push(edit.clone());
        } else if !matches!(edit.action, Action::Write(..)) {
            // Nothing is below a file.
            particular.push(edit);
        }
    }
    let of_all = by_path(&shared);
    let is_shared = |edit: &&Edit| of_all.get(&edit.path).is_some_and(|found| found == edit);
    let per_node = |plan: &Plan| Plan {
        edits: plan.edits.iter().filter(|edit| !is_shared(edit)).cloned().collect(),
        // Of two images of one board each has its own.
        disk_id: plan.disk_id,
    };
    let per_node: Vec<Plan> = plans.iter().map(per_node).collect();
    SharedPlan { shared: Plan { edits: shared, disk_id: None }, per_node }
}

/// No path is there twice.
fn by_path(edits: &[Edit]) -> BTreeMap<&ImagePath, &Edit> {
    edits.iter().map(|edit| (&edit.path, edit)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::edit::{Content, DiskId};
    use super::*;
    use crate::fs::Attributes;

    const ROOT: Attributes = Attributes { mode: 0o600, uid: 0, gid: 0, mtime: 1 };

    fn write(path: &str, text: &str) -> Edit {
        let content = Content::Bytes(text.as_bytes().to_vec().into());
        Edit {
            path: ImagePath::parse(path).unwrap(),
            action: Action::Write(content, ROOT),
            reason: "test".into(),
        }
    }

    fn dir(path: &str) -> Edit {
        Edit { path: ImagePath::parse(path).unwrap(), action: Action::Dir(ROOT), reason: "test".into() }
    }

    fn of(edits: Vec<Edit>) -> Plan {
        Plan { edits, disk_id: None }
    }

    #[test]
    fn the_id_of_a_disk_is_the_nodes_own() {
        let plan = |new| Plan { disk_id: Some(DiskId { old: 1, new }), ..of(vec![write("/a", "x")]) };
        let divided = split(&[plan(2), plan(3)]);
        assert_eq!(divided.shared, of(vec![write("/a", "x")]));
        let ids: Vec<_> = divided.per_node.iter().map(|plan| plan.disk_id.unwrap().new).collect();
        assert_eq!(ids, [2, 3]);
    }

    fn paths(plan: &Plan) -> Vec<String> {
        plan.edits.iter().map(|edit| edit.path.to_string()).collect()
    }

    #[test]
    fn edits_of_all_plans_are_shared_and_others_stay_per_node() {
        let plan = |name: &str| of(vec![write("/a", "x"), write("/name", name), write("/b", "y")]);
        let divided = split(&[plan("one"), plan("two")]);
        assert_eq!(paths(&divided.shared), ["/a", "/b"]);
        assert_eq!(divided.per_node, [&["one"], &["two"]].map(|[name]| of(vec![write("/name", name)])));
    }

    #[test]
    fn one_plan_is_shared_whole_and_no_plan_gives_nothing() {
        let plan = of(vec![write("/a", "x")]);
        let divided = split(std::slice::from_ref(&plan));
        assert_eq!(divided, SharedPlan { shared: plan, per_node: vec![Plan::default()] });
        assert!(split(&[]).per_node.is_empty());
    }

    #[test]
    fn an_edit_below_a_nodes_own_directory_is_not_made_before_it() {
        let first = of(vec![dir("/tls"), write("/tls/ca", "x")]);
        let second = of(vec![write("/tls/ca", "x")]);
        let divided = split(&[first, second]);
        assert!(divided.shared.edits.is_empty(), "{divided:?}");
        assert_eq!(paths(&divided.per_node[0]), ["/tls", "/tls/ca"]);
    }
}
