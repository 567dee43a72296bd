//! cloud-init's user data and vendor data: settings that the image makes are removed from them, because they override the
//! files in `/etc/cloud`.
//!
//! Keys: cloud-init's module reference, `cc_users_groups`, `cc_set_passwords`, `cc_ssh`, `cc_set_hostname`,
//! `cc_update_etc_hosts`, `cc_mounts`, `cc_timezone`.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

mod effects;
mod kind;

pub use effects::{Effect, effects};
pub use kind::{Kind, Opaque};

use super::EditError;
use super::cloud_init::CloudInitOverrides;
use super::cloud_swap;
use super::yaml_load;

/// Their names in the boot directory, where Ubuntu's and Raspberry Pi OS's images have cloud-init's seed.
pub const NAMES: [&str; 2] = ["user-data", "vendor-data"];

/// Where NoCloud looks besides (cloud-init's documentation of the data source).
pub const PATHS: [&str; 4] = [
    "/var/lib/cloud/seed/nocloud/user-data",
    "/var/lib/cloud/seed/nocloud/vendor-data",
    "/var/lib/cloud/seed/nocloud-net/user-data",
    "/var/lib/cloud/seed/nocloud-net/vendor-data",
];

/// Keys of the node's name, `/etc/hosts`, host keys and swap.
const OF_THE_NODE: [&str; 8] = [
    "hostname",
    "fqdn",
    "prefer_fqdn_over_hostname",
    "create_hostname_file",
    "preserve_hostname",
    "manage_etc_hosts",
    "ssh_deletekeys",
    "swap",
];

/// Keys of accounts and logins.
const OF_ACCOUNTS: [&str; 8] = [
    "users",
    "user",
    "chpasswd",
    "password",
    "ssh_pwauth",
    "ssh_authorized_keys",
    "ssh_import_id",
    "disable_root",
];

/// The text without the keys that the image sets; all other bytes stay. A script is left unchanged, and so is what cannot
/// be looked into: see [`Kind`].
pub fn edit(text: &str, overrides: CloudInitOverrides) -> Result<String, EditError> {
    if !is_cloud_config(text) {
        return Ok(text.to_owned());
    }
    let is_ours = |key: &str, value: &Yaml| {
        OF_THE_NODE.contains(&key)
            || overrides.accounts && OF_ACCOUNTS.contains(&key)
            || overrides.time_zone && key == "timezone"
            || has_plain_password(key, value)
    };
    let original = parse(text)?;
    if !overrides.accounts
        && let Some(name) = plain_account(&original)
    {
        return Err(EditError::PlainPassword { name });
    }
    let mut wanted = original.clone();
    let ours: Vec<String> = wanted
        .iter()
        .filter_map(|(key, value)| key.as_str().filter(|key| is_ours(key, value)))
        .map(str::to_owned)
        .collect();
    let has_swap_lines = cloud_swap::without_swap_lines(&mut wanted);
    let of_mounts = has_swap_lines.then(|| cloud_swap::MOUNTS.to_owned());
    let Some(first) = ours.first().cloned().or(of_mounts) else {
        return Ok(text.to_owned());
    };
    ours.iter().for_each(|key| _ = wanted.remove(&Yaml::String(key.clone())));
    let edited = cloud_swap::edit(text, &original)?;
    let mut edited = without_blocks(&edited, |key| ours.iter().any(|ours| ours == key));
    if wanted.is_empty() {
        // cloud-init warns about an empty document.
        edited.push_str(if edited.ends_with('\n') { "{}\n" } else { "\n{}\n" });
    }
    // The parser must confirm that exactly these keys were removed.
    if parse(&edited).ok().as_ref() == Some(&wanted) {
        Ok(edited)
    } else {
        Err(EditError::UnusualYaml { key: first })
    }
}

