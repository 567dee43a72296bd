//! `/etc/resolv.conf`, for systems where no program writes it (resolv.conf(5)).

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::value::DomainName;

/// The first line, by which a file of hcimage is known.
pub const HEADER: &str = "# Written by hcimage.\n";

/// The path of the file.
pub const PATH: &str = "/etc/resolv.conf";

/// The file. The C library uses the first three servers.
pub fn render(servers: &[IpAddr], search: Option<&DomainName>) -> String {
    let mut text = String::from(HEADER);
    if let Some(search) = search {
        // Writing into a String cannot fail; the same holds below.
        let _ = writeln!(text, "search {search}");
    }
    for server in servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}
