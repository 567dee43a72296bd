//! The page: HTML that says all without its script, made from the report alone.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hc_common::text::printable::printable;

use super::{is_local, qr};
use crate::phase_error::Failure;
use crate::report::{RoleName, RunStatus, View, date};
use crate::state::{OtherNode, Record, Status};

/// The style of the page; the policy of the answers has its hash.
pub(super) const STYLE: &str = include_str!("page.css");
/// See [`STYLE`].
pub(super) const SCRIPT: &str = include_str!("page.js");

/// What a reader without the script gets: the page again, while the node has news.
const RELOAD: &str = "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>";

/// The page for a connection that came in `at` one of the node's addresses, `uptime` seconds after power-on.
pub fn page(view: &View, uptime: u64, at: SocketAddr) -> String {
    let node = escaped(view.node.as_deref().unwrap_or("unknown node"));
    let word = word(view.status);
    let reload = if view.status == RunStatus::Ready { "" } else { RELOAD };
    let result = section("result", status_class(view.status), &result(view));
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{node}: {word}</title>\n<style>{STYLE}</style>\n{reload}\n</head>\n<body>\n<main>\n\
         <h1>{node}</h1>\n{}{result}",
        cluster(view)
    );
    html.push_str("<p id=\"lost\" hidden>The node does not answer at the moment: the page shows what it said last.</p>\n");
    html.push_str(&section("failure", "", &view.failure.as_ref().map(failure).unwrap_or_default()));
    html.push_str(&section("access", "", &access(view)));
    html.push_str(&section("phases", "", &phases(view, uptime)));
    html.push_str(&section("nodes", "", &nodes(&view.nodes)));
    html.push_str(&section("about", "", &about(view, at)));
    let log = format!("<pre>{}</pre>", escaped_lines(&view.log));
    let _ = write!(
        html,
        "<details open><summary>Last lines of the log</summary>{}</details>\n</main>\n",
        section("log", "", &log)
    );
    let footer = "<footer>hcimage: the first boot of this node. The same as <a href=\"/status.json\">JSON</a>.</footer>\n";
    let _ = write!(html, "{footer}<script>{SCRIPT}</script>\n</body>\n</html>\n");
    html
}

/// A part that the script replaces; the first one is read aloud when it changes.
fn section(id: &str, class: &str, content: &str) -> String {
    let aloud = if id == "result" { " role=\"status\"" } else { "" };
    format!("<div id=\"{id}\" class=\"{class}\" data-live{aloud}>{content}</div>\n")
}

fn word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::NotBegun => "not begun",
        RunStatus::Running => "under way",
        RunStatus::Ready => "Ready",
        RunStatus::Failed => "failed",
    }
}

fn status_class(status: RunStatus) -> &'static str {
    match status {
        RunStatus::NotBegun | RunStatus::Running => "running",
        RunStatus::Ready => "ready",
        RunStatus::Failed => "failed",
    }
}

fn cluster(view: &View) -> String {
    let Some(cluster) = &view.cluster else { return String::new() };
    let role = match cluster.role {
        RoleName::InitServer => "first server",
        RoleName::JoinServer => "further server",
        RoleName::Agent => "agent",
    };
    format!("<p class=\"soft\">Cluster {}, as {role}</p>\n", escaped(&cluster.name))
}

