//! Packages: names that are there twice, units that are asked for both ways.

use crate::cluster::file::{File, PackageTable};
use crate::cluster::problem::Problems;

use super::{node_choice, unique};

pub(super) fn check(file: &File, problems: &mut Problems<'_>) {
    let named = file.packages.iter().filter_map(|package| package.name.as_ref());
    let named = named.map(|name| (&name.value, &name.span));
    unique::check(problems, named, |name| format!("duplicate package {name}"), "put both in one table");
    for package in &file.packages {
        units(package, problems);
        node_choice::check(package.role.as_ref(), &package.nodes, "package", file, problems);
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
