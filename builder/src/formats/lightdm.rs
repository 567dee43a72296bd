//! `/etc/lightdm/lightdm.conf`: who is logged in without being asked, on a desktop.

use hc_common::text::Lines;

/// The path of the file.
pub const PATH: &str = "/etc/lightdm/lightdm.conf";

/// The account that Raspberry Pi OS logs in to ask for the first one (raspi-config, piwiz).
const WIZARD: &str = "rpi-first-boot-wizard";

/// The text in which the wizard's account is not logged in by itself.
pub fn without_wizard(text: &str) -> String {
    let mut lines = Lines::parse(text);
    for line in lines.bodies_mut() {
        let is_wizards = line
            .split_once('=')
            .is_some_and(|(key, user)| key.trim() == "autologin-user" && user.trim() == WIZARD);
        if is_wizards {
            line.insert(0, '#');
        }
    }
    lines.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wizard_is_kept_from_logging_in() {
        let text =
            "[Seat:*]\n#autologin-user=\nautologin-user = rpi-first-boot-wizard\nautologin-session=x\n";
        let want =
            "[Seat:*]\n#autologin-user=\n#autologin-user = rpi-first-boot-wizard\nautologin-session=x\n";
        assert_eq!(without_wizard(text), want);
        assert_eq!(without_wizard(want), want);
        assert_eq!(without_wizard("autologin-user=kim\n"), "autologin-user=kim\n");
    }
}