/// Whether it gives an account a plain password, which anyone with the image can read, as Ubuntu's own does. It is
/// removed even if the owner's accounts are kept: a key beside it does not make it safe.
fn has_plain_password(key: &str, value: &Yaml) -> bool {
    let is_hash = |password: &str| password.starts_with('$');
    match key {
        "password" => value.as_str().is_none_or(|password| !is_hash(password)),
        "chpasswd" => {
            let list = match &value["list"] {
                Yaml::Array(lines) => lines.iter().filter_map(Yaml::as_str).collect(),
                Yaml::String(lines) => lines.lines().collect(),
                _ => Vec::new(),
            };
            let in_list =
                list.iter().any(|line| line.split_once(':').is_some_and(|(_, p)| !is_hash(p.trim())));
            let users = value["users"].as_vec().map(Vec::as_slice).unwrap_or_default();
            in_list || users.iter().any(|user| !user["password"].as_str().is_none_or(is_hash))
        }
        _ => false,
    }
}

/// An account of `users` or `user` whose password is plain (cloud-init's `cc_users_groups`: `plain_text_passwd`, and `passwd` or
/// `hashed_passwd` that is no hash). The entry may have the only key to the node, so it is not removed.
fn plain_account(settings: &Hash) -> Option<String> {
    let is_plain = |account: &Yaml| {
        let of = |key: &str| account[key].as_str();
        let no_hash = |password: &str| !password.starts_with(['$', '!', '*']);
        account["plain_text_passwd"] != Yaml::BadValue
            || of("passwd").is_some_and(no_hash)
            || of("hashed_passwd").is_some_and(no_hash)
    };
    let name = |account: &Yaml| account["name"].as_str().unwrap_or("of the distribution").to_owned();
    let value = |key: &str| settings.get(&Yaml::String(key.to_owned()));
    match value("users") {
        Some(Yaml::Array(users)) => users.iter().find(|user| is_plain(user)).map(name),
        // The old form: settings by name.
        Some(Yaml::Hash(users)) => {
            let found = users.iter().find(|(_, user)| is_plain(user))?;
            Some(found.0.as_str().unwrap_or_default().to_owned())
        }
        _ => None,
    }
    .or_else(|| value("user").filter(|user| is_plain(user)).map(name))
}

/// Whether the image's owner has defined accounts in it, or keys for the default account. Ubuntu's own only gives the
/// default account a well-known password.
pub fn makes_accounts(text: &str) -> bool {
    if !is_cloud_config(text) {
        return false;
    }
    let Ok(settings) = parse(text) else { return false };
    let value = |key: &str| settings.get(&Yaml::String(key.to_owned()));
    let names_some = |users: &Yaml| match users {
        Yaml::Array(users) => users.iter().any(|user| user.as_str() != Some("default")),
        Yaml::Hash(users) => !users.is_empty(),
        Yaml::String(users) => users.split(',').any(|user| user.trim() != "default"),
        _ => false,
    };
    value("users").is_some_and(names_some)
        || ["user", "ssh_authorized_keys", "ssh_import_id"].iter().any(|key| value(key).is_some())
}

fn is_cloud_config(text: &str) -> bool {
    Kind::of(text) == Kind::CloudConfig
}

/// The keys by which it switches swap on.
pub fn swap_keys(text: &str) -> Vec<&'static str> {
    let settings = is_cloud_config(text).then(|| parse(text).ok()).flatten();
    settings.map(|settings| cloud_swap::keys(&settings)).unwrap_or_default()
}

fn parse(text: &str) -> Result<Hash, EditError> {
    let bad = |problem: &str| EditError::BadYaml { problem: problem.to_owned() };
    let mut documents = yaml_load::load(text).map_err(|error| bad(&error.to_string()))?;
    match (documents.pop(), documents.is_empty()) {
        (None | Some(Yaml::Null), true) => Ok(Hash::new()),
        (Some(Yaml::Hash(settings)), true) => Ok(settings),
        (_, true) => Err(bad("no keys at the top level")),
        (_, false) => Err(bad("more than one document")),
    }
}