/// How it stands, and what it waits for.
fn result(view: &View) -> String {
    let now = view.phases.iter().find(|record| record.status == Status::Running);
    let text = match (view.status, now) {
        (RunStatus::NotBegun, _) => "The first boot has not begun since power-on: it waits for the system's own services, such as \
                                     cloud-init and the SSH keys. After a power cut it then goes on where it was."
            .to_owned(),
        (RunStatus::Running, Some(record)) => {
            let progress = record.progress.as_deref().map(|text| format!(": {}", escaped(text)));
            format!("Phase {}{}", record.name.text(), progress.unwrap_or_default())
        }
        (RunStatus::Running, None) => "Between two phases.".to_owned(),
        (RunStatus::Ready, _) => "The node is Ready.".to_owned(),
        (RunStatus::Failed, _) => {
            view.failure.as_ref().map(|failure| escaped(&failure.what)).unwrap_or_default()
        }
    };
    let mut html = format!("<h2>{}</h2><p>{text}</p>", capital(word(view.status)));
    for note in &view.notes {
        let _ = write!(html, "<p>Note: {}</p>", escaped(note));
    }
    html
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn failure(failure: &Failure) -> String {
    let next = if failure.again {
        // The pause is that of the unit.
        "The node tries again every ten minutes, and at each boot."
    } else {
        "The node does not try again by itself: follow the advice, then power it off and on."
    };
    let log = match failure.log.as_slice() {
        [] => String::new(),
        lines => format!("<h3>Log of the failure</h3><pre>{}</pre>", escaped_lines(lines)),
    };
    format!(
        "<h2>What to do</h2><p>{}</p><h2>What is next</h2><p>{next}</p>{log}",
        capital(&escaped(&failure.advice))
    )
}

/// How to get in, once the node is Ready.
fn access(view: &View) -> String {
    if view.status != RunStatus::Ready {
        return String::new();
    }
    let address = view.addresses.first().map_or("ADDRESS", String::as_str);
    let mut html = "<h2>How to get in</h2><dl>".to_owned();
    let mut row = |what: &str, how: &str| {
        let _ = write!(html, "<dt>{what}</dt><dd>{how}</dd>");
    };
    match &view.ssh_user {
        Some(user) => row("Log in", &code(&format!("ssh {user}@{address}"))),
        None => row("Log in", "the cluster file names no account with an SSH key"),
    }
    let is_server = view.cluster.as_ref().is_some_and(|cluster| cluster.role != RoleName::Agent);
    if is_server {
        let kubectl = code("kubectl --kubeconfig out/kubeconfig get nodes");
        row(
            "Cluster",
            &format!("{kubectl} where the image was built, or {} here", code("sudo k3s kubectl get nodes")),
        );
        row(
            "Applications",
            &format!("their addresses: {}", code("sudo k3s kubectl get ingresses,services -A")),
        );
    }
    let minutes = view.page_minutes.unwrap_or_default();
    let _ = write!(
        html,
        "</dl><p class=\"soft\">This page goes off {minutes} minutes after the node was Ready, and does not come back at \
         later boots.</p>"
    );
    html
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// The phases that were begun. Since the report was written, a running one has become older.
fn phases(view: &View, uptime: u64) -> String {
    if view.phases.is_empty() {
        return String::new();
    }
    let age = uptime.saturating_sub(view.uptime);
    let runs = view.status == RunStatus::Running;
    let rows: String = view.phases.iter().map(|record| phase(record, age, runs)).collect();
    format!("<h2>Phases</h2><ol>{rows}</ol>")
}

fn phase(record: &Record, age: u64, runs: bool) -> String {
    let (class, state) = match record.status {
        Status::Running => ("running", if runs { "running" } else { "interrupted" }),
        Status::Done => ("done", "done"),
        Status::Failed => ("failed", "FAILED"),
    };
    let time = if record.status == Status::Running && runs {
        let seconds = record.seconds.saturating_add(age);
        format!("<span data-seconds=\"{seconds}\">{}</span>", duration(seconds))
    } else {
        format!("<span>{}</span>", duration(record.seconds))
    };
    let notes = match (record.status, &record.progress) {
        (Status::Running, Some(progress)) => escaped(progress),
        _ => escaped(&record.notes.join("; ")),
    };
    let notes = if notes.is_empty() { notes } else { format!("<p class=\"soft\">{notes}</p>") };
    format!(
        "<li class=\"{class}\"><div class=\"row\"><b>{}</b><span class=\"state\">{state}</span>{time}</div>{notes}</li>",
        record.name.text()
    )
}

/// `42 s`, `12 min 3 s`.
fn duration(seconds: u64) -> String {
    if seconds < 100 { format!("{seconds} s") } else { format!("{} min {} s", seconds / 60, seconds % 60) }
}

fn nodes(nodes: &[OtherNode]) -> String {
    let row = |node: &OtherNode| {
        let (class, state) = match node.ready {
            Some(true) => ("yes", "Ready"),
            Some(false) => ("no", "not Ready"),
            None => ("soft", "not seen yet"),
        };
        let name = escaped(&node.name);
        format!("<li class=\"row\"><b>{name}</b><span class=\"{class}\">{state}</span></li>")
    };
    let rows: String = nodes.iter().map(row).collect();
    if rows.is_empty() { rows } else { format!("<h2>Other nodes</h2><ul>{rows}</ul>") }
}

fn about(view: &View, at: SocketAddr) -> String {
    let mut html = "<h2>This node</h2><dl>".to_owned();
    let mut row = |what: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = write!(html, "<dt>{what}</dt><dd>{}</dd>", escaped(value));
        }
    };
    row("Addresses", Some(&view.addresses.join(", ")));
    row("hcimage", Some(&view.versions.hcimage));
    row("k3s", view.versions.k3s.as_deref());
    row("Kernel", view.versions.kernel.as_deref());
    row("System", view.versions.os.as_deref());
    row("Its clock", Some(&date(Duration::from_secs(view.time))));
    html.push_str("</dl>");
    if let Some((url, svg)) = own_url(view, at).and_then(|url| Some((url.clone(), qr::svg(&url)?))) {
        let url = escaped(&url);
        let _ = write!(html, "<p>This page: <a href=\"{url}\">{url}</a></p>{svg}");
    }
    html
}

