//! `/etc/modprobe.d/hcimage-wifi.conf`: whose rules for radio hold.

use crate::value::CountryCode;

/// Where the file goes.
pub const PATH: &str = "/etc/modprobe.d/hcimage-wifi.conf";

/// The file. It sets what `cfg80211.ieee80211_regdom=` would on the kernel's command line, and stays where a kernel
/// update writes that anew.
pub fn render(country: &CountryCode) -> String {
    format!("# Written by hcimage.\noptions cfg80211 ieee80211_regdom={country}\n")
}
