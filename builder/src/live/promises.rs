//! The wait until what overlays promise is there: the same questions as those of firstboot.

use std::time::Duration;

use hc_firstboot::kube::KubeError;
use hc_firstboot::seed::NamespacedName;
use hc_firstboot::workload::{Objects, State};

use crate::overlays::PromiseKind;

use super::{Api, LiveError, LiveOverlay};

/// Between two rounds.
const PAUSE: Duration = Duration::from_secs(3);

/// How long helm-controller may take until it begins with a chart that was changed: before, the chart looks as if it were done.
const TAKEN_UP: Duration = Duration::from_secs(10);

/// What is waited for.
struct Wanted<'a> {
    /// None is a chart.
    kind: Option<PromiseKind>,
    name: &'a NamespacedName,
    /// What was told last; nothing once it is there.
    told: Option<String>,
    is_there: bool,
}

impl Wanted<'_> {
    fn shown(&self) -> String {
        match self.kind {
            Some(kind) => format!("{kind} {}", self.name),
            None => format!("chart {}", self.name.name()),
        }
    }

    /// What was told last of one that is not there.
    fn why(&self) -> Option<String> {
        Some(self.told.as_ref()?.strip_prefix("waiting: ")?.to_owned())
    }

    fn state(&self, objects: &Objects<'_>) -> Result<State, KubeError> {
        match self.kind {
            None => objects.chart(self.name),
            Some(PromiseKind::Deployment) => objects.deployment(self.name),
            Some(PromiseKind::StatefulSet) => objects.stateful_set(self.name),
            Some(PromiseKind::DaemonSet) => objects.whole_daemon_set(self.name),
            Some(PromiseKind::LoadBalancer) => objects.load_balancer(self.name),
            Some(PromiseKind::Certificate) => objects.certificate(self.name),
        }
    }
}

/// Waits until all that these overlays promise is there, or `seconds` are over. `tell` gets a line whenever something changes.
/// `charts_changed` says that charts were written just now.
///
/// # Errors
/// [`LiveError::NotThere`] with the cluster's reasons.
pub fn wait(
    api: &Api,
    overlays: &[&LiveOverlay],
    charts_changed: bool,
    seconds: u64,
    tell: &mut dyn FnMut(&str),
) -> Result<(), LiveError> {
    let end = api.uptime().saturating_add(Duration::from_secs(seconds));
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for overlay in overlays {
        let wanted = |kind, name| Wanted { kind, name, told: None, is_there: false };
        all.extend(overlay.charts.iter().map(|name| wanted(None, name)));
        all.extend(overlay.promises.iter().map(|promise| wanted(Some(promise.kind), &promise.name)));
    }
    if charts_changed {
        tell("waiting: the cluster takes up the charts");
        api.pause(TAKEN_UP)?;
    }
    loop {
        let client = api.client();
        // Each round asks anew for the pods.
        let objects = Objects::new(&client).after_a_change();
        for one in &mut all {
            api.pause(Duration::ZERO)?;
            let state = one.state(&objects);
            let shown = one.shown();
            let told = match state {
                Ok(Ok(())) if one.is_there => continue,
                Ok(Ok(())) => {
                    one.is_there = true;
                    format!("there: {shown}")
                }
                Ok(Err(why)) => {
                    one.is_there = false;
                    format!("waiting: {shown}{}", why.map(|why| format!(": {why}")).unwrap_or_default())
                }
                Err(error) => {
                    one.is_there = false;
                    format!("waiting: {shown}: {error}")
                }
            };
            if one.told.as_ref() != Some(&told) {
                tell(&told);
                one.told = Some(told);
            }
        }
        let missing: Vec<String> = all.iter().filter(|one| !one.is_there).filter_map(Wanted::why).collect();
        if missing.is_empty() {
            return Ok(());
        }
        if api.uptime() >= end {
            return Err(LiveError::NotThere { seconds, missing });
        }
        api.pause(PAUSE)?;
    }
}
