//! `/etc/systemd/journald.conf.d/10-hcimage.conf`: limits the journal's size and how often it is written.

/// The path of the file.
pub const PATH: &str = "/etc/systemd/journald.conf.d/10-hcimage.conf";

/// The file (journald.conf(5)). It limits the journal and does not make it volatile: a persistent journal shows why a
/// remote node restarted. The base decides whether it is persistent. Critical messages are written at once, regardless
/// of the interval.
pub fn render() -> String {
    "# Written by hcimage: a card is small, and each write wears it.\n\
     [Journal]\n\
     SystemMaxUse=64M\n\
     RuntimeMaxUse=32M\n\
     SyncIntervalSec=15min\n"
        .to_owned()
}
