//! The program that serves the page, and clients of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use hc_firstboot::report::View;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

/// Far longer than anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    dir: tempfile::TempDir,
}

impl Server {
    /// Serves on every address of this machine.
    pub(crate) fn start(view: Option<&View>) -> Self {
        let server = Self::begin(view);
        until("the server listens", || TcpStream::connect(("127.0.0.1", server.port)).is_ok());
        server
    }

    /// As [`Server::start`], for one that may end before anybody has found it.
    pub(crate) fn begin(view: Option<&View>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Before the start: the server has it from its first moment.
        if let Some(view) = view {
            fs::write(dir.path().join("status.json"), view.json()).unwrap();
        }
        let port = free_port();
        Self { child: program(port, dir.path()), port, dir }
    }

    /// Ends the program; the file stays.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        self.child = program(self.port, self.dir.path());
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("status.json")
    }

    /// As the first boot publishes it.
    pub(crate) fn show(&self, view: &View) {
        let new = self.dir.path().join("status.json.new");
        fs::write(&new, view.json()).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    pub(crate) fn connect(&self) -> TcpStream {
        self.connect_from([127, 0, 0, 1].into()).unwrap()
    }

    /// A client of another machine, as far as the server can tell.
    pub(crate) fn connect_from(&self, from: IpAddr) -> io::Result<TcpStream> {
        let family = if from.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let client = socket(family, SocketType::STREAM, None)?;
        bind(&client, &SocketAddr::new(from, 0))?;
        let to = if from.is_ipv4() { [127, 0, 0, 1].into() } else { Ipv6Addr::LOCALHOST.into() };
        connect(&client, &SocketAddr::new(to, self.port))?;
        let client = TcpStream::from(client);
        client.set_read_timeout(Some(PATIENCE))?;
        Ok(client)
    }

    /// Sends some bytes and reads until the server ends the connection.
    pub(crate) fn ask(&self, bytes: &[u8]) -> String {
        let mut client = self.connect();
        let _ = client.write_all(bytes);
        rest(client)
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(get(path).as_bytes())
    }

    /// A number of `/proc/<pid>/status`, such as `VmHWM`, the most memory that was in use, in KiB.
    pub(crate) fn measure(&self, name: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("the server ends", || self.child.try_wait().unwrap().is_some());
        self.child.wait().unwrap()
    }
}

/// A port that nobody listens on, and that no other test has got: between the look and the server's start it is free, and
/// the kernel may give it twice.
fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    loop {
        let port = TcpListener::bind(any).unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

fn program(port: u16, dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hc-firstboot"))
        .args(["serve", "--listen", &format!("[::]:{port}"), "--file"])
        .arg(dir.join("status.json"))
        .spawn()
        .unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// What the server still sends.
pub(crate) fn rest(mut client: TcpStream) -> String {
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}
