//! What every node needs, whatever its network: name, target, modules, kernel settings.

use crate::formats::{hostname, hosts, sysctl};
use crate::os::{FileState, Interest};

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const TARGET: &str = "/etc/systemd/system/default.target";

pub(super) const READS: [Interest; 2] = [Interest::Path(hosts::PATH), Interest::Path(TARGET)];

pub(super) fn edits(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    name(builder, request)?;
    target(builder)?;
    builder.text(sysctl::PATH, 0o644, sysctl::render(), "kernel settings that k3s needs");
    Ok(())
}

fn name(builder: &mut PlanBuilder, request: &Request<'_>) -> Result<(), PlanError> {
    const REASON: &str = "the node's name";
    let (new, old) = (&request.node.name, builder.facts.hostname.clone().unwrap_or_default());
    builder.text(hostname::PATH, 0o644, hostname::render(new), REASON);
    if builder.is_absent(hosts::PATH)? {
        builder.text(hosts::PATH, 0o644, hosts::edit("127.0.0.1\tlocalhost\n", &old, new), REASON);
        return Ok(());
    }
    builder.change(&at(hosts::PATH), REASON, |text| Ok(hosts::edit(text, &old, new)))
}

/// Nobody sits in front of a node: a desktop would only take memory.
fn target(builder: &mut PlanBuilder) -> Result<(), PlanError> {
    // The link of the base may be relative or lead through /lib: any that ends there is as good.
    const NAME: &str = "/multi-user.target";
    if let FileState::Link(target) = builder.base(TARGET)?
        && target.ends_with(NAME)
    {
        return Ok(());
    }
    builder.link(TARGET, "/usr/lib/systemd/system/multi-user.target", "no desktop on a node");
    Ok(())
}
