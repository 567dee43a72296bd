//! A machine that is played: files in memory, LEDs as the kernel has them, programs that only say that they were run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::arp::Mac;
use crate::sys::{Command, Kind, Output, Space, Stat, System, TlsError, TlsRequest};

#[derive(Debug, Clone)]
enum Node {
    File(Vec<u8>),
    Link(String),
    Dir(u32),
}

type AtTime = (Duration, Box<dyn FnOnce(&Played)>);

/// See the module.
#[derive(Default)]
pub(super) struct Played {
    nodes: RefCell<BTreeMap<PathBuf, Node>>,
    commands: RefCell<Vec<String>>,
    uptime: RefCell<Duration>,
    later: RefCell<Vec<AtTime>>,
}

impl Played {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn file(&self, path: &str, text: &str) -> &Self {
        self.nodes.borrow_mut().insert(path.into(), Node::File(text.as_bytes().to_vec()));
        self
    }

    pub(super) fn link(&self, path: &str, target: &str) -> &Self {
        self.nodes.borrow_mut().insert(path.into(), Node::Link(target.to_owned()));
        self
    }

    pub(super) fn owned_dir(&self, path: &str, uid: u32) {
        self.nodes.borrow_mut().insert(path.into(), Node::Dir(uid));
    }

    pub(super) fn gone(&self, path: &str) {
        self.nodes.borrow_mut().remove(Path::new(path));
    }

    /// An LED with its triggers, as its file lists them.
    pub(super) fn led(&self, name: &str, triggers: &str, brightness: &str) {
        self.file(&format!("/sys/class/leds/{name}/trigger"), triggers);
        self.file(&format!("/sys/class/leds/{name}/brightness"), brightness);
    }

    pub(super) fn trigger(&self, led: &str) -> String {
        let triggers = self.text(&format!("/sys/class/leds/{led}/trigger"));
        let active = triggers.split(' ').find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        active.unwrap().to_owned()
    }

    /// How long an LED is on and off, in milliseconds, where the kernel blinks it.
    pub(super) fn blinks(&self, led: &str) -> Option<(u32, u32)> {
        let delay = |file: &str| {
            let path = format!("/sys/class/leds/{led}/{file}");
            self.nodes.borrow().contains_key(Path::new(&path)).then(|| self.text(&path).parse().unwrap())
        };
        Some((delay("delay_on")?, delay("delay_off")?))
    }

    pub(super) fn text(&self, path: &str) -> String {
        String::from_utf8(self.read(Path::new(path)).unwrap_or_default()).unwrap()
    }

    pub(super) fn names(&self, dir: &str) -> Vec<String> {
        self.list(Path::new(dir)).unwrap()
    }

    pub(super) fn commands(&self) -> Vec<String> {
        self.commands.borrow().clone()
    }

    /// What happens to the machine after so many seconds.
    pub(super) fn after(&self, seconds: u64, change: impl FnOnce(&Self) + 'static) -> &Self {
        self.later.borrow_mut().push((Duration::from_secs(seconds), Box::new(change)));
        self
    }

    /// The kernel's side of `trigger`: the files of `timer` come and go with it.
    fn choose_trigger(&self, path: &Path, wanted: &str) -> io::Result<()> {
        let old = self.text(path.to_str().unwrap());
        let words: Vec<&str> = old.split(' ').map(|word| word.trim_matches(['[', ']'])).collect();
        if !words.contains(&wanted) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let new: Vec<String> = words
            .iter()
            .map(|word| if *word == wanted { format!("[{word}]") } else { (*word).to_owned() })
            .collect();
        self.file(path.to_str().unwrap(), &new.join(" "));
        for file in ["delay_on", "delay_off"] {
            let path = path.with_file_name(file);
            if wanted == "timer" {
                self.file(path.to_str().unwrap(), "500");
            } else {
                self.gone(path.to_str().unwrap());
            }
        }
        if wanted == "none" {
            self.file(path.with_file_name("brightness").to_str().unwrap(), "0");
        }
        Ok(())
    }
}

impl System for Played {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.nodes.borrow().get(path) {
            Some(Node::File(bytes)) => Ok(bytes.clone()),
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read>> {
        Ok(Box::new(Cursor::new(self.read(path)?)))
    }

