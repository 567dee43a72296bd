//! The cluster file: reports of invalid files, results of valid ones, and the documents generated from the types.
//!
//! `HCIMAGE_BLESS=1 cargo test -p hcimage --test cluster` rewrites documents and expected reports: check the
//! difference before you commit it.

#![cfg(test)]

mod accepted;
mod documents;
mod mistakes;
mod properties;
mod secrets;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hcimage::board::Boards;
use hcimage::cluster::{Checked, LoadContext, Report, parse};
use hcimage::overlays::{Library, UserFolder};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares with a file of the repository, or rewrites it if requested.
fn golden(path: &Path, got: &str) {
    hcimage_testkit::golden::check(path, got, "cargo test -p hcimage --test cluster");
}

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti me@laptop\n";

/// The files that the cluster files of these tests name.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let text = match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
        "admin.pub" => KEY,
        "id_ed25519" => "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----\n",
        "home-ca.pem" | "cert.pem" | "etcd-ca.pem" | "k3s-etcd.pem" => {
            "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"
        }
        "key.pem" | "k3s-etcd.key" => {
            "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n"
        }
        "registry-password.txt" | "wifi-password.txt" => "hunter2hunter2\r\n",
        "etcd.txt" => "https://10.30.0.5:2379,https://10.30.0.6:2379\n",
        "mqtt-users.txt" => "sensor:hunter2hunter2\n",
        "endpoint.txt" => "postgres://k3s:hunter2@db.home.lan:5432/k3s\n",
        "list.yaml" => "- a\n",
        "chart-web.yaml" => "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: web\n",
        "short-password.txt"
        | "dyndns-token.txt"
        | "cloudflare-token.txt"
        | "mail-password.txt"
        | "s3-access-key.txt"
        | "s3-secret-key.txt" => "hunter2",
        "node-token.txt" => {
            "K105f1c6b6c0b8a4b9a3a3f1d0c9a7b64c2f1f2a0d3e4b5c6d7e8f9a0b1c2d3e4f5::server:hunter2\n"
        }
        "own-token.txt" => "hunter2-hunter2-hunter2-0123\n",
        "kube-vip.yaml"
        | "shop.yaml"
        | "metrics-server.yaml"
        | "metrics-server.v1.yaml"
        | "servicelb.yml"
        | "resource-reader.yaml"
        | "traefik.json"
        | "METRICS.YAML"
        | "shop.yaml.skip" => "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n",
        _ => return Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    Ok(text.as_bytes().to_vec())
}

/// The folder of the example `closed-site`.
fn list(path: &Path) -> Result<UserFolder, String> {
    match path.to_str() {
        Some("sites") => UserFolder::list(&root().join("docs/examples/closed-site/sites")),
        _ => Err("no folder is named".to_owned()),
    }
}

/// The built-in boards, and one that is too small for a server.
fn boards() -> Boards {
    let dir = tempfile::tempdir().unwrap();
    let cm4 = include_str!("../../board-profiles/cm4.toml");
    let small = cm4.replace("name = \"cm4\"", "name = \"zero2w\"\nroles = [\"agent\"]");
    fs::write(dir.path().join("zero2w.toml"), small).unwrap();
    Boards::load(Some(dir.path())).unwrap()
}

fn check(text: &str) -> Result<Checked, Report> {
    let context = LoadContext {
        boards: &boards(),
        overlays: &Library::default(),
        dir: Path::new(""),
        read: &read,
        list: &list,
        is_outside: &|_| false,
        is_shared: false,
    };
    parse(text, "cluster.toml", &context)
}
