//! The nodes of a cluster while they set themselves up: found on the network, asked, and shown in one table.
//!
//! Nothing here is authenticated: whoever answers at a node's address, or for its name, says how it stands, and can do no more
//! than lie about that.

mod ask;
mod discover;
mod row;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::exit_class::{Classified, ExitClass};
use crate::interrupt::Interrupt;

use ask::Asker;
use discover::Discovered;
use row::Seen;
pub use table::{Row, RowStatus, lines};

/// Between two questions to one node.
const PAUSE: Duration = Duration::from_secs(2);

/// Between two looks at the clock and at Ctrl-C.
const TICK: Duration = Duration::from_millis(200);

/// A node to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name, by which it is known.
    pub name: String,
    /// Where it is; none where only the network can tell.
    pub address: Option<IpAddr>,
}

/// Why not all nodes are Ready.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The time is over, and first boots have stopped.
    #[error("not Ready: {}; first boots have stopped, see above for what to do", .0.join(", "))]
    Failed(Vec<String>),
    /// The time is over, and nobody says that something failed.
    #[error("after {} s not Ready: {}", .0.as_secs(), .1.join(", "))]
    TimedOut(Duration, Vec<String>),
    /// The user has seen enough.
    #[error("interrupted; the nodes go on by themselves")]
    Interrupted,
    /// Nodes cannot be asked from here.
    #[error("preparing to ask nodes")]
    Prepare(#[source] reqwest::Error),
}

impl Classified for WatchError {
    fn class(&self) -> Option<ExitClass> {
        Some(ExitClass::Failed)
    }
}

/// Asks the nodes until all are Ready, and gives their rows to `show` where they may have changed, at least once a second.
///
/// `port` is where nodes show their status.
pub fn watch(
    targets: &[Target],
    port: u16,
    timeout: Duration,
    interrupt: &Interrupt,
    show: &mut dyn FnMut(&[Row]),
) -> Result<(), WatchError> {
    let asker = Asker::new(port).map_err(WatchError::Prepare)?;
    let discovered = Discovered::start(targets.iter().map(|target| target.name.clone()).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, answers) = channel();
    for (index, target) in targets.iter().enumerate() {
        let (target, asker, discovered) = (target.clone(), asker.clone(), discovered.clone());
        let (sender, stop) = (sender.clone(), Arc::clone(&stop));
        thread::spawn(move || keep_asking(index, &target, &asker, &discovered, &sender, &stop));
    }
    let result = until_ready(targets, timeout, interrupt, &answers, show);
    // Each ends after its question; nobody waits for that.
    stop.store(true, Ordering::Relaxed);
    discovered.end();
    result
}

/// Asks one node again and again, at each address that it may have, until somebody there has its name: first at that of the cluster file,
/// which no announcement can push out.
fn keep_asking(
    index: usize,
    target: &Target,
    asker: &Asker,
    discovered: &Discovered,
    sender: &Sender<(usize, Seen)>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let found = discovered.addresses(&target.name);
        let mut seen = Seen::Nowhere { dns_sd: discovered.trouble() };
        let heard = found.into_iter().filter(|address| Some(*address) != target.address);
        for address in target.address.into_iter().chain(heard) {
            seen = match asker.ask(address) {
                Ok(status) if status.node.as_deref() == Some(&target.name) => Seen::Status(address, status),
                Ok(status) => Seen::Other(address, status.node),
                Err(why) => Seen::Silent(address, why),
            };
            if matches!(seen, Seen::Status(..)) {
                discovered.has_answered(&target.name, address);
                break;
            }
        }
        if sender.send((index, seen)).is_err() {
            return;
        }
        thread::sleep(PAUSE);
    }
}

fn until_ready(
    targets: &[Target],
    timeout: Duration,
    interrupt: &Interrupt,
    answers: &Receiver<(usize, Seen)>,
    show: &mut dyn FnMut(&[Row]),
) -> Result<(), WatchError> {
    let begun = Instant::now();
    let mut nodes: Vec<row::Node> = targets.iter().map(row::Node::new).collect();
    loop {
        match answers.recv_timeout(TICK) {
            Ok((index, seen)) => {
                if let Some(node) = nodes.get_mut(index) {
                    node.take(seen, Instant::now());
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Every asker ends after this.
            Err(RecvTimeoutError::Disconnected) => thread::sleep(TICK),
        }
        let now = Instant::now();
        let rows: Vec<Row> = nodes.iter().map(|node| node.row(now)).collect();
        show(&rows);
        let behind: Vec<&Row> = rows.iter().filter(|row| row.status != RowStatus::Ready).collect();
        if behind.is_empty() {
            return Ok(());
        }
        if interrupt.is_raised() {
            return Err(WatchError::Interrupted);
        }
        if begun.elapsed() >= timeout {
            let names = behind.iter().map(|row| row.node.clone()).collect();
            return Err(match behind.iter().any(|row| row.status == RowStatus::Failed) {
                true => WatchError::Failed(names),
                false => WatchError::TimedOut(timeout, names),
            });
        }
    }
}