    fn read_at(&self, path: &Path, _offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.read(path).map(|bytes| bytes.into_iter().take(length).collect())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let nodes = self.nodes.borrow();
        let (kind, uid) = match nodes.get(path).ok_or(io::ErrorKind::NotFound)? {
            Node::File(_) => (Kind::File, 0),
            Node::Link(_) => (Kind::Link, 0),
            Node::Dir(uid) => (Kind::Dir, *uid),
        };
        Ok(Stat { kind, size: 0, mode: 0o644, uid, gid: 0, modified: Duration::ZERO })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        match self.nodes.borrow().get(path) {
            Some(Node::Link(target)) => Ok(target.into()),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let nodes = self.nodes.borrow();
        let first = |path: &PathBuf| Some(path.strip_prefix(dir).ok()?.iter().next()?.to_str()?.to_owned());
        let mut names: Vec<String> = nodes.keys().filter_map(first).collect();
        names.dedup();
        Ok(names)
    }

    fn write(&self, path: &Path, content: &[u8], _mode: u32) -> io::Result<()> {
        let text = str::from_utf8(content).unwrap();
        let in_sysfs = path.starts_with("/sys");
        if in_sysfs && !self.nodes.borrow().contains_key(path) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        if in_sysfs && path.ends_with("trigger") {
            return self.choose_trigger(path, text);
        }
        self.file(path.to_str().unwrap(), text);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.nodes.borrow_mut().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.nodes.borrow_mut().remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.nodes.borrow_mut().insert(to.to_owned(), node);
        Ok(())
    }

    fn make_dirs(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn run(&self, command: &Command) -> io::Result<Output> {
        self.commands.borrow_mut().push(command.to_string());
        Ok(Output { success: true, stdout: String::new(), stderr: String::new() })
    }

    fn uptime(&self) -> Duration {
        *self.uptime.borrow()
    }

    fn sleep(&self, time: Duration) {
        *self.uptime.borrow_mut() += time;
        let now = self.uptime();
        let (due, later) = self.later.take().into_iter().partition(|(at, _)| *at <= now);
        self.later.replace(later);
        let due: Vec<AtTime> = due;
        due.into_iter().for_each(|(_, change)| change(self));
    }

    fn space(&self, _path: &Path) -> io::Result<Space> {
        unreachable!("nothing here asks")
    }

    fn sync_file(&self, _path: &Path) -> io::Result<()> {
        unreachable!("nothing here is durable")
    }

    fn wipe(&self, _path: &Path) -> io::Result<()> {
        unreachable!("nothing here is secret")
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        unreachable!("nothing here is durable")
    }

    fn sync_all(&self) -> io::Result<()> {
        unreachable!("nothing here is durable")
    }

    fn make_owned_dir(
        &self,
        _below: &Path,
        _path: &Path,
        _mode: u32,
        _uid: u32,
        _gid: u32,
    ) -> io::Result<()> {
        unreachable!("nothing here asks")
    }

    fn hostname(&self) -> String {
        unreachable!("nothing here asks")
    }

    fn set_hostname(&self, _name: &str) -> io::Result<()> {
        unreachable!("nothing here sets it")
    }

    fn now(&self) -> Duration {
        unreachable!("the clock may be wrong")
    }

    fn set_clock(&self, _to: Duration) -> io::Result<()> {
        unreachable!("nothing here sets it")
    }

    fn random(&self) -> io::Result<u64> {
        unreachable!("nothing here asks")
    }

    fn ask_udp(&self, _server: SocketAddr, _packet: &[u8], _wait: Duration) -> io::Result<Vec<u8>> {
        unreachable!("nothing here asks")
    }

    fn arp_probe(&self, _interface: &str, _address: Ipv4Addr) -> io::Result<Option<Mac>> {
        unreachable!("nothing here asks")
    }

    fn ask_tls(&self, _request: &TlsRequest<'_>) -> Result<Vec<u8>, TlsError> {
        unreachable!("nothing here asks")
    }

    fn log(&self, _text: &str) {
        unreachable!("the consoles are not for this")
    }

    /// The announcer does not report.
    fn log_tail(&self) -> Vec<String> {
        Vec::new()
    }
}
