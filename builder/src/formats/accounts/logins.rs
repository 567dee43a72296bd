//! Who may log in by passwd(5) and shadow(5).

use super::records::Records;
use super::{passwd, shadow};

/// Matches no password. Not `!`: without PAM, sshd treats such an account as locked and rejects its keys too
/// (`LOCKED_PASSWD_PREFIX` in OpenSSH's platform.c).
pub(super) const NONE: &str = "*";

/// Removes every empty password, which would let anyone log in on the console: Debian's own images for the Raspberry Pi
/// have such a root account. In passwd(5) an empty one counts, and shadow(5) is not asked.
pub fn close_open(text: &str) -> String {
    let close = |line: &str| match line.split_once("::") {
        // A line of NIS is not an account.
        Some((name, rest)) if !name.is_empty() && !name.contains(':') && !name.starts_with(['+', '-']) => {
            format!("{name}:{NONE}:{rest}")
        }
        _ => line.to_owned(),
    };
    text.split_inclusive('\n').map(close).collect()
}

/// The accounts that have a password and a shell.
pub fn by_password(passwd: &str, shadow: &str) -> Vec<String> {
    let (passwd, shadow) = (Records::parse(passwd, passwd::FIELDS), Records::parse(shadow, shadow::FIELDS));
    let has_password = |record: &Vec<&str>| match record.get(1) {
        Some(&"x") => {
            let of_shadow = shadow.all().find(|line| line.first() == record.first());
            of_shadow.is_some_and(|line| line.get(1).is_some_and(|password| is_password(password)))
        }
        password => password.is_some_and(|password| is_password(password)),
    };
    let names = passwd.all().filter(|record| has_password(record) && passwd::has_shell(record));
    names.filter_map(|record| record.first().map(|name| (*name).to_owned())).collect()
}

fn is_password(field: &str) -> bool {
    !field.is_empty() && !field.starts_with(['*', '!'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_password_is_removed_and_nothing_else_changes() {
        let text = "root::20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\n+::::::::\nanna:$y$j9T$x$y:20000::::::\nlast:::";
        let closed = "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\n+::::::::\nanna:$y$j9T$x$y:20000::::::\nlast:*::";
        assert_eq!(close_open(text), closed);
        assert_eq!(close_open(closed), closed);
        assert_eq!(close_open("a::0:0::/:/bin/sh\nb:x:1:1::/:\n"), "a:*:0:0::/:/bin/sh\nb:x:1:1::/:\n");
    }

    #[test]
    fn an_account_with_a_password_and_a_shell_may_log_in() {
        let passwd = "root:x:0:0::/root:/bin/bash\npi:x:1000:1000::/home/pi:/bin/bash\nold:$6$a$b:1001:1001::/:\n\
                      app:x:1002:1002::/:/usr/sbin/nologin\nlocked:x:1003:1003::/:/bin/sh\nnone:x:1004:1004::/:/bin/sh\n";
        let hash = |name: &str, hash: &str| format!("{name}:{hash}:20000:0:99999:7:::\n");
        let shadow =
            [hash("root", "*"), hash("pi", "$y$1"), hash("app", "$y$1"), hash("locked", "!$y$1")].concat();
        assert_eq!(by_password(passwd, &shadow), ["pi", "old"]);
    }
}
