//! A node tells of itself while its first boot is under way: by DNS-SD, above the login prompt and by its LED.
//!
//! A program of its own, beside the first boot: it reads what that writes to memory, so that nothing here can fail or delay a
//! phase.

mod avahi;
mod console;
mod files;
mod led;
mod resolved;
mod responder;
mod service;
mod stack;

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

pub use console::{ISSUE_LINK, ISSUE_PATH};
pub use service::SERVICE_TYPE;

use crate::STATUS_PORT;
use crate::links;
use crate::report::LIVE_PATH;
use crate::report::RunStatus;
use crate::state::FINISHED_PATH;
use crate::status::{MAX_BYTES, NodeStatus};
use crate::sys::System;
use led::Signal;
use responder::Responder;
use service::Service;
use stack::Speaker;

/// How often the status is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// avahi compares the times of its files in whole seconds: of two changes in one it would miss the second.
const BETWEEN_CHANGES: Duration = Duration::from_secs(2);

/// How often the node's addresses are looked for.
const BETWEEN_LOOKS: Duration = Duration::from_secs(10);

/// A redraw takes from a person what they have begun to type.
const BETWEEN_REDRAWS: Duration = Duration::from_secs(10);

/// How long a Ready node waits for its page, which may only be starting again.
const PAGE_GRACE: Duration = Duration::from_secs(30);

/// Announces until the node is Ready and its page is off, or until it is told to stop. Complaints go to `log`, one line each.
pub fn announce(sys: &dyn System, is_stopped: &dyn Fn() -> bool, log: &mut dyn FnMut(&str)) {
    let mut announcer = Announcer {
        sys,
        log,
        voice: None,
        led: None,
        since: Since::default(),
        addresses: Vec::new(),
        complaint: None,
    };
    // What a start that was killed, or another boot, has left.
    announcer.all_back();
    while !is_stopped() {
        match read_status(sys) {
            Ok(Some(status)) => {
                if announcer.tell(&status) == Next::Nothing {
                    break;
                }
            }
            Ok(None) if sys.stat(Path::new(FINISHED_PATH)).is_ok() => break,
            Ok(None) => {}
            Err(why) => announcer.complain(&format!("reading {LIVE_PATH}: {why}")),
        }
        sys.sleep(PAUSE);
    }
    announcer.all_back();
}

/// Takes back what an announcer has left that was killed.
pub fn withdraw(sys: &dyn System, log: &mut dyn FnMut(&str)) {
    for (what, result) in [
        ("withdrawing the service from avahi", avahi::withdraw(sys)),
        ("withdrawing the service from systemd-resolved", resolved::withdraw(sys)),
        ("giving the LED back", led::restore(sys)),
    ] {
        if let Err(e) = result {
            log(&format!("{what}: {e}"));
        }
    }
    match console::show(sys, None) {
        Ok(false) => {}
        Ok(true) => drop(console::redraw(sys)),
        Err(e) => log(&format!("removing {ISSUE_PATH}: {e}")),
    }
}

fn read_status(sys: &dyn System) -> Result<Option<NodeStatus>, String> {
    let path = Path::new(LIVE_PATH);
    // It is replaced while this runs; one byte more than allowed says that it is too long.
    match sys.read_at(path, 0, MAX_BYTES.saturating_add(1)) {
        Ok(bytes) => NodeStatus::parse(&bytes).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Again,
    Nothing,
}

/// Times since boot.
#[derive(Debug, Default)]
struct Since {
    change: Option<Duration>,
    redraw: Option<Duration>,
    /// When the node's addresses were looked for.
    looked: Option<Duration>,
    /// When the node was first seen without its page.
    no_page: Option<Duration>,
}

/// Through whom the service is published.
enum Voice {
    Avahi(Service),
    Resolved(Service),
    Own(Responder),
}

struct Announcer<'a> {
    sys: &'a dyn System,
    log: &'a mut dyn FnMut(&str),
    voice: Option<Voice>,
    led: Option<Signal>,
    since: Since,
    addresses: Vec<String>,
    complaint: Option<String>,
}

