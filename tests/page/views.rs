//! Reports as the first boot writes them.

use hc_firstboot::Failure;
use hc_firstboot::report::{ClusterView, RoleName, RunStatus, Versions, View};
use hc_firstboot::state::{OtherNode, PhaseName, Record, Status};
use hc_firstboot::sys::{RealSystem, System};
use std::time::Duration;

pub(crate) fn record(name: PhaseName, status: Status, progress: Option<&str>) -> Record {
    Record {
        name,
        status,
        seconds: 2,
        progress: progress.map(str::to_owned),
        notes: vec![format!("note of {}", name.text())],
    }
}

/// Under way, in the phase network.
pub(crate) fn running() -> View {
    View {
        node: Some("hc-1".to_owned()),
        address: Some("192.168.1.7/24".to_owned()),
        cluster: Some(ClusterView {
            name: "home".to_owned(),
            role: RoleName::InitServer,
            api: Some("k3s.home.lan:6443".to_owned()),
        }),
        status: RunStatus::Running,
        phases: vec![
            record(PhaseName::Host, Status::Done, None),
            record(PhaseName::Network, Status::Running, Some("waiting: no network: no carrier on eth0")),
        ],
        uptime: 42,
        addresses: vec!["192.168.1.7".to_owned(), "fd00::7".to_owned()],
        versions: Versions {
            hcimage: "0.1.0".to_owned(),
            k3s: Some("v1.36.2+k3s1".to_owned()),
            kernel: Some("6.12.47+rpt-rpi-v8".to_owned()),
            os: Some("Debian GNU/Linux 13 (trixie)".to_owned()),
        },
        nodes: vec![
            OtherNode { name: "hc-2".to_owned(), ready: Some(true) },
            OtherNode { name: "hc-3".to_owned(), ready: Some(false) },
            OtherNode { name: "hc-4".to_owned(), ready: None },
        ],
        log: (0..40)
            .map(|i| format!("hcimage: [{i}/18] a line of the log that is as long as lines are"))
            .collect(),
        page_minutes: Some(60),
        ssh_user: Some("admin".to_owned()),
        ..View::new(None, None, Duration::from_secs(1_795_000_000))
    }
}

/// After this many phases.
pub(crate) fn after(phases: &[PhaseName]) -> View {
    let mut view = running();
    view.phases = phases.iter().map(|name| record(*name, Status::Done, None)).collect();
    if let Some(last) = view.phases.last_mut() {
        last.status = Status::Running;
        last.progress = Some(format!("working on {}", last.name.text()));
    }
    view
}

/// Just now: from then on the time of the page is counted.
pub(crate) fn ready() -> View {
    let uptime = RealSystem.uptime().as_secs();
    let phases = [PhaseName::Host, PhaseName::Network, PhaseName::K3s, PhaseName::Ready];
    let phases = phases.iter().map(|name| record(*name, Status::Done, None)).collect();
    View { status: RunStatus::Ready, phases, uptime, ..running() }
}

pub(crate) fn failed() -> View {
    let mut failure =
        Failure::new("no network: no carrier on eth0", "plug in the network cable, check the switch");
    failure.again = true;
    failure.log = vec!["eth0: link down ".repeat(20)];
    let phases =
        vec![record(PhaseName::Host, Status::Done, None), record(PhaseName::Network, Status::Failed, None)];
    View { status: RunStatus::Failed, phases, failure: Some(failure), ..running() }
}
