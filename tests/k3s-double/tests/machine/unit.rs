//! systemd's part for k3s: it starts the stand-in, hears its READY=1 and starts it again when it ends.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// `RestartSec=5s`, in the machines' time.
const RESTART: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Default)]
struct Shown {
    is_active: bool,
    is_waiting: bool,
    restarts: u32,
}

/// The running unit; everything of it ends with this value.
pub(super) struct Unit {
    stop: Arc<AtomicBool>,
    shown: Arc<Mutex<Shown>>,
    watch: Option<JoinHandle<()>>,
}

impl Unit {
    pub(super) fn start(root: &Path, etcd: &Path) -> Self {
        let (stop, shown) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Shown::default())));
        let runs =
            Runs { root: root.to_owned(), etcd: etcd.to_owned(), stop: stop.clone(), shown: shown.clone() };
        Self { stop, shown, watch: Some(thread::spawn(move || runs.watch())) }
    }

    /// As `systemctl show` has it.
    pub(super) fn show(unit: Option<&Self>) -> String {
        let Some(unit) = unit else {
            return "ActiveState=inactive\nSubState=dead\nResult=success\nNRestarts=0\nExecMainStatus=0\nNeedDaemonReload=no\n"
                .to_owned();
        };
        let shown = unit.shown.lock().unwrap().clone();
        let (active, sub) = match (shown.is_active, shown.is_waiting) {
            (true, _) => ("active", "running"),
            (false, true) => ("activating", "auto-restart"),
            (false, false) => ("activating", "start"),
        };
        let result = if shown.is_waiting { "exit-code" } else { "success" };
        format!(
            "ActiveState={active}\nSubState={sub}\nResult={result}\nNRestarts={}\nExecMainStatus=1\nNeedDaemonReload=no\n",
            shown.restarts
        )
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.watch.take().map(JoinHandle::join);
    }
}

struct Runs {
    root: PathBuf,
    etcd: PathBuf,
    stop: Arc<AtomicBool>,
    shown: Arc<Mutex<Shown>>,
}

impl Runs {
    fn watch(&self) {
        while !self.is_stopped() {
            let (mut child, notify) = self.spawn();
            loop {
                if self.is_stopped() {
                    let _ = child.kill();
                    let _ = child.wait();
                    // etcd ends with it, a moment later.
                    thread::sleep(Duration::from_millis(200));
                    return;
                }
                let mut buffer = [0; 64];
                if notify.recv(&mut buffer).is_ok() {
                    self.shown.lock().unwrap().is_active = true;
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
            let restarts = self.shown.lock().unwrap().restarts;
            *self.shown.lock().unwrap() = Shown { is_active: false, is_waiting: true, restarts };
            thread::sleep(RESTART);
            let mut shown = self.shown.lock().unwrap();
            shown.is_waiting = false;
            shown.restarts += 1;
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn spawn(&self) -> (Child, UnixDatagram) {
        let socket = self.root.join("notify");
        let _ = fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket).unwrap();
        notify.set_nonblocking(true).unwrap();
        let mut log = OpenOptions::new().create(true).append(true).open(self.root.join("log")).unwrap();
        writeln!(log, "-- started").unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_k3s-double"))
            .arg("server")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("K3S_DOUBLE_ETC", self.root.join("etc/rancher"))
            .env("K3S_DOUBLE_ETCD", &self.etcd)
            .env("NOTIFY_SOCKET", &socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        (child, notify)
    }
}
