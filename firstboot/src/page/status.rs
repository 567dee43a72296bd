//! The report as it is now: one thread looks at the file, all others wait for news of it.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::report::{RunStatus, View};
use crate::sys::{RealSystem, System};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// A longer report is not one.
const MAX_FILE: u64 = 1 << 20;

/// The report, and what it is made into.
#[derive(Debug)]
pub(super) struct Status {
    /// What differs from that of another report: its digest.
    pub(super) id: String,
    /// As the first boot has written it.
    pub(super) json: String,
    /// The same, read.
    pub(super) view: View,
}

/// The report that everybody sees.
#[derive(Debug)]
pub(super) struct Board {
    file: PathBuf,
    now: Mutex<Arc<Status>>,
    news: Condvar,
}

impl Board {
    pub(super) fn new(file: PathBuf) -> Self {
        let status = Status::read(&file).unwrap_or_else(Status::not_begun);
        Self { file, now: Mutex::new(Arc::new(status)), news: Condvar::new() }
    }

    pub(super) fn now(&self) -> Arc<Status> {
        Arc::clone(&self.lock())
    }

    /// The next report, other than the one with this `id`; none where `wait` is over before.
    pub(super) fn after(&self, id: &str, wait: Duration) -> Option<Arc<Status>> {
        let is_same = |now: &mut Arc<Status>| now.id == id;
        let (now, _) =
            self.news.wait_timeout_while(self.lock(), wait, is_same).unwrap_or_else(PoisonError::into_inner);
        (now.id != id).then(|| Arc::clone(&now))
    }

    /// Looks at the file until the time of the page is over: so long after the report says that the node is Ready. That is the
    /// report's own time, since this process may have been started again meanwhile.
    pub(super) fn watch(&self) {
        loop {
            if let Some(status) = Status::read(&self.file) {
                let mut now = self.lock();
                if now.id != status.id {
                    *now = Arc::new(status);
                    self.news.notify_all();
                }
            }
            let view = &self.now().view;
            let age = RealSystem.uptime().as_secs().saturating_sub(view.uptime);
            let stays = view.page_minutes.unwrap_or(0).saturating_mul(60);
            if view.status == RunStatus::Ready && age >= stays {
                return;
            }
            thread::sleep(INTERVAL);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Status>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Status {
    /// The report in the file; none where there is none yet. It is replaced as a whole, so it is never half a report.
    fn read(file: &PathBuf) -> Option<Self> {
        let mut json = String::new();
        File::open(file).ok()?.take(MAX_FILE).read_to_string(&mut json).ok()?;
        let view = serde_json::from_str(&json).ok()?;
        Some(Self { id: id(&json), json, view })
    }

    /// Before the first boot has written anything.
    fn not_begun() -> Self {
        let name = Some(RealSystem.hostname()).filter(|name| !name.is_empty());
        let view = View { node: name, ..View::new(None, None, RealSystem.now()) };
        let json = view.json();
        Self { id: id(&json), json, view }
    }
}

fn id(json: &str) -> String {
    Sha256::digest(json).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
