//! `/var/lib/NetworkManager/NetworkManager.state`: whether NetworkManager may use the radio. Raspberry Pi OS says no until
//! somebody has named a country.

use hc_common::text::Lines;

/// Where the file lies.
pub const PATH: &str = "/var/lib/NetworkManager/NetworkManager.state";

/// Switches wireless networks on, where the file switches them off.
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
    fn only_the_radio_is_switched_on() {
        let text = "[main]\nNetworkingEnabled=false\nWirelessEnabled=false\nWWANEnabled=false\n";
        let want = "[main]\nNetworkingEnabled=false\nWirelessEnabled=true\nWWANEnabled=false\n";
        assert_eq!(edit(text), want);
        assert_eq!(edit(want), want);
    }
}