/// Where the page can be opened by another device: at the address that the connection came in at, unless that leads here only.
fn own_url(view: &View, at: SocketAddr) -> Option<String> {
    let leads_here = |ip: &IpAddr| {
        is_local(*ip) && !ip.is_loopback() && !matches!(ip, IpAddr::V6(six) if six.is_unicast_link_local())
    };
    let others = view.addresses.iter().filter_map(|address| address.parse().ok());
    let ip = std::iter::once(at.ip().to_canonical()).chain(others).find(leads_here)?;
    Some(format!("http://{}/", SocketAddr::new(ip, at.port())))
}

fn escaped_lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}\n", escaped(line))).collect()
}

/// Text for HTML, in an element or a quoted attribute. It comes from servers, logs and files of strangers.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in printable(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View { addresses: vec!["192.168.1.7".to_owned()], ..View::new(None, None, Duration::ZERO) }
    }

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn foreign_text_is_no_markup() {
        let bad = "</pre><script>alert(1)</script> \" ' & \u{1b}[31m";
        let mut view = view();
        view.log.push(bad.to_owned());
        view.notes.push(bad.to_owned());
        view.node = Some(bad.to_owned());
        view.failure = Some(Failure::new(bad, bad));
        view.addresses.push(bad.to_owned());
        view.nodes.push(OtherNode { name: bad.to_owned(), ready: None });
        let html = page(&view, 0, at("192.168.1.7:8680"));
        assert!(!html.contains("<script>alert") && html.contains("&lt;script&gt;alert(1)"), "{html}");
        assert!(!html.contains('\u{1b}'), "{html}");
        assert_eq!(html.matches("<script>").count(), 1);
    }

    #[test]
    fn the_address_of_the_page_is_one_that_others_can_open() {
        let url = |address: &str| own_url(&view(), at(address));
        assert_eq!(url("192.168.1.9:8680").unwrap(), "http://192.168.1.9:8680/");
        assert_eq!(url("[::ffff:192.168.1.9]:8680").unwrap(), "http://192.168.1.9:8680/");
        assert_eq!(url("[fd00::9]:8680").unwrap(), "http://[fd00::9]:8680/");
        for address in ["127.0.0.1:8680", "[::1]:8680", "[fe80::1]:8680", "[2001:db8::1]:8680"] {
            assert_eq!(url(address).unwrap(), "http://192.168.1.7:8680/", "{address}");
        }
        assert_eq!(own_url(&View::new(None, None, Duration::ZERO), at("127.0.0.1:8680")), None);
    }

    #[test]
    fn a_running_phase_has_become_older_since() {
        let mut view = View { uptime: 100, status: RunStatus::Running, ..view() };
        let name = crate::state::PhaseName::Network;
        let progress = Some("waiting: no carrier on eth0".to_owned());
        view.phases.push(Record { name, status: Status::Running, seconds: 40, progress, notes: Vec::new() });
        let html = page(&view, 165, at("192.168.1.7:8680"));
        assert!(html.contains("data-seconds=\"105\">1 min 45 s"), "{html}");
        assert!(html.contains("Phase network: waiting: no carrier on eth0"), "{html}");
    }
}
