//! Packages: names that are there twice, units that are asked for both ways, nodes that do not exist.

use crate::cluster::file::{File, PackageTable};
use crate::cluster::problem::Problems;

use super::unique;

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let named = file.packages.iter().filter_map(|package| package.name.as_ref());
    let named = named.map(|name| (&name.value, &name.span));
    unique::check(problems, named, |name| format!("duplicate package {name}"), "put both in one table");
    for package in &file.packages {
        units(package, problems);
        nodes(package, file, problems);
    }
}

fn units(package: &PackageTable, problems: &mut Problems<'_>) {
    for unit in &package.disable {
        if package.enable.iter().any(|other| other.value == unit.value) {
            let message = format!("{} is in `enable` and in `disable`", unit.value);
            problems.error(&unit.span, message, "remove it from one of them");
        }
    }
}

fn nodes(package: &PackageTable, file: &File, problems: &mut Problems<'_>) {
    for name in &package.nodes {
        let mut named =
            file.nodes.iter().filter(|node| node.name.as_ref().is_some_and(|own| own.value == name.value));
        let Some(node) = named.next() else {
            if problems.is_whole() {
                problems.error(
                    &name.span,
                    format!("no node is named {}", name.value),
                    "name one of [[nodes]]",
                );
            }
            continue;
        };
        let other = package.role.as_ref().zip(node.role.as_ref()).filter(|(role, of)| role.value != of.value);
        if let Some((role, _)) = other {
            let message = format!("the node {} has another role than this package is for", name.value);
            problems.error(&role.span, message, "remove `role`, or the node");
        }
    }
}
