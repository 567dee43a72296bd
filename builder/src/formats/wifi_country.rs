//! `/etc/modprobe.d/hcimage-wifi.conf`: the regulatory domain of the Wi-Fi radio.

use crate::value::CountryCode;

/// The path of the file.
pub const PATH: &str = "/etc/modprobe.d/hcimage-wifi.conf";

/// The file. It has the effect of `cfg80211.ieee80211_regdom=` on the kernel command line, but survives kernel updates
/// that rewrite that line.
pub fn render(country: &CountryCode) -> String {
    format!("# Written by hcimage.\noptions cfg80211 ieee80211_regdom={country}\n")
}
