//! Helm charts: from repositories, registries, archives and folders onto this machine. The registry is Debian's docker-registry;
//! repositories are a server of the tests' own, which can have faults.

#![cfg(test)]

mod helm;
mod local;
mod registry;
mod repository;

use hcimage::charts::{ChartError, ChartPlace, PackedChart, obtain};
use hcimage::images::RegistryHosts;
use hcimage_testkit::desk::{Desk, chain, pack};
use hcimage_testkit::oci_layout::tar;

/// A packed chart as Helm writes one.
fn packed(name: &str, version: &str, values: &str) -> Vec<u8> {
    let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let files = [
        (format!("{name}/Chart.yaml"), chart),
        (format!("{name}/values.yaml"), values.to_owned()),
        (format!("{name}/templates/config.yaml"), "kind: ConfigMap\n".to_owned()),
    ];
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    pack("gzip", &["-n", "-c"], &tar(&files))
}

fn chart(desk: &Desk, place: &ChartPlace) -> Result<PackedChart, ChartError> {
    obtain(&desk.tools(), &mut desk.lock(), &RegistryHosts::default(), "web", place)
}

/// What is said where the chart cannot be had.
fn refused(desk: &Desk, place: &ChartPlace) -> String {
    chain(&chart(desk, place).expect_err("the chart is refused"))
}
