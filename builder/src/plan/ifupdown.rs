//! The node's address where ifupdown sets it up. It knows interfaces by name only.

use crate::formats::interfaces::{self, Up};
use crate::formats::profile::Profile;
use crate::fs::ImagePath;
use crate::os::{FileState, NotTaken};
use crate::value::InterfaceName;

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::network::REASON;

pub(super) fn edits(builder: &mut PlanBuilder, profile: &Profile<'_>) -> Result<(), PlanError> {
    if let Some(mac) = profile.mac {
        return Err(PlanError::Unsupported {
            what: format!("choosing the interface by its MAC address {mac} on an image with ifupdown"),
            hint: "leave `mac` out and name the `interface`, such as eth0".to_owned(),
        });
    }
    let main = at(interfaces::PATH);
    let others = others(builder)?;
    let texts = texts(builder, &others)?;
    let port = port(&texts, profile)?;
    let interface = interface_on(&port, profile)?;
    let brought_up = |interface| texts.iter().find_map(|text| interfaces::brought_up(text, interface));
    // A VLAN comes up when its port does.
    let up = Up { already: brought_up(&interface).is_some(), by: brought_up(&port).unwrap_or_default() };
    for path in others {
        builder.change(&path, REASON, |text| {
            Ok(interfaces::without(&interfaces::without(text, &port), &interface))
        })?;
    }
    builder.change(&main, REASON, |text| {
        Ok(interfaces::edit(text, &interface, profile.vlan.map(|_| &port), profile, up))
    })
}

/// The interface that will have the address.
pub(super) fn interface(builder: &PlanBuilder, profile: &Profile<'_>) -> Result<InterfaceName, PlanError> {
    interface_on(&port(&texts(builder, &others(builder)?)?, profile)?, profile)
}

/// What the further files and the main one say.
fn texts<'a>(builder: &PlanBuilder<'a>, others: &[ImagePath]) -> Result<Vec<&'a str>, NotTaken> {
    let facts = builder.facts;
    let main = at(interfaces::PATH);
    let all = others.iter().chain([&main]).map(|path| facts.files.text(path));
    all.filter_map(Result::transpose).collect()
}

fn interface_on(port: &InterfaceName, profile: &Profile<'_>) -> Result<InterfaceName, PlanError> {
    let Some(vlan) = profile.vlan else { return Ok(port.clone()) };
    vlan.interface_on(port).map_err(|_| PlanError::Unsupported {
        what: format!("VLAN {vlan} on the port {port}, whose names are longer than the kernel's together,"),
        hint: "rename the port in the image (systemd.link(5)), or use an image with another network service"
            .to_owned(),
    })
}

fn port(texts: &[&str], profile: &Profile<'_>) -> Result<InterfaceName, PlanError> {
    profile.interface.cloned().map_or_else(|| only_wired(texts), Ok)
}

/// The further files, where the main one reads them.
fn others(builder: &PlanBuilder) -> Result<Vec<ImagePath>, NotTaken> {
    let main = builder.facts.files.text(&at(interfaces::PATH))?;
    if !main.is_some_and(interfaces::reads_dir) {
        return Ok(Vec::new());
    }
    let dir = at(interfaces::DIR);
    let files = builder.facts.files.below(&dir)?;
    let texts = files.filter(|(_, state)| matches!(state, FileState::Text(..)));
    Ok(texts.map(|(path, _)| path.clone()).collect())
}

/// The one that the base itself sets up.
fn only_wired(texts: &[&str]) -> Result<InterfaceName, PlanError> {
    let mut names: Vec<&str> = texts.iter().flat_map(|text| interfaces::configured(text)).collect();
    // Radios, and VLANs above a port.
    names.retain(|name| !name.starts_with("wl") && !name.contains('.'));
    names.sort_unstable();
    names.dedup();
    let only = match names.as_slice() {
        [name] => name.parse().ok(),
        _ => None,
    };
    only.ok_or_else(|| PlanError::Unsupported {
        what: format!(
            "choosing among the interfaces that ifupdown sets up in the image ({})",
            names.join(", ")
        ),
        hint: "name the node's `interface`".to_owned(),
    })
}
