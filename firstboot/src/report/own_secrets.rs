//! The node's own secrets, which no report may show in whatever form a program has logged them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base64;
use crate::mask::{password_of_url, secret_of_line};
use crate::sys::{Kind, Stat, System};

/// Where a node has the secrets that its programs may log: tokens, passwords of registries and data sources, of the node
/// itself, of Wi-Fi, and of applications, as Secrets among the manifests.
pub const SECRET_DIRS: [&str; 8] = [
    "/etc/rancher/k3s",
    "/etc/rancher/k3s/config.yaml.d",
    "/etc/rancher/node",
    "/var/lib/rancher/k3s/server",
    "/var/lib/rancher/k3s/server/manifests",
    "/etc/NetworkManager/system-connections",
    "/etc/netplan",
    "/etc/wpa_supplicant",
];

/// A larger file is none of those.
const MAX_FILE: u64 = 64 << 10;

/// A shorter one would hide half of every sentence.
const MIN_LENGTH: usize = 6;

/// The secrets in the files that only root can read. A file is read again when it has changed: it is asked for them at each
/// change of the report, and k3s makes new ones meanwhile.
#[derive(Debug, Default)]
pub(super) struct OwnSecrets(BTreeMap<PathBuf, (Stat, Vec<String>)>);

impl OwnSecrets {
    /// The secrets now; the longest first, since one may contain another.
    pub(super) fn now(&mut self, sys: &dyn System) -> Vec<String> {
        let mut known = std::mem::take(&mut self.0);
        for (path, stat) in SECRET_DIRS.iter().flat_map(|dir| private_files(sys, Path::new(dir))) {
            let unchanged = known.remove(&path).filter(|(before, _)| *before == stat);
            let read = || sys.read(&path).map(|bytes| secrets_of(&String::from_utf8_lossy(&bytes)));
            // What cannot be read now may be the next time.
            let Some(secrets) = unchanged.map(|(_, secrets)| secrets).or_else(|| read().ok()) else {
                continue;
            };
            self.0.insert(path, (stat, secrets));
        }
        let mut secrets: Vec<String> = self.0.values().flat_map(|(_, secrets)| secrets).cloned().collect();
        secrets.retain(|secret| secret.len() >= MIN_LENGTH);
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        secrets
    }
}

fn private_files(sys: &dyn System, dir: &Path) -> Vec<(PathBuf, Stat)> {
    let names = sys.list(dir).unwrap_or_default();
    let found = names.iter().map(|name| dir.join(name)).filter_map(|path| {
        let stat = sys.stat(&path).ok()?;
        let is_private = stat.kind == Kind::File && stat.size <= MAX_FILE && stat.mode & 0o077 == 0;
        is_private.then_some((path, stat))
    });
    found.collect()
}

/// Of a file in one of the directories.
fn secrets_of(text: &str) -> Vec<String> {
    let mut secrets = secrets_of_text(text);
    secrets.extend(text.split("\n---").filter(|object| object.contains("kind: Secret")).flat_map(of_secret));
    secrets
}

/// The values of a Secret of Kubernetes, whatever their names are; those of `data` as its programs log them, unpacked. YAML as people and
/// hcimage write it, a value a line or a block of lines, is understood.
fn of_secret(object: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut block: Option<&str> = None;
    for line in object.lines() {
        if !line.starts_with([' ', '\t']) && !line.is_empty() {
            block = Some(line.trim_end()).filter(|key| matches!(*key, "data:" | "stringData:"));
            continue;
        }
        let Some(kind) = block else { continue };
        let value = line.split_once(": ").map_or(line, |(_, value)| value).trim().trim_matches(['"', '\'']);
        let unpacked = base64::decode(value).filter(|_| kind == "data:").map(String::from_utf8);
        values.extend(
            unpacked
                .into_iter()
                .flatten()
                .flat_map(|text| text.lines().map(str::trim).map(str::to_owned).collect::<Vec<_>>()),
        );
        values.push(value.to_owned());
    }
    // The name of a key with a block of lines.
    values.retain(|value| !value.ends_with(':'));
    values
}

/// The secrets in the text of a file that only root can read. A file of one word is a secret as a whole: also the password at the end of a token `K10<hash>::<user>:<password>`.
pub fn secrets_of_text(text: &str) -> Vec<String> {
    let word = text.trim();
    if !word.contains(char::is_whitespace) && !word.contains('=') {
        let password = word.rsplit(':').next().unwrap_or(word);
        return vec![word.to_owned(), password.to_owned()];
    }
    let of_line =
        |line| [secret_of_line(line), password_of_url(line)].into_iter().flatten().map(str::to_owned);
    text.lines().flat_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::{secrets_of, secrets_of_text};

    #[test]
    fn files_of_one_word_and_values_of_names_are_found() {
        assert_eq!(secrets_of_text("K10ab::server:pw-of-it\n"), ["K10ab::server:pw-of-it", "pw-of-it"]);
        assert_eq!(secrets_of_text("[wifi-security]\nkey-mgmt=wpa-psk\npsk=let me in\n"), ["let me in"]);
        let registries =
            "configs:\n  \"a:5000\":\n    auth:\n      username: me\n      password: \"hunter2\"\n";
        assert_eq!(secrets_of_text(registries), ["hunter2"]);
        let store = "datastore-endpoint: \"postgres://k3s:hunter2@db/k3s\"\nnode-name: x\n";
        assert_eq!(secrets_of_text(store), ["hunter2"]);
        assert_eq!(secrets_of_text("[connection]\nid=a b\n"), [""; 0]);
    }

    #[test]
    fn values_of_a_secret_are_found_whatever_they_are_called() {
        let text = "kind: ConfigMap\ndata:\n  title: no secret\n---\nkind: Secret\nmetadata:\n  name: no-secret\nstringData:\n  \
                    a: \"plain one\"\n  b: |\n    line one\n    line two\ntype: Opaque\n---\nkind: Secret\ndata:\n  c: cGFja2VkIG9uZQ==\n";
        let found = secrets_of(text);
        for secret in ["plain one", "line one", "line two", "packed one", "cGFja2VkIG9uZQ=="] {
            assert!(found.iter().any(|one| one == secret), "{secret} is not in {found:?}");
        }
        assert!(found.iter().all(|one| !one.contains("no") && one != "Opaque"), "{found:?}");
    }
}
