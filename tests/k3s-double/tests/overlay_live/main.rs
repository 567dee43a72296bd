//! `hcimage overlays apply` and `remove` on a real control plane with played nodes: the program itself, with the secrets file and the
//! kubeconfig of a build. k3s' own part is played: its `AddOn` objects, and its controller of charts.
//!
//! `make overlay-judge` builds the programs and runs this.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![allow(clippy::print_stdout, reason = "what the program said is told")]

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

#[path = "../kube_api/control_plane.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod control_plane;

#[path = "../overlay_judge/machines.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod machines;

mod apply;
mod desk;
mod files;
mod remove;

use desk::Desk;

/// One control plane for all: its start takes longer than what is tested.
#[test]
#[ignore = "needs a real control plane: make overlay-judge"]
fn overlays_come_to_a_cluster_that_runs_and_go() {
    let mut desk = Desk::start();
    apply::another_cluster_is_refused(&desk);
    apply::a_trial_changes_nothing(&desk);
    apply::it_comes_and_is_there(&desk);
    apply::what_changes_is_named(&desk);
    apply::a_rollout_that_fails_is_not_there(&desk);
    apply::fields_of_others_are_told(&desk);
    apply::what_nodes_lack_is_refused(&desk);
    apply::kinds_of_a_chart_are_waited_for(&desk);
    files::what_k3s_applies_from_files_stays_with_it(&desk);
    remove::what_goes_and_what_is_lost_is_told(&desk);
    remove::what_was_there_stays(&desk);
    remove::files_must_be_emptied(&desk);
    remove::a_chart_goes_after_its_resources(&desk);
    apply::a_second_run_completes(&mut desk);
}
