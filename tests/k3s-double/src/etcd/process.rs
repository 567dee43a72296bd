//! The process of etcd.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::member::{Place, Start};
use crate::log;
use crate::pki::{Ca, Subject};

/// Ends etcd with the stand-in, however that ends: then the pipe has no writer any more.
const GUARD: &str =
    "exec 3<&0; \"$@\" </dev/null 3<&- & etcd=$!; (read -r _ <&3; kill -KILL $etcd) 2>/dev/null & wait $etcd";

/// A process of etcd; ends with this value, or with the stand-in.
pub(super) struct Process {
    child: Child,
    log: PathBuf,
    _pipe: Option<ChildStdin>,
}

/// How long a copy of the data may take to answer.
const PEEK_LIMIT: Duration = Duration::from_secs(20);

impl Process {
    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self._pipe = None;
        // The guard has ended etcd by then.
        let _ = self.child.wait();
    }
}

impl Place {
    /// Starts etcd for good: when it ends, so does the stand-in.
    ///
    /// # Errors
    /// When its certificates cannot be made or it cannot be started.
    pub(crate) fn start(&self, start: &Start) -> Result<()> {
        let process = self.spawn(start, &self.dir)?;
        let log = process.log.clone();
        thread::spawn(move || {
            let mut process = process;
            // However it ends: a server without its etcd does not go on.
            let _ = process.child.wait();
            let text = fs::read_to_string(&log).unwrap_or_default();
            log::fatal(&format!("etcd has ended: {}", text.lines().last().unwrap_or("without a word")));
            std::process::exit(1);
        });
        Ok(())
    }

    pub(super) fn spawn(&self, start: &Start, dir: &std::path::Path) -> Result<Process> {
        let server = dir.parent().and_then(|db| db.parent()).context("a directory without a parent")?;
        let path = server.join("etcd.log");
        let log = File::create(&path).context("creating the log of etcd")?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD, "sh"]).arg(&self.program).args(self.arguments(start, dir)?);
        // etcd would tell systemd that it is ready, and k3s is not yet.
        command.env_remove("NOTIFY_SOCKET");
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn().context("starting etcd")?;
        let pipe = child.stdin.take();
        log::info(&format!("Starting etcd for member {} ({start:?})", self.name));
        Ok(Process { child, log: path, _pipe: pipe })
    }

    fn arguments(&self, start: &Start, dir: &std::path::Path) -> Result<Vec<String>> {
        let (client, own) = (format!("http://{}", self.client_address()), self.peer_url());
        // A member that reads its own data only must not reach the others.
        let peer = if *start == Start::Reset { "http://127.0.0.1:0".to_owned() } else { own.clone() };
        let mut arguments = vec![
            format!("--name={}", self.name),
            format!("--data-dir={}", dir.display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={own}"),
            "--logger=zap".to_owned(),
        ];
        match start {
            Start::Again => {}
            Start::New => arguments.push(format!("--initial-cluster={}={own}", self.name)),
            Start::Joined(all) => {
                arguments.push(format!("--initial-cluster={}", all.join(",")));
                arguments.push("--initial-cluster-state=existing".to_owned());
            }
            Start::Reset => {
                arguments.push(format!("--initial-cluster={}={own}", self.name));
                arguments.push("--force-new-cluster".to_owned());
            }
        }
        if *start != Start::Reset {
            arguments.extend(self.peer_tls()?);
        }
        Ok(arguments)
    }

    /// Members know each other by certificates of the authority for peers.
    fn peer_tls(&self) -> Result<Vec<String>> {
        let ca = Ca::load_or_make(&self.tls.join("peer-ca"), "etcd-peer-ca")?;
        let subject = Subject { name: "etcd-peer", organization: "k3s" };
        let identity = ca.sign_peer(&subject, vec![self.node.clone(), self.address.to_string()])?;
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = self.tls.join(name);
            crate::files::write_atomic(&path, 0o600, text.as_bytes())?;
            Ok(path)
        };
        Ok(vec![
            format!("--peer-cert-file={}", write("peer-server-client.crt", &identity.chain)?.display()),
            format!("--peer-key-file={}", write("peer-server-client.key", &identity.key)?.display()),
            format!("--peer-trusted-ca-file={}", self.tls.join("peer-ca.crt").display()),
            "--peer-client-cert-auth=true".to_owned(),
            // Several servers on one machine reach each other from any of its addresses.
            "--experimental-peer-skip-client-san-verification=true".to_owned(),
        ])
    }

    /// `--cluster-reset`: the data stays, all other members go.
    ///
    /// # Errors
    /// When etcd does not come up as the only member.
    pub(crate) fn reset(&self) -> Result<()> {
        let _process = self.spawn(&Start::Reset, &self.dir)?;
        let started = Instant::now();
        while self.client().members().map(|all| all.len()).ok() != Some(1) {
            if started.elapsed() > Duration::from_secs(60) {
                bail!("etcd has not become the only member; its log is in server/etcd.log");
            }
            thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// Reads from the data of the member without starting it: from a copy, as k3s does.
    ///
    /// # Errors
    /// When the copy cannot be made, or etcd does not come up with it.
    pub(super) fn peek<T>(&self, read: impl Fn(super::Client) -> Result<T>) -> Result<T> {
        let copy = self.dir.with_file_name("etcd-tmp");
        let clean = || match fs::remove_dir_all(&copy) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).context("removing etcd-tmp"),
            _ => Ok(()),
        };
        clean()?;
        let status = Command::new("cp").arg("-r").arg(&self.dir).arg(&copy).status().context("running cp")?;
        anyhow::ensure!(status.success(), "copying the data of etcd failed");
        let mut process = self.spawn(&Start::Reset, &copy)?;
        let started = Instant::now();
        let found = loop {
            match self.client().get("quorum").and_then(|_| read(self.client())) {
                Ok(found) => break Ok(found),
                Err(error) if process.has_ended() || started.elapsed() > PEEK_LIMIT => break Err(error),
                Err(_) => thread::sleep(Duration::from_millis(200)),
            }
        };
        drop(process);
        clean()?;
        found
    }
}
