//! The node's service through avahi-daemon: a file in its folder, which it watches.

use std::fmt::Write;
use std::io;
use std::path::Path;

use super::files;
use super::service::{SERVICE_TYPE, Service};
use crate::sys::System;

/// avahi has no such folder in `/run`, so that a power cut leaves the file behind: the unit's condition has the next boot remove
/// it.
const SERVICES: &str = "/etc/avahi/services";
const FILE: &str = "/etc/avahi/services/hcimage.service";

/// Publishes the service, or changes what is published.
pub(super) fn publish(sys: &dyn System, service: &Service) -> io::Result<()> {
    sys.make_dirs(Path::new(SERVICES))?;
    files::replace(sys, FILE, &text(service)).map(drop)
}

/// Publishes nothing any more.
pub(super) fn withdraw(sys: &dyn System) -> io::Result<()> {
    files::remove(sys, FILE).map(drop)
}

/// As avahi.service(5) has it. The name is avahi's own: it has found out already whether another machine has it.
fn text(service: &Service) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" standalone='no'?>\n<!DOCTYPE service-group SYSTEM \"avahi-service.dtd\">\n\
         <!-- Written by hcimage, which removes it again. -->\n<service-group>\n  \
         <name replace-wildcards=\"yes\">%h</name>\n  <service>\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "    <type>{SERVICE_TYPE}</type>\n    <port>{}</port>", service.port());
    for (key, value) in &service.txt {
        let _ = writeln!(text, "    <txt-record>{key}={}</txt-record>", escaped(value));
    }
    text.push_str("  </service>\n</service-group>\n");
    text
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::service::tests::status;
    use super::super::testkit::Played;
    use super::*;

    #[test]
    fn the_file_has_the_txt_record_and_goes_again() {
        let machine = Played::new();
        let service = Service::of(&status("running", "k3s", "")).unwrap();
        publish(&machine, &service).unwrap();
        let text = machine.text(FILE);
        assert!(text.contains("<txt-record>cluster=home &amp; &lt;away&gt;</txt-record>"), "{text}");
        assert!(text.contains("<txt-record>phase=k3s</txt-record>"), "{text}");
        assert_eq!(machine.names(SERVICES), ["hcimage.service"], "no file that avahi could read half");
        withdraw(&machine).unwrap();
        withdraw(&machine).unwrap();
        assert_eq!(machine.names(SERVICES), [""; 0]);
    }
}
