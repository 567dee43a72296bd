//! `/etc/wpa_supplicant/wpa_supplicant.conf`: the wireless network for systems whose dhcpcd starts wpa_supplicant
//! (Raspberry Pi OS bullseye). The text is secret.

use std::fmt::Write as _;

use super::profile::Wifi;
/// The path of the file.
pub const PATH: &str = "/etc/wpa_supplicant/wpa_supplicant.conf";

/// The permissions: the file contains a key.
pub const MODE: u16 = 0o600;

/// The file. The name is in hex digits, which allow any character. The password is not written, because one with a quote
/// and a `#` would be truncated: the file has the key derived from it.
pub fn render(wifi: &Wifi<'_>) -> String {
    let country = wifi.country;
    let ssid = hex(wifi.ssid.as_str());
    let key = wifi.psk.key(wifi.ssid);
    let mut text = format!(
        "# Written by hcimage.\nctrl_interface=DIR=/var/run/wpa_supplicant GROUP=netdev\nupdate_config=1\n\
         country={country}\n\nnetwork={{\n"
    );
    // Writing into a String cannot fail.
    let _ = writeln!(text, "\tssid={ssid}\n\tkey_mgmt=WPA-PSK\n\tpsk={}", key.expose());
    if wifi.hidden {
        text.push_str("\tscan_ssid=1\n");
    }
    text.push_str("}\n");
    text
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
