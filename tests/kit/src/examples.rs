//! The examples of the documentation, with the files that they ask their reader to write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base::root;
use crate::tools::run;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFfJV3iyL2yQ6yUq1vfF0q4l9lJ2m2yyYJ8Yv0m3lGxN a@b\n";
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";

/// A copy of an example in a new folder of `dir`, whose path is returned.
pub fn copy(name: &str, dir: &Path) -> PathBuf {
    let to = dir.join(name);
    run(Command::new("cp").arg("-r").arg(root().join("docs/examples").join(name)).arg(&to));
    let text = fs::read_to_string(to.join("cluster.toml")).expect("an example has a cluster file");
    for word in text.split('"') {
        let content = match word {
            "admin.pub" => KEY,
            "etcd.txt" => "https://10.30.0.5:2379\n",
            "mqtt-users.txt" => "sensor:secret-of-a-sensor\n",
            word if word.ends_with(".txt") => "Ab3-token_of.a~provider\n",
            word if word.ends_with(".pem") => CERTIFICATE,
            word if word.ends_with(".key") => PRIVATE_KEY,
            _ => continue,
        };
        fs::write(to.join(word), content).expect("writing what an example asks for");
    }
    to
}