/// The text without the lines of some top-level keys. Blank lines and unindented comments stay.
fn without_blocks(text: &str, is_ours: impl Fn(&str) -> bool) -> String {
    let mut ours = false;
    let keeps = |line: &&str| {
        match line.chars().next() {
            None | Some('\r' | '\n' | '#') => return true,
            // Indented, or an item of a list, which can have the indentation of its key.
            Some(' ' | '\t') => {}
            Some('-') if !line.starts_with("---") => {}
            Some(_) => ours = top_key(line).is_some_and(&is_ours),
        }
        !ours
    };
    text.split_inclusive('\n').filter(keeps).collect()
}

fn top_key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    Some(key.trim_end().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: CloudInitOverrides = CloudInitOverrides { network: true, accounts: true, time_zone: true };
    const NODE_ONLY: CloudInitOverrides =
        CloudInitOverrides { network: true, accounts: false, time_zone: false };

    const OWN_ACCOUNTS: &str = "#cloud-config\nhostname: shed\nusers:\n- default\n- name: anna\n  ssh_authorized_keys:\n  \
                                - ssh-ed25519 AAAA anna\nssh_pwauth: false\nruncmd:\n- [ echo, 'users: none' ]\n";

    #[test]
    fn the_owner_s_accounts_stay_if_the_cluster_file_has_none() {
        assert!(makes_accounts(OWN_ACCOUNTS));
        let kept = edit(OWN_ACCOUNTS, NODE_ONLY).unwrap();
        assert_eq!(kept, OWN_ACCOUNTS.replace("hostname: shed\n", ""));
        let gone = edit(OWN_ACCOUNTS, ALL).unwrap();
        assert_eq!(gone, "#cloud-config\nruncmd:\n- [ echo, 'users: none' ]\n");
        assert!(!makes_accounts(&gone));
        assert_eq!(edit(&gone, ALL).unwrap(), gone);
    }

    /// Ubuntu's seed with the owner's key: the key must keep working, the well-known password must not.
    #[test]
    fn a_plain_password_is_removed_even_if_accounts_stay() {
        for (open, closed) in [
            (
                "#cloud-config\nchpasswd:\n  expire: true\n  users:\n  - name: ubuntu\n    password: ubuntu\n    type: text\n\
                 ssh_import_id: [lp:me]\n",
                "#cloud-config\nssh_import_id: [lp:me]\n",
            ),
            (
                "#cloud-config\nssh_authorized_keys: [k]\nchpasswd:\n  list: |\n    ubuntu:ubuntu\n",
                "#cloud-config\nssh_authorized_keys: [k]\n",
            ),
            ("#cloud-config\npassword: x\nuser: anna\n", "#cloud-config\nuser: anna\n"),
        ] {
            assert!(makes_accounts(open));
            assert_eq!(edit(open, NODE_ONLY).as_deref(), Ok(closed));
        }
        for hashed in ["password: $6$x$y\nuser: anna\n", "chpasswd: {list: ['anna:$6$x$y'], expire: false}\n"]
        {
            let text = format!("#cloud-config\n{hashed}");
            assert_eq!(edit(&text, NODE_ONLY).as_deref(), Ok(text.as_str()));
        }
    }

    #[test]
    fn a_password_for_the_default_account_does_not_define_accounts() {
        for (text, want) in [
            ("users:\n- default\n", false),
            ("users: [default, anna]\n", true),
            ("users: default\n", false),
            ("users: []\n", false),
            ("user: {name: anna}\n", true),
            ("ssh_authorized_keys: [k]\n", true),
            ("password: x\nssh_pwauth: true\n", false),
            ("chpasswd: {expire: true}\n", false),
        ] {
            assert_eq!(makes_accounts(&format!("#cloud-config\n{text}")), want, "{text}");
        }
        assert!(!makes_accounts("users: [anna]\n"), "not user data without its first line");
    }

    #[test]
    fn blank_lines_comments_and_line_ends_stay() {
        let text = "#cloud-config\r\n# mine\r\nchpasswd:\r\n  expire: true\r\n\r\n# next\r\n  # deeper\r\n  users: []\r\nlocale: C\r\n";
        assert_eq!(edit(text, ALL).unwrap(), "#cloud-config\r\n# mine\r\n\r\n# next\r\nlocale: C\r\n");
    }

    #[test]
    fn other_kinds_of_user_data_stay_unchanged() {
        for text in [
            "",
            "#!/bin/sh\nusers: x\n",
            "#cloud-config-archive\n- users: []\n",
            "#include\nhttp://x/users:\n",
        ] {
            assert_eq!(edit(text, ALL).as_deref(), Ok(text));
        }
        // The beginning decides, as in cloud-init.
        assert_eq!(
            edit("#Cloud-Config # mine\nusers: []\nb: 1\n", ALL).unwrap(),
            "#Cloud-Config # mine\nb: 1\n"
        );
        let template = "## template: jinja\n#cloud-config\nhostname: '{{ v1.x }}'\nlocale: C\n";
        assert_eq!(edit(template, ALL).unwrap(), "## template: jinja\n#cloud-config\nlocale: C\n");
        assert_eq!(edit("#cloud-config\nusers: []", ALL).unwrap(), "#cloud-config\n{}\n");
    }

    #[test]
    fn swap_goes_whoever_has_asked_for_it() {
        let text = "#cloud-config\nswap:\n  filename: /swap.img\n  size: 1G\nmounts:\n- [/dev/sdb, none, swap, sw]\n- [a, /a]\n";
        assert_eq!(swap_keys(text), ["swap", "mounts"]);
        let edited = edit(text, NODE_ONLY).unwrap();
        assert_eq!(edited, "#cloud-config\nmounts:\n- [a, /a]\n");
        assert!(swap_keys(&edited).is_empty());
        let all = "#cloud-config\nmounts:\n- [swap, none]\n";
        assert_eq!(edit(all, NODE_ONLY).unwrap(), "#cloud-config\n{}\n");
        let in_one_line = "#cloud-config\nmounts: [[a, /a], [b, none, swap]]\n";
        assert_eq!(edit(in_one_line, NODE_ONLY), Err(EditError::UnusualYaml { key: "mounts".to_owned() }));
    }

    #[test]
    fn a_plain_password_of_an_account_is_refused_where_its_owner_keeps_it() {
        for (text, name) in [
            ("users:\n- default\n- {name: eve, plain_text_passwd: x, lock_passwd: false}\n", "eve"),
            ("users:\n- {name: eve, passwd: secret}\n", "eve"),
            ("users: {eve: {hashed_passwd: secret}}\n", "eve"),
            ("user: {name: eve, plain_text_passwd: x}\nssh_pwauth: true\n", "eve"),
        ] {
            let text = format!("#cloud-config\n{text}");
            let error = edit(&text, NODE_ONLY).unwrap_err();
            assert_eq!(error, EditError::PlainPassword { name: name.to_owned() }, "{text}");
            assert!(edit(&text, ALL).is_ok(), "where the cluster file has the accounts, these go: {text}");
        }
        let hashed = "#cloud-config\nusers:\n- {name: anna, passwd: $6$a$b, lock_passwd: false}\n";
        assert_eq!(edit(hashed, NODE_ONLY).unwrap(), hashed);
    }

    #[test]
    fn a_key_that_cannot_be_removed_by_lines_is_an_error() {
        for text in [
            "{users: [anna], locale: C}\n",
            "? users\n: [anna]\n",
            "password: &p x\nlocale: *p\n",
            "locale: C\nrun: 'a\nusers: x'\nusers: []\n",
        ] {
            let error = edit(&format!("#cloud-config\n{text}"), ALL).unwrap_err();
            assert!(
                matches!(error, EditError::UnusualYaml { .. } | EditError::BadYaml { .. }),
                "{text}: {error}"
            );
        }
        for text in ["a: b: c\n", "- a list\n", "a: 1\n---\nb: 2\n", "users: [a]\nusers: [b]\n"] {
            let error = edit(&format!("#cloud-config\n{text}"), ALL).unwrap_err();
            assert!(matches!(error, EditError::BadYaml { .. }), "{text}: {error}");
        }
    }
}
