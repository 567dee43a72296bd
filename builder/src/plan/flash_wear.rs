//! What makes an SD card or eMMC last: a bounded journal, no access times, and limits on images and logs of containers.

use crate::board::Storage;
use crate::cluster::Setting;
use crate::formats::{fstab, journald};

use super::builder::PlanBuilder;
use super::request::Request;

/// The kubelet's defaults fill a disk up to 85 % with images, and keep five logs of 10 MiB for each container.
const KUBELET: [&str; 4] = [
    "image-gc-high-threshold=75",
    "image-gc-low-threshold=65",
    "container-log-max-size=5Mi",
    "container-log-max-files=3",
];

/// The setting of k3s that hands arguments on to the kubelet.
pub(super) const KUBELET_ARG: &str = "kubelet-arg";

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) {
    if is_due(request) {
        builder.text(journald::PATH, 0o644, journald::render(), "the journal is bounded: it lies on a card");
    }
}

/// The table of mounts, with the root mounted without access times.
pub(super) fn mounts(text: &str, request: &Request<'_>) -> String {
    if is_due(request) { fstab::without_access_times(text) } else { text.to_owned() }
}

/// Arguments for the kubelet. Where the user's settings of k3s have some, they are the user's and those of ours that
/// speak of something else: k3s takes the list of the file that is read last, and no other.
pub(super) fn kubelet_args(request: &Request<'_>) -> Vec<String> {
    let theirs = match user_args(request) {
        Some(Setting::List(args)) => args.clone(),
        Some(Setting::Text(arg)) => vec![arg.clone()],
        _ => Vec::new(),
    };
    if is_due(request) { with_ours(theirs) } else { theirs }
}

fn with_ours(theirs: Vec<String>) -> Vec<String> {
    let flag = |arg: &str| arg.trim_start_matches('-').split('=').next().unwrap_or_default().to_owned();
    let named: Vec<String> = theirs.iter().map(|arg| flag(arg)).collect();
    let ours = KUBELET.iter().filter(|arg| !named.contains(&flag(arg)));
    ours.map(|arg| (*arg).to_owned()).chain(theirs).collect()
}

/// What the cluster file says of it.
pub(super) fn user_args<'a>(request: &'a Request<'_>) -> Option<&'a Setting> {
    request.cluster.k3s.settings(request.node.bootstrap_role.role()).0.get(KUBELET_ARG)
}

fn is_due(request: &Request<'_>) -> bool {
    request.board.storage == Storage::Card
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_says_of_an_argument_counts() {
        assert_eq!(with_ours(Vec::new()), KUBELET);
        let theirs = ["max-pods=200", "--container-log-max-files=9"].map(str::to_owned);
        let all = with_ours(theirs.to_vec());
        assert_eq!(all.get(..3), Some(&KUBELET.map(str::to_owned)[..3]));
        assert_eq!(all.get(3..), Some(&theirs[..]));
    }
}
