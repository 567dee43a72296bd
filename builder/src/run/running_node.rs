//! One node of a run: its machine, its console, and how far it is.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use hc_common::text::printable::without_sequences;
use hc_common::value::MacAddress;

use super::boot::{Boot, Status};
use super::junit::Case;
use super::node_image::NodeImage;
use super::service::Service;
use super::vm::Vm;

/// So many lines of a console are kept for whoever asks why a node failed.
const TAIL: usize = 40;

/// The most of a console that is written to its file, in bytes: a guest may write without end.
const LARGEST_CONSOLE: u64 = 64 << 20;

/// A node that runs, or has run.
#[derive(Debug)]
pub struct RunningNode {
    /// What it was started from.
    pub image: NodeImage,
    /// How far its first boot is.
    pub boot: Boot,
    /// Its address, as soon as it is known.
    pub address: Option<Ipv4Addr>,
    /// The ports of 127.0.0.1 behind which it is reached.
    pub ports: BTreeMap<Service, u16>,
    /// The file with its console.
    pub console: PathBuf,
    pub(super) services: Vec<Service>,
    pub(super) mac: MacAddress,
    pub(super) vm: Option<Vm>,
    log: File,
    written: u64,
    tail: VecDeque<String>,
}

impl RunningNode {
    /// A node that was just switched on.
    pub(super) fn new(
        image: NodeImage,
        vm: Vm,
        mac: MacAddress,
        services: Vec<Service>,
        (console, log): (PathBuf, File),
    ) -> Self {
        let address = image.seed.network.address().and_then(|address| match address.ip() {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        Self {
            image,
            boot: Boot::default(),
            address,
            ports: BTreeMap::new(),
            console,
            services,
            mac,
            vm: Some(vm),
            log,
            written: 0,
            tail: VecDeque::new(),
        }
    }

    /// Takes what its console has said; says whether it has got further.
    pub(super) fn poll(&mut self, at: u64, see: &mut impl FnMut(&str, &str)) -> bool {
        let Self { image, boot, vm, log, written, tail, .. } = self;
        let Some(machine) = vm else { return false };
        let mut changed = false;
        let runs = machine.poll(|line| {
            changed |= boot.hear(line, at);
            let line = without_sequences(line);
            see(image.name(), &line);
            if *written < LARGEST_CONSOLE {
                // A full disk is no reason to end: the lines are seen, too.
                let _ = writeln!(log, "{line}");
                *written = written.saturating_add(line.len() as u64);
            }
            if tail.len() >= TAIL {
                tail.pop_front();
            }
            tail.push_back(line);
        });
        if !runs {
            *vm = None;
            if boot.status != Status::Off {
                changed |= boot.fail("the machine has ended", at);
            }
        }
        changed
    }

    /// What became of it, for a report.
    pub(super) fn case(&self, now: u64) -> Case {
        let seconds = self.boot.ended.unwrap_or(now);
        let why = match self.boot.status {
            Status::Ready => None,
            Status::Failed => Some("failed".to_owned()),
            Status::Booting | Status::Running | Status::Off => Some(format!("not Ready after {seconds} s")),
        };
        let phase = self.boot.phase.as_ref().map(|phase| format!(" in the phase {}", phase.name));
        let reason = Some(&self.boot.reason).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(": {reason}"));
        let why = why.map(|why| format!("{why}{}{}", phase.unwrap_or_default(), reason.unwrap_or_default()));
        let tail = || self.tail.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        let failure = why.map(|why| (why, tail()));
        Case { node: self.image.name().to_owned(), seconds, failure }
    }
}
