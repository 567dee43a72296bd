//! `/etc/ssh/sshd_config.d/00-hcimage.conf`: login by key only (sshd_config(5)).

/// The path of the file. The first value wins, and the files are read in order of their names: cloud-init writes a
/// `50-cloud-init.conf`.
pub const PATH: &str = "/etc/ssh/sshd_config.d/00-hcimage.conf";

/// The main file, which includes the directory of [`PATH`].
pub const MAIN_PATH: &str = "/etc/ssh/sshd_config";

/// The file. The third line has the name that every release since bullseye accepts for keyboard-interactive login.
pub fn render() -> String {
    "# Written by hcimage: the accounts of the cluster file have keys.\n\
     PasswordAuthentication no\n\
     ChallengeResponseAuthentication no\n\
     PermitRootLogin no\n"
        .into()
}

/// Whether the main file includes the directory of [`PATH`] before it sets any of these keywords itself.
pub fn reads_dir_first(main: &str) -> bool {
    const OURS: [&str; 5] = [
        "passwordauthentication",
        "challengeresponseauthentication",
        "kbdinteractiveauthentication",
        "permitrootlogin",
        "match",
    ];
    for line in main.lines() {
        let mut words =
            line.split(|c: char| c.is_ascii_whitespace() || c == '=').filter(|word| !word.is_empty());
        let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
        if keyword == "include" && words.any(|path| path.trim_matches('"') == "/etc/ssh/sshd_config.d/*.conf")
        {
            return true;
        }
        if OURS.contains(&keyword.as_str()) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_include_after_the_settings_is_not_effective() {
        assert!(reads_dir_first("# x\nInclude /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin yes\n"));
        assert!(reads_dir_first("Port 22\ninclude=\"/etc/ssh/sshd_config.d/*.conf\"\n"));
        for main in [
            "",
            "#Include /etc/ssh/sshd_config.d/*.conf\n",
            "PasswordAuthentication yes\nInclude /etc/ssh/sshd_config.d/*.conf\n",
            "Match User x\nInclude /etc/ssh/sshd_config.d/*.conf\n",
        ] {
            assert!(!reads_dir_first(main), "{main}");
        }
    }
}
