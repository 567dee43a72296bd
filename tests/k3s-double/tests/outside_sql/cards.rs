//! Images of two servers, and what they have for k3s of the database.

use std::fs;
use std::path::{Path, PathBuf};

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::tools::debugfs;
use yaml_rust2::YamlLoader;

use crate::ADDRESSES;

pub(crate) const BASE: &str = "debian-pc-amd64";

/// Images that `hcimage build` has made.
pub(crate) struct Images(PathBuf);

impl Images {
    /// With an endpoint in a file of its own, and CA, client certificate and key.
    pub(crate) fn build(dir: &Path, endpoint: &str, ca: &str, client: Option<&[String; 2]>) -> Self {
        let put = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        put("endpoint.txt", &format!("{endpoint}\n"));
        put("ca.pem", ca);
        let mut files = "ca-file = \"ca.pem\"\n".to_owned();
        if let Some([certificate, key]) = client {
            put("client.pem", certificate);
            put("client.key", key);
            files.push_str("cert-file = \"client.pem\"\nkey-file = \"client.key\"\n");
        }
        let nodes: String = (1..=2)
            .map(|number| {
                format!(
                    "[[nodes]]\nname = \"hc-{number}\"\nrole = \"server\"\nboard = \"pc\"\naddress = \"{}\"\n",
                    ADDRESSES[number - 1]
                )
            })
            .collect();
        let file = format!(
            "schema = 1\nname = \"home\"\n\n[k3s]\ndatastore = \"external\"\n\n[external-datastore]\n\
             endpoint = {{ file = \"endpoint.txt\" }}\n{files}\n[network]\nsubnet = \"10.9.0.0/24\"\n\
             gateway = \"10.9.0.254\"\n\n[boards.pc]\nbase = {:?}\n\n{nodes}",
            base(BASE)
        );
        put("cluster.toml", &file);
        succeed(hcimage(dir).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
        Self(dir.to_owned())
    }

    /// What the server with this number has, taken out of its image by debugfs.
    pub(crate) fn flash(&self, number: usize) -> Card {
        let dir = tempfile::tempdir().unwrap();
        let image = self.0.join(format!("out/hc-{number}.img"));
        let said = debugfs(&image, &format!("rdump /etc/rancher/k3s {}", dir.path().display()));
        let etc = dir.path().join("k3s");
        assert!(etc.join("config.yaml").exists(), "{said}");
        Card { dir }
    }
}

/// `/etc/rancher/k3s` of a server.
pub(crate) struct Card {
    pub(crate) dir: tempfile::TempDir,
}

impl Card {
    /// The value that k3s takes of a key: that of the file which is read last.
    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        let etc = self.dir.path().join("k3s");
        let mut files: Vec<PathBuf> = fs::read_dir(etc.join("config.yaml.d"))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        files.sort();
        files.insert(0, etc.join("config.yaml"));
        let value = |file: &PathBuf| {
            let all = YamlLoader::load_from_str(&fs::read_to_string(file).unwrap()).unwrap();
            all.first()?[key].as_str().map(str::to_owned)
        };
        files.iter().rev().find_map(value)
    }

    /// Where here is what a setting names.
    pub(crate) fn file(&self, key: &str) -> Option<PathBuf> {
        let path = self.setting(key)?;
        let inside = path.strip_prefix("/etc/rancher/").unwrap_or_else(|| panic!("{key}: {path}"));
        Some(self.dir.path().join(inside))
    }
}
