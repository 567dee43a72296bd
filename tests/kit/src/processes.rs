//! Processes that programs under test have started, as procps and the kernel have them.

use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// How long something may take that takes no time: it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The processes that a process has started and that still run.
pub fn children(of: &Child) -> Vec<String> {
    let mut command = Command::new("ps");
    command.args(["--no-headers", "-o", "pid", "--ppid"]).arg(of.id().to_string());
    // It fails where there is none.
    let found = command.output().unwrap().stdout;
    String::from_utf8(found).unwrap().split_whitespace().map(str::to_owned).collect()
}

/// Waits until it has started so many processes that are called so.
#[track_caller]
pub fn wait_for_children(of: &mut Child, name: &str, count: usize) -> Vec<String> {
    let is_called = |pid: &String| {
        let called = std::fs::read_to_string(Path::new("/proc").join(pid).join("comm"));
        called.is_ok_and(|called| called.starts_with(name))
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found: Vec<String> = children(of).into_iter().filter(is_called).collect();
        if found.len() == count {
            return found;
        }
        assert!(of.try_wait().unwrap().is_none(), "it has ended");
        assert!(Instant::now() < deadline, "it has not started {count} of {name}: {found:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until none of these processes runs any more.
#[track_caller]
pub fn wait_for_end(pids: &[String]) {
    // One that nobody has waited for is a zombie: `Z` behind its name.
    let runs = |pid: &&String| {
        let state = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
        state.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
    };
    let deadline = Instant::now() + PATIENCE;
    while let Some(pid) = pids.iter().find(runs) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        thread::sleep(Duration::from_millis(20));
    }
}
