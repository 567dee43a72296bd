//! Stand-ins for the programs that firstboot runs. Unknown ones end the test.

use std::io;
use std::path::Path;
use std::time::Duration;

use hc_firstboot::sys::Output;

use crate::machine::Volatile;
use crate::scenario::{Cluster, STATE, WANTS, World};

fn good(stdout: impl Into<String>) -> io::Result<Output> {
    Ok(Output { success: true, stdout: stdout.into(), stderr: String::new() })
}

fn bad(stderr: &str) -> io::Result<Output> {
    Ok(Output { success: false, stdout: String::new(), stderr: stderr.to_owned() })
}

impl World {
    pub(crate) fn run(&mut self, line: &str, now: &mut Volatile) -> io::Result<Output> {
        now.uptime += Duration::from_millis(50);
        let unit = self.seed.role.unit();
        match line {
            "ip -j addr show" => good(self.addresses()),
            "ip -j -4 route show default" => good(r#"[{"dst":"default","gateway":"10.0.0.1","dev":"eth0"}]"#),
            "ip -j -6 route show default" => good(""),
            "getent ahosts time.example" => good("192.0.2.1  STREAM time.example\n192.0.2.1  DGRAM\n"),
            "timedatectl show --property=NTPSynchronized --value" => {
                good(if self.timesyncd { "yes\n" } else { "no\n" })
            }
            "udevadm settle --timeout=10" => good(""),
            "mount /k8s-data" => self.mount(now),
            "systemctl daemon-reload" => good(""),
            "systemctl disable hc-firstboot.service" => {
                self.disk.remove(Path::new(&format!("{WANTS}/hc-firstboot.service")));
                good("")
            }
            _ if line == format!("systemctl is-enabled {unit}") => self.enabled_word(),
            _ if line == format!("systemctl enable {unit}") => self.enable(),
            _ if line == format!("systemctl start --no-block {unit}") => {
                now.k3s_start_commands += 1;
                now.k3s_started.get_or_insert(now.uptime);
                good("")
            }
            _ if line.starts_with("systemctl show --property=") && line.ends_with(unit) => {
                good(self.show(now))
            }
            _ if line.starts_with("journalctl ") => {
                let token = format!("K10{}::server:secret", "ab".repeat(32));
                good(format!("level=info msg=starting token={token}\nlevel=fatal msg=\"bad {token}\"\n"))
            }
            _ if line.starts_with("/usr/local/bin/k3s kubectl get node hc-1 -o json") => self.node(now),
            _ => panic!("an unknown program was run: {line}"),
        }
    }

    fn addresses(&self) -> String {
        let up = if self.carrier { "LOWER_UP" } else { "NO-CARRIER" };
        format!(
            r#"[{{"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"addr_info":[]}},
                {{"ifname":"eth0","flags":["UP","{up}"],
                  "addr_info":[{{"family":"inet","local":"10.0.0.7","prefixlen":24,"scope":"global"}}]}}]"#
        )
    }

    fn mount(&self, now: &mut Volatile) -> io::Result<Output> {
        if !self.disk_is_sound {
            return bad("mount: /k8s-data: wrong fs type, bad option, bad superblock on /dev/sda1.\n");
        }
        now.mounted = true;
        good("")
    }

    fn enabled_word(&self) -> io::Result<Output> {
        let stdout = if self.is_enabled() { "enabled\n" } else { "disabled\n" }.to_owned();
        Ok(Output { success: self.is_enabled(), stdout, stderr: String::new() })
    }

    /// The link is made but, as with the real one, not synced.
    fn enable(&mut self) -> io::Result<Output> {
        let mut after_a_cut = self.disk.clone();
        after_a_cut.cut(crate::disk::Cut::NamesLost);
        assert!(after_a_cut.text(STATE).contains("\"committed\": true"), "k3s before the commit");
        self.disk.link(Path::new(&self.unit_link()), "../k3s.service");
        good("")
    }

    /// Seconds since k3s was started.
    fn age(now: &Volatile) -> Option<u64> {
        now.k3s_started.map(|start| now.uptime.saturating_sub(start).as_secs())
    }

    fn show(&self, now: &Volatile) -> String {
        let words = |active, sub, result, restarts, status| {
            format!(
                "ActiveState={active}\nSubState={sub}\nResult={result}\nNRestarts={restarts}\n\
                 ExecMainStatus={status}\nNeedDaemonReload=no\n"
            )
        };
        let Some(age) = Self::age(now) else { return words("inactive", "dead", "success", 0, 0) };
        match self.cluster {
            Cluster::Exits => words("activating", "auto-restart", "exit-code", age / 5, 1),
            Cluster::ExitsLater if age >= 30 => {
                words("activating", "auto-restart", "exit-code", (age - 25) / 5, 1)
            }
            Cluster::Hangs => words("activating", "start", "success", 0, 0),
            _ if age < 4 => words("activating", "start", "success", 0, 0),
            _ => words("active", "running", "success", 0, 0),
        }
    }

    fn node(&self, now: &Volatile) -> io::Result<Output> {
        let age = Self::age(now).unwrap_or_default();
        let boot = if self.cluster == Cluster::Stale { self.boot_id - 1 } else { self.boot_id };
        let ready = match self.cluster {
            Cluster::Good => age >= 9,
            Cluster::Stale => true,
            _ => false,
        };
        if age < 6 {
            return bad("E1121 11:30 couldn't get server API group list\nThe connection was refused\n");
        }
        let (status, reason, message) = if ready {
            ("True", "KubeletReady", "kubelet is posting ready status")
        } else {
            ("False", "KubeletNotReady", "container runtime network not ready")
        };
        good(format!(
            r#"{{"kind":"Node","status":{{"nodeInfo":{{"bootID":"{boot}"}},"conditions":[
                {{"type":"MemoryPressure","status":"False"}},
                {{"type":"Ready","status":"{status}","reason":"{reason}","message":"{message}"}}]}}}}"#
        ))
    }
}
