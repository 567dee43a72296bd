//! `/etc/systemd/journald.conf.d/10-hcimage.conf`: how much of a card the journal takes, and how often it is written.

/// Where the file lies.
pub const PATH: &str = "/etc/systemd/journald.conf.d/10-hcimage.conf";

/// The file (journald.conf(5)). Whether the journal outlives a restart is for the base to say: of a node out of reach one
/// wants to read why it restarted, so it is bounded here and not made volatile. What is critical is written at once,
/// whatever the interval.
pub fn render() -> String {
    "# Written by hcimage: a card is small, and each write wears it.\n\
     [Journal]\n\
     SystemMaxUse=64M\n\
     RuntimeMaxUse=32M\n\
     SyncIntervalSec=15min\n"
        .to_owned()
}
