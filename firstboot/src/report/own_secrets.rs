//! The node's own secrets, which no report may show in whatever form a program has logged them.

use std::path::{Path, PathBuf};

use crate::mask::{password_of_url, secret_of_line};
use crate::sys::{Kind, System};

/// Where a node has the secrets that its programs may log: tokens, passwords of registries and data sources, of the node
/// itself, of Wi-Fi.
pub const SECRET_DIRS: [&str; 6] = [
    "/etc/rancher/k3s",
    "/etc/rancher/k3s/config.yaml.d",
    "/etc/rancher/node",
    "/var/lib/rancher/k3s/server",
    "/etc/NetworkManager/system-connections",
    "/etc/netplan",
];

/// A larger file is none of those.
const MAX_FILE: u64 = 64 << 10;

/// A shorter one would hide half of every sentence.
const MIN_LENGTH: usize = 6;

/// The secrets in the files that only root can read; the longest first, since one may contain another.
pub(super) fn own_secrets(sys: &dyn System) -> Vec<String> {
    let mut secrets: Vec<String> = SECRET_DIRS.iter().flat_map(|dir| of_dir(sys, Path::new(dir))).collect();
    secrets.retain(|secret| secret.len() >= MIN_LENGTH);
    secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    secrets.dedup();
    secrets
}

fn of_dir(sys: &dyn System, dir: &Path) -> Vec<String> {
    let names = sys.list(dir).unwrap_or_default();
    let paths = names.iter().map(|name| dir.join(name));
    let is_private = |path: &PathBuf| {
        sys.stat(path)
            .is_ok_and(|stat| stat.kind == Kind::File && stat.size <= MAX_FILE && stat.mode & 0o077 == 0)
    };
    let texts = paths.filter(is_private).filter_map(|path| sys.read(&path).ok());
    texts.flat_map(|bytes| secrets_of_text(&String::from_utf8_lossy(&bytes))).collect()
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
    use super::secrets_of_text;

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
}
