//! `/var/lib/NetworkManager/NetworkManager.state`: whether NetworkManager may use the radio. Raspberry Pi OS disables it
//! until a country is set.

use hc_common::text::Lines;

/// The path of the file.
pub const PATH: &str = "/var/lib/NetworkManager/NetworkManager.state";

/// Enables wireless networks if the file disables them.
pub fn edit(text: &str) -> String {
    let mut lines = Lines::parse(text);
    for line in lines.bodies_mut() {
        let setting = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        if setting == Some(("WirelessEnabled", "false")) {
            "WirelessEnabled=true".clone_into(line);
        }
    }
    lines.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wireless_is_enabled() {
        let text = "[main]\nNetworkingEnabled=false\nWirelessEnabled=false\nWWANEnabled=false\n";
        let want = "[main]\nNetworkingEnabled=false\nWirelessEnabled=true\nWWANEnabled=false\n";
        assert_eq!(edit(text), want);
        assert_eq!(edit(want), want);
    }
}