impl Announcer<'_> {
    /// Brings all three up to date.
    fn tell(&mut self, status: &NodeStatus) -> Next {
        let now = self.sys.uptime();
        let status = &self.with_addresses(status, now);
        let is_served = stack::is_served(self.sys, STATUS_PORT);
        let without_page = match is_served {
            true => {
                self.since.no_page = None;
                Duration::ZERO
            }
            false => now.saturating_sub(*self.since.no_page.get_or_insert(now)),
        };
        if status.status == RunStatus::Ready && without_page >= PAGE_GRACE {
            return Next::Nothing;
        }
        // Whoever finds the service wants its page.
        let service = if is_served { Service::of(status) } else { None };
        let published = self.publish(service, &status.addresses(), now);
        let shone = self.shine(status.status);
        let shown = self.show(&console::text(status, is_served), now);
        for (what, result) in [("DNS-SD", published), ("the LED", shone), ("the login prompt", shown)] {
            if let Err(e) = result {
                self.complain(&format!("{what}: {e}"));
            }
        }
        Next::Again
    }

    /// The status with the addresses that the node has now. Those in it are of the last change: a cable may have been plugged in since.
    fn with_addresses(&mut self, status: &NodeStatus, now: Duration) -> NodeStatus {
        if !is_within(self.since.looked, now, BETWEEN_LOOKS) {
            self.since.looked = Some(now);
            let links = links::all(self.sys).unwrap_or_default();
            self.addresses = links::reachable(&links, None).iter().map(ToString::to_string).collect();
        }
        status.with_addresses(&self.addresses)
    }

    fn publish(&mut self, service: Option<Service>, addresses: &[IpAddr], now: Duration) -> io::Result<()> {
        let Some(service) = service else {
            self.be_silent();
            return Ok(());
        };
        let speaker = stack::speaker(self.sys);
        let is_same = match (&self.voice, speaker) {
            (Some(Voice::Avahi(said)), Speaker::Avahi) | (Some(Voice::Resolved(said)), Speaker::Resolved) => {
                if *said == service || is_within(self.since.change, now, BETWEEN_CHANGES) {
                    return Ok(());
                }
                true
            }
            (Some(Voice::Own(_)), Speaker::Own) | (None, _) => true,
            _ => false,
        };
        if !is_same {
            self.be_silent();
        }
        self.since.change = Some(now);
        match speaker {
            Speaker::Avahi => {
                avahi::publish(self.sys, &service)?;
                self.voice = Some(Voice::Avahi(service));
            }
            Speaker::Resolved => {
                resolved::publish(self.sys, &service)?;
                self.voice = Some(Voice::Resolved(service));
            }
            Speaker::Own => match &mut self.voice {
                Some(Voice::Own(responder)) => responder.publish(&service, addresses)?,
                _ => {
                    let mut responder = Responder::start()?;
                    let published = responder.publish(&service, addresses);
                    self.voice = Some(Voice::Own(responder));
                    published?;
                }
            },
            Speaker::Nobody => {
                return Err(io::Error::other("another program has UDP port 5353; the node is not announced"));
            }
        }
        Ok(())
    }

    fn shine(&mut self, status: RunStatus) -> io::Result<()> {
        let signal = match status {
            RunStatus::Ready => None,
            RunStatus::Failed => Some(Signal::Stopped),
            RunStatus::NotBegun | RunStatus::Running => Some(Signal::Working),
        };
        if signal == self.led {
            return Ok(());
        }
        // Tried once a change: a board without one has none in the next second either.
        self.led = signal;
        match signal {
            Some(signal) => led::blink(self.sys, signal).map(drop),
            None => led::restore(self.sys),
        }
    }

    fn show(&mut self, text: &str, now: Duration) -> io::Result<()> {
        // Text and prompt change together: a screen never shows less than the file.
        if is_within(self.since.redraw, now, BETWEEN_REDRAWS) {
            return Ok(());
        }
        if console::show(self.sys, Some(text))? {
            self.since.redraw = Some(now);
            console::redraw(self.sys)?;
        }
        Ok(())
    }

    fn be_silent(&mut self) {
        let result = match self.voice.take() {
            Some(Voice::Avahi(_)) => avahi::withdraw(self.sys),
            Some(Voice::Resolved(_)) => resolved::withdraw(self.sys),
            Some(Voice::Own(responder)) => {
                responder.withdraw();
                Ok(())
            }
            None => Ok(()),
        };
        if let Err(e) = result {
            self.complain(&format!("withdrawing the service: {e}"));
        }
    }

    fn all_back(&mut self) {
        self.be_silent();
        withdraw(self.sys, self.log);
    }

    /// The same complaint once, not each second.
    fn complain(&mut self, text: &str) {
        if self.complaint.as_deref() != Some(text) {
            (self.log)(text);
            self.complaint = Some(text.to_owned());
        }
    }
}

fn is_within(since: Option<Duration>, now: Duration, time: Duration) -> bool {
    since.is_some_and(|since| now.saturating_sub(since) < time)
}

#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
