//! The text above the login prompt. The image has a link to it in `/etc/issue.d`, where every agetty looks; `/run/issue.d` is read
//! by that of util-linux 2.41 and later, and before only where there is no `/etc/issue`.

use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use hc_common::text::printable::printable;

use super::files;
use crate::STATUS_PORT;
use crate::report::RunStatus;
use crate::status::NodeStatus;
use crate::sys::{Command, System};

/// The text, in memory.
pub const ISSUE_PATH: &str = "/run/hcimage/issue";

/// The link of the image that leads to it. Where it leads nowhere, agetty shows nothing of it.
pub const ISSUE_LINK: &str = "/etc/issue.d/hcimage.issue";

/// agetty reloads at once, or is not there.
const RELOAD_LIMIT: Duration = Duration::from_secs(5);

/// Shows the text, or takes it back. Whether it has changed.
pub(super) fn show(sys: &dyn System, text: Option<&str>) -> io::Result<bool> {
    match text {
        Some(text) => files::replace(sys, ISSUE_PATH, text),
        None => files::remove(sys, ISSUE_PATH),
    }
}

/// Has the prompts drawn anew. A screen is cleared by that, and what somebody has begun to type is lost.
pub(super) fn redraw(sys: &dyn System) -> io::Result<()> {
    let command = Command { limit: RELOAD_LIMIT, ..Command::new("agetty", ["--reload"]) };
    sys.run(&command).map(drop)
}

/// How the node stands, where its page is, and what to do where it has stopped.
pub(super) fn text(status: &NodeStatus, is_page_served: bool) -> String {
    let node = status.node.as_deref().unwrap_or("without a name");
    let of = status.cluster().map(|name| format!(" of {name}")).unwrap_or_default();
    let phase = status.phase().map(|phase| format!(", phase {}", phase.name)).unwrap_or_default();
    let stands = match status.status {
        RunStatus::NotBegun => "its first boot has not begun".to_owned(),
        RunStatus::Running => format!("its first boot is under way{phase}"),
        RunStatus::Ready => "Ready".to_owned(),
        RunStatus::Failed => format!("its first boot has STOPPED{phase}"),
    };
    let mut text = format!("hcimage: node {node}{of}: {stands}\n");
    // Writing to a String cannot fail.
    if let Some(trouble) = &status.failure {
        let _ = writeln!(text, "  What is wrong:  {}", printable(&trouble.what));
        let _ = writeln!(text, "  What to do:     {}", printable(&trouble.advice));
        text.push_str("  The report:     hcimage-status.txt on the card; journalctl -u hc-firstboot\n");
    }
    let addresses = status.addresses();
    for address in &addresses {
        let line = if is_page_served { page(*address) } else { address.to_string() };
        let _ = writeln!(text, "  {line}");
    }
    if addresses.is_empty() {
        text.push_str("  no address yet\n");
    }
    text.push('\n');
    escaped(&text)
}

fn page(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("http://{address}:{STATUS_PORT}/"),
        IpAddr::V6(address) => format!("http://[{address}]:{STATUS_PORT}/"),
    }
}

/// In the name of a phase or a node nothing is obeyed by a terminal, and nothing anywhere by agetty, which takes a backslash for
/// its own.
fn escaped(text: &str) -> String {
    hc_common::text::printable::printable_lines(text).replace('\\', "\\\\")
}

#[cfg(test)]
mod tests {
    use super::super::service::tests::status;
    use super::*;

    #[test]
    fn it_says_where_the_page_is_and_how_far_the_node_is() {
        let running = status("running", "k3s", r#","addresses":["10.0.0.7","fd00::7"]"#);
        assert_eq!(
            text(&running, true),
            "hcimage: node pi-1 of home & <away>: its first boot is under way, phase k3s\n  \
             http://10.0.0.7:8680/\n  http://[fd00::7]:8680/\n\n"
        );
        assert!(text(&running, false).contains("\n  10.0.0.7\n"), "no page, no link to it");
        assert!(text(&status("running", "network", ""), true).contains("no address yet"));
        assert!(
            text(&status("ready", "x", ""), true).starts_with("hcimage: node pi-1 of home & <away>: Ready\n")
        );
    }

    #[test]
    fn a_failure_is_explained_and_nothing_in_it_is_obeyed() {
        let mut failed = status("failed", "net\u{9b}", "");
        failed.failure = Some(crate::status::Trouble {
            what: "no carrier on \\d\u{1b}[2J".to_owned(),
            advice: "connect\nthe cable".to_owned(),
        });
        let text = text(&failed, true);
        assert!(text.contains("has STOPPED, phase net\\\\u{9b}\n"), "{text}");
        assert!(text.contains("What is wrong:  no carrier on \\\\d\\\\u{1b}[2J\n"), "{text}");
        assert!(text.contains("What to do:     connect\\\\nthe cable\n"), "{text}");
    }
}
