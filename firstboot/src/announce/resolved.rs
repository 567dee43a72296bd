//! The node's service through systemd-resolved, where its MulticastDNS is on: a file in its folder in `/run`.

use std::fmt::Write;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::files;
use super::service::{SERVICE_TYPE, Service};
use crate::sys::{Command, System};

const DIR: &str = "/run/systemd/dnssd";
const FILE: &str = "/run/systemd/dnssd/hcimage.dnssd";

/// resolved restarts at once.
const RESTART_LIMIT: Duration = Duration::from_secs(20);

/// Publishes the service, or changes what is published.
pub(super) fn publish(sys: &dyn System, service: &Service) -> io::Result<()> {
    sys.make_dirs(Path::new(DIR))?;
    if files::replace(sys, FILE, &text(service))? { read_again(sys) } else { Ok(()) }
}

/// Publishes nothing any more.
pub(super) fn withdraw(sys: &dyn System) -> io::Result<()> {
    if files::remove(sys, FILE)? { read_again(sys) } else { Ok(()) }
}

/// resolved reads its files at its start, and on a reload since version 256.
fn read_again(sys: &dyn System) -> io::Result<()> {
    let args = ["--no-block", "try-reload-or-restart", "systemd-resolved.service"];
    let command = Command { limit: RESTART_LIMIT, ..Command::new("systemctl", args) };
    let output = sys.run(&command)?;
    if output.success {
        Ok(())
    } else {
        Err(io::Error::other(format!("{command}: {}", output.stderr.trim())))
    }
}

/// As systemd.dnssd(5) has it: the name is the host's, each value is C-escaped and in quotes.
fn text(service: &Service) -> String {
    let mut text =
        format!("# Written by hcimage.\n[Service]\nName=%H\nType={SERVICE_TYPE}\nPort={}\n", service.port());
    let values = service.txt.iter().map(|(key, value)| {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
        format!("\"{key}={value}\"")
    });
    // Writing to a String cannot fail.
    let _ = writeln!(text, "TxtText={}", values.collect::<Vec<_>>().join(" "));
    text
}

#[cfg(test)]
mod tests {
    use super::super::service::tests::status;
    use super::super::testkit::Played;
    use super::*;

    #[test]
    fn resolved_is_told_of_a_change_and_of_nothing_else() {
        let machine = Played::new();
        let service = Service::of(&status("running", "k3s", "")).unwrap();
        publish(&machine, &service).unwrap();
        publish(&machine, &service).unwrap();
        let text = machine.text(FILE);
        assert!(
            text.contains("TxtText=\"v=1\" \"node=pi-1\" \"cluster=home & <away>\" \"status=running\""),
            "{text}"
        );
        withdraw(&machine).unwrap();
        withdraw(&machine).unwrap();
        assert_eq!(
            machine.commands(),
            ["systemctl --no-block try-reload-or-restart systemd-resolved.service"; 2]
        );
    }
}
