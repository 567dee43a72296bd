//! What every node needs, whatever its network: name, target, modules, kernel settings.

use crate::formats::{hostname, hosts, sysctl};
use crate::os::FileState;

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    name(builder, request)?;
    target(builder);
    questions(builder);
    builder.text(sysctl::PATH, 0o644, sysctl::render(), "kernel settings that k3s needs");
    Ok(())
}

fn name(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    const REASON: &str = "the node's name";
    let (new, old) = (&request.node.name, builder.facts.hostname.clone().unwrap_or_default());
    builder.text(hostname::PATH, 0o644, hostname::render(new), REASON);
    if matches!(builder.facts.files.get(&at(hosts::PATH)), FileState::Absent) {
        builder.text(hosts::PATH, 0o644, hosts::edit("127.0.0.1\tlocalhost\n", &old, new), REASON);
        return Ok(());
    }
    builder.change(&at(hosts::PATH), REASON, |text| Ok(hosts::edit(text, &old, new)))
}

/// Nobody sits in front of a node: a desktop would only take memory.
fn target(builder: &mut PlanBuilder) {
    // The link of the base may be relative or lead through /lib: any that ends there is as good.
    const NAME: &str = "/multi-user.target";
    if let FileState::Link(target) = builder.facts.files.get(&at("/etc/systemd/system/default.target"))
        && target.ends_with(NAME)
    {
        return;
    }
    builder.link(
        "/etc/systemd/system/default.target",
        "/usr/lib/systemd/system/multi-user.target",
        "no desktop on a node",
    );
}

/// Where it has no machine id, systemd asks on the console for what it misses, such as root's password and the time zone
/// (systemd-firstboot(1)). It waits without end, and nothing starts before.
fn questions(builder: &mut PlanBuilder) {
    let asks =
        *builder.facts.files.get(&at("/lib/systemd/system/systemd-firstboot.service")) != FileState::Absent;
    if asks && builder.facts.machine_id.makes_a_first_boot() {
        let unit = "/etc/systemd/system/systemd-firstboot.service";
        builder.link(unit, "/dev/null", "nobody sits there to answer its questions");
    }
}
