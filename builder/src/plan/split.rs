//! What all nodes of a board have in common, so that it is written once and copied.

use super::edit::{Edit, Plan};

/// Plans for one base, divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What each of them does in the same way.
    pub common: Plan,
    /// What is left of each, in the order of the plans.
    pub own: Vec<Plan>,
}

/// Divides plans: first `common`, then one of `own`, leaves what that plan alone would leave.
///
/// That holds because no path appears twice in a plan, and because a folder is made with the same mode whichever edit
/// below it comes first, unless an edit names the folder itself: such an edit stays before all that is below it.
pub fn split(plans: &[Plan]) -> Split {
    let Some((first, others)) = plans.split_first() else {
        return Split { common: Plan { edits: Vec::new() }, own: Vec::new() };
    };
    let mut common: Vec<Edit> = Vec::new();
    let mut particular: Vec<&Edit> = Vec::new();
    for edit in &first.edits {
        let shared = others.iter().all(|plan| plan.edits.contains(edit));
        let below_particular = particular.iter().any(|folder| edit.path.below(&folder.path).is_some());
        if shared && !below_particular {
            common.push(edit.clone());
        } else {
            particular.push(edit);
        }
    }
    let own = |plan: &Plan| Plan {
        edits: plan.edits.iter().filter(|edit| !common.contains(edit)).cloned().collect(),
    };
    let own = plans.iter().map(own).collect();
    Split { common: Plan { edits: common }, own }
}

#[cfg(test)]
mod tests {
    use super::super::edit::{Action, Content};
    use super::*;
    use crate::fs::{Attributes, ImagePath};

    const ROOT: Attributes = Attributes { mode: 0o600, uid: 0, gid: 0, mtime: 1 };

    fn write(path: &str, text: &str) -> Edit {
        let content = Content::Bytes(text.as_bytes().to_vec().into());
        Edit { path: ImagePath::parse(path).unwrap(), action: Action::Write(content, ROOT), reason: "test" }
    }

    fn folder(path: &str) -> Edit {
        Edit { path: ImagePath::parse(path).unwrap(), action: Action::Folder(ROOT), reason: "test" }
    }

    fn paths(plan: &Plan) -> Vec<String> {
        plan.edits.iter().map(|edit| edit.path.to_string()).collect()
    }

    #[test]
    fn what_all_do_is_common_and_the_rest_is_their_own() {
        let plan =
            |name: &str| Plan { edits: vec![write("/a", "x"), write("/name", name), write("/b", "y")] };
        let divided = split(&[plan("one"), plan("two")]);
        assert_eq!(paths(&divided.common), ["/a", "/b"]);
        assert_eq!(
            divided.own,
            [&["one"], &["two"]].map(|[name]| Plan { edits: vec![write("/name", name)] })
        );
    }

    #[test]
    fn one_plan_is_common_as_a_whole_and_none_is_nothing() {
        let plan = Plan { edits: vec![write("/a", "x")] };
        let divided = split(std::slice::from_ref(&plan));
        assert_eq!(divided, Split { common: plan, own: vec![Plan { edits: Vec::new() }] });
        assert!(split(&[]).own.is_empty());
    }

    #[test]
    fn what_lies_in_a_folder_of_one_nodes_own_is_not_made_before_it() {
        let first = Plan { edits: vec![folder("/tls"), write("/tls/ca", "x")] };
        let second = Plan { edits: vec![write("/tls/ca", "x")] };
        let divided = split(&[first, second]);
        assert!(divided.common.edits.is_empty(), "{divided:?}");
        assert_eq!(paths(&divided.own[0]), ["/tls", "/tls/ca"]);
    }
}
