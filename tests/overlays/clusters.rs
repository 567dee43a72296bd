//! Clusters of one node and of four, with overlays.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hcimage::board::Boards;
use hcimage::cluster::{Checked, LoadContext, Report, parse};
use hcimage::overlays::{Library, Overlay, ParameterValue, UserFile, UserFolder};

/// Nodes of a cluster: one Pi, or four on a Turing Pi with etcd on three.
pub(crate) const ONE: &str =
    "[[nodes]]\nname = \"pi-1\"\nrole = \"server\"\nboard = \"pi4\"\naddress = \"192.168.1.11\"\n";
pub(crate) const FOUR: &str = "\
[[nodes]]\nname = \"pi-1\"\nrole = \"server\"\nboard = \"turing-pi-2-cm4\"\naddress = \"192.168.1.11\"
[[nodes]]\nname = \"pi-2\"\nrole = \"agent\"\nboard = \"turing-pi-2-cm4\"\naddress = \"192.168.1.12\"
[[nodes]]\nname = \"pi-3\"\nrole = \"agent\"\nboard = \"turing-pi-2-cm4\"\naddress = \"192.168.1.13\"
[[nodes]]\nname = \"pi-4\"\nrole = \"agent\"\nboard = \"turing-pi-2-cm4\"\naddress = \"192.168.1.14\"
";
const NETWORK: &str =
    "[network]\nsubnet = \"192.168.1.0/24\"\ngateway = \"192.168.1.1\"\ndns = [\"192.168.1.1\"]\n";

/// A cluster with these tables and nodes, and overlays of this folder before those that are compiled in.
pub(crate) fn load(dir: &Path, tables: &str, nodes: &str) -> Result<Checked, Report> {
    let k3s = k3s(tables);
    let text = format!("schema = 1\nname = \"home\"\n{k3s}{tables}\n{NETWORK}\n{nodes}");
    let context = LoadContext {
        boards: &Boards::load(None).unwrap(),
        overlays: &Library::new(vec![dir.to_owned()]),
        dir,
        read: &|path| fs::read(path),
        list: &|path| list(dir, path),
        is_outside: &|_| false,
        is_shared: false,
    };
    parse(&text, "cluster.toml", &context)
}

/// Where there is no folder, one is played that has a page for each name that overlays have as an example.
fn list(dir: &Path, path: &Path) -> Result<UserFolder, String> {
    if dir.exists() {
        return UserFolder::list(path);
    }
    let page = |name: &str| UserFile { name: name.to_owned(), size: 1000 };
    let names = ["index.html", "www.example.org/index.html", "blog.example.org/index.html"];
    Ok(UserFolder::new(path.to_owned(), names.map(page).to_vec()))
}

/// What two overlays want to be set in `[k3s]`, which no overlay can set. etcd on a card is warned of, so it has a disk.
fn k3s(tables: &str) -> String {
    let wants = |name: &str| tables.contains(&format!("[overlays.{name}]\n"));
    let (encrypted, etcd) = (wants("hardening"), wants("etcd-s3"));
    let mut text = String::new();
    if tables.contains("[k3s]") || !(encrypted || etcd) {
        return text;
    }
    text.push_str("[k3s]\n");
    if encrypted {
        text.push_str("secrets-encryption = true\n");
    }
    if etcd {
        text.push_str("datastore = \"etcd\"\n[data-disk]\nmount = \"/var/lib/rancher/k3s/server/db\"\n");
    }
    text
}

/// The table of an overlay with what must be set, and no more.
pub(crate) fn table(overlay: &Overlay) -> String {
    let mut text = format!("[overlays.{}]\n", overlay.name);
    for (name, parameter) in &overlay.parameters {
        if parameter.default.is_none() && !parameter.optional {
            let example = parameter.example.clone();
            let choice = || parameter.choices.first().cloned().map(ParameterValue::Text);
            let value = example.or_else(choice);
            let value = value.unwrap_or_else(|| panic!("{}: {name} has no example", overlay.name));
            let _ = writeln!(text, "{name} = {}", toml::Value::try_from(value).unwrap());
        }
    }
    for (name, _) in overlay.secrets.iter().filter(|(_, secret)| secret.given && !secret.optional) {
        let _ = writeln!(text, "{name} = \"hunter2\"");
    }
    // What the first choice of a parameter needs is optional for others.
    if overlay.name.as_str() == "external-dns" {
        text.push_str("token = \"hunter2\"\n");
    }
    text
}
