//! Which program of this machine answers multicast DNS. Two of them would take each other for another machine with the same
//! name, so a node speaks through the one that is there, and with its own voice only where there is none.

use std::collections::BTreeSet;
use std::path::Path;

use crate::sys::System;

/// The port of multicast DNS, as `/proc/net/udp` writes it: 5353.
const MDNS_PORT: &str = ":14E9";

/// A socket that listens, in `/proc/net/tcp`.
const LISTENS: &str = "0A";

const AVAHI_PID: &str = "/run/avahi-daemon/pid";
const RESOLVED_DIR: &str = "/run/systemd/resolve";

/// Who speaks for the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speaker {
    /// avahi-daemon, by a file in its folder.
    Avahi,
    /// systemd-resolved, by a file in its folder: its MulticastDNS is on.
    Resolved,
    /// This program.
    Own,
    /// Nobody: another program has the port, which takes no files.
    Nobody,
}

/// Looks at the machine. What cannot be read is not there.
pub(super) fn speaker(sys: &dyn System) -> Speaker {
    if is_avahi_running(sys) {
        return Speaker::Avahi;
    }
    let own = own_sockets(sys);
    let others: Vec<Socket> = sockets(sys, "udp", MDNS_PORT).filter(|s| !own.contains(&s.inode)).collect();
    // Its folder belongs to the user that it runs as.
    let resolved = sys.stat(Path::new(RESOLVED_DIR)).ok().map(|stat| stat.uid);
    match others.first() {
        None => Speaker::Own,
        Some(_) if others.iter().all(|s| Some(s.uid) == resolved) => Speaker::Resolved,
        Some(_) => Speaker::Nobody,
    }
}

/// Whether a program of this machine listens on a TCP port of any address.
pub(super) fn is_served(sys: &dyn System, port: u16) -> bool {
    let ending = format!(":{port:04X}");
    sockets(sys, "tcp", &ending).any(|socket| socket.state == LISTENS)
}

/// The process of its file, unless that was left behind.
fn is_avahi_running(sys: &dyn System) -> bool {
    let text =
        |path: &str| sys.read(Path::new(path)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let pid = text(AVAHI_PID).ok().and_then(|pid| pid.trim().parse::<u32>().ok());
    pid.and_then(|pid| text(&format!("/proc/{pid}/comm")).ok())
        .is_some_and(|name| name.trim() == "avahi-daemon")
}

#[derive(Debug, PartialEq, Eq)]
struct Socket {
    state: String,
    uid: u32,
    inode: String,
}

/// The sockets of IPv4 and IPv6 whose local address ends like this.
fn sockets(sys: &dyn System, protocol: &str, local: &str) -> impl Iterator<Item = Socket> {
    let read = |name: String| sys.read(Path::new(&format!("/proc/net/{name}"))).unwrap_or_default();
    let tables = [read(protocol.to_owned()), read(format!("{protocol}6"))];
    let found: Vec<Socket> =
        tables.iter().flat_map(|table| parse(&String::from_utf8_lossy(table), local)).collect();
    found.into_iter()
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …` (proc(5)).
fn parse(table: &str, local: &str) -> Vec<Socket> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |n: usize| words.get(n).copied();
        word(1).filter(|address| address.ends_with(local))?;
        Some(Socket { state: word(3)?.to_owned(), uid: word(7)?.parse().ok()?, inode: word(9)?.to_owned() })
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// The inodes of this process's sockets.
fn own_sockets(sys: &dyn System) -> BTreeSet<String> {
    let dir = Path::new("/proc/self/fd");
    let links =
        sys.list(dir).unwrap_or_default().into_iter().filter_map(|name| sys.read_link(&dir.join(name)).ok());
    let inode = |link: std::path::PathBuf| {
        Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    links.filter_map(inode).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testkit::Played;
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn udp(port: &str, uid: u32, inode: u32) -> String {
        format!(
            "{HEAD}  7: 00000000:{port} 00000000:0000 07 00000000:00000000 00:00000000 00000000  {uid}  0 {inode} 2 0 0\n"
        )
    }

    #[test]
    fn avahi_is_used_while_it_runs_and_not_by_what_it_left() {
        let machine = Played::new();
        machine.file("/run/avahi-daemon/pid", "17\n").file("/proc/17/comm", "avahi-daemon\n");
        machine.file("/proc/net/udp", &udp("14E9", 105, 3));
        assert_eq!(speaker(&machine), Speaker::Avahi);
        machine.file("/proc/17/comm", "cron\n");
        assert_eq!(speaker(&machine), Speaker::Nobody);
    }

    #[test]
    fn resolved_counts_only_where_it_has_the_port() {
        let machine = Played::new();
        machine.owned_dir("/run/systemd/resolve", 991);
        machine.file("/proc/net/udp", &udp("0035", 991, 3));
        assert_eq!(speaker(&machine), Speaker::Own);
        machine.file("/proc/net/udp6", &udp("14E9", 991, 4));
        assert_eq!(speaker(&machine), Speaker::Resolved);
        machine.file("/proc/net/udp", &udp("14E9", 0, 5));
        assert_eq!(speaker(&machine), Speaker::Nobody, "another one beside it");
    }

    #[test]
    fn own_sockets_are_not_another_program() {
        let machine = Played::new();
        machine.file("/proc/net/udp", &udp("14E9", 0, 77));
        machine.link("/proc/self/fd/5", "socket:[77]").link("/proc/self/fd/1", "/dev/null");
        assert_eq!(speaker(&machine), Speaker::Own);
        machine.file("/proc/net/udp", &udp("14E9", 0, 78));
        assert_eq!(speaker(&machine), Speaker::Nobody);
    }

    #[test]
    fn a_port_is_served_where_a_socket_listens() {
        let machine = Played::new();
        machine.file("/proc/net/tcp", &udp("21E8", 0, 1).replace(" 07 ", " 01 "));
        assert!(!is_served(&machine, 8680), "a connection");
        machine.file("/proc/net/tcp6", &udp("21E8", 0, 1).replace(" 07 ", " 0A "));
        assert!(is_served(&machine, 8680));
    }
}
