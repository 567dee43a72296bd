//! The files of k3s's settings: what all features tell it, and the user's own settings.

use crate::cluster::Setting;
use crate::formats::k3s_config::{self, PATH, SECRET_PATH};
use crate::formats::yaml::{self, Key, Node};
use crate::value::Secret;

use super::builder::PlanBuilder;
use super::contribution::Gathered;
use super::edit::Content;
use super::error::PlanError;
use super::request::Request;

pub(super) fn edits(
    builder: &mut PlanBuilder,
    request: &Request<'_>,
    gathered: &Gathered,
) -> Result<(), PlanError> {
    let role = request.node.bootstrap_role.role();
    let users = &request.cluster.k3s.settings(role).0;
    let mut ours = gathered.settings.clone();
    // k3s takes a list from the file that is read last, and no other: what the user adds to goes into that file.
    let shared: Vec<_> = ours.extract_if(.., |(key, _)| users.contains_key(*key)).collect();
    builder.text(PATH, 0o600, k3s_config::render(role, &ours), "configuration of k3s");

    let mut more = k3s_config::secret(role, &ours);
    more.extend(users.iter().map(|(key, value)| {
        let ours = shared.iter().find(|(shared, _)| shared == key).map(|(_, node)| node);
        (Key::Plain(key.clone().into()), of_user(ours, value))
    }));
    if !more.is_empty() {
        let text = Secret::new(yaml::document(&more));
        let reason = "further settings of k3s, which may be secret";
        builder.file(SECRET_PATH, 0o600, Content::Secret(text), reason);
    }
    Ok(())
}

/// A user's setting. To a list of ours it adds.
pub(super) fn of_user(ours: Option<&Node>, users: &Setting) -> Node {
    match (ours, users) {
        (Some(Node::List(ours)), Setting::List(users)) => Node::List(with(ours, users)),
        (Some(Node::List(ours)), Setting::Text(users)) => Node::List(with(ours, std::slice::from_ref(users))),
        (_, Setting::Text(text)) => Node::text(text),
        (_, Setting::Number(number)) => Node::Number(*number),
        (_, Setting::Switch(on)) => Node::Switch(*on),
        (_, Setting::List(items)) => Node::list(items),
    }
}

/// The user's arguments, each `flag=value`, and those of ours that speak of something else.
fn with(ours: &[String], users: &[String]) -> Vec<String> {
    let flag = |arg: &str| arg.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    let named: Vec<String> = users.iter().map(|arg| flag(arg)).collect();
    ours.iter().filter(|arg| !named.contains(&flag(arg))).chain(users).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_says_of_an_argument_counts() {
        let ours = ["a=1", "container-log-max-files=3", "b=2"].map(str::to_owned);
        assert_eq!(with(&ours, &[]), ours);
        let users = ["max-pods=200", "--container-log-max-files=9"].map(str::to_owned);
        assert_eq!(with(&ours, &users), ["a=1", "b=2", "max-pods=200", "--container-log-max-files=9"]);
    }

    #[test]
    fn one_argument_of_the_user_is_added_to_a_list() {
        let ours = Node::list(["a=1"]);
        let both = of_user(Some(&ours), &Setting::Text("max-pods=200".into()));
        assert!(both == Node::list(["a=1", "max-pods=200"]));
        assert!(of_user(None, &Setting::Text("x".into())) == Node::text("x"));
    }
}
