//! What a node's console says of its first boot, line by line. Pure.

use hc_firstboot::report::ReportStatus;

/// How far a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its first boot has not begun.
    Booting,
    /// Its first boot is under way.
    Running,
    /// It is Ready.
    Ready,
    /// Its first boot has stopped, or the machine has ended.
    Failed,
    /// It was switched off.
    Off,
}

/// A phase of the first boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its place, as `[3/14]`.
    pub place: String,
    /// Its name, as `data disk`.
    pub name: String,
    /// When it began, in seconds since the machine was switched on.
    pub since: u64,
}

/// A node's first boot, as its console shows it. The texts are foreign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// How far it is.
    pub status: Status,
    /// The phase that runs or has failed.
    pub phase: Option<Phase>,
    /// What it waits for, or why it has failed.
    pub reason: String,
    /// When it was Ready or failed, in seconds since the machine was switched on. A node that tries again has none.
    pub ended: Option<u64>,
}

impl Default for Boot {
    fn default() -> Self {
        Self { status: Status::Booting, phase: None, reason: String::new(), ended: None }
    }
}

/// What a line of the report begins with.
const WRONG: &str = "What is wrong:";

/// systemd's emergency mode, in which nothing goes on. In QEMU the reason is mostly that devices had not appeared after 90 seconds.
const EMERGENCY: &str = "systemd is in emergency mode: a file system was not found in time, for which a computer that is too \
                         busy is enough";

/// The longest text that is kept, in characters.
const LONGEST: usize = 300;

impl Boot {
    /// Takes a line of the console, `at` so many seconds since the machine was switched on; says whether a person wants to
    /// hear of it: a phase has begun, or the first boot has ended.
    pub fn hear(&mut self, line: &str, at: u64) -> bool {
        if matches!(self.status, Status::Ready | Status::Off) {
            return false;
        }
        let line = line.trim();
        if line == ReportStatus::Ready.sentinel() {
            *self = Self { status: Status::Ready, ended: Some(at), ..Self::default() };
            return true;
        }
        if line == ReportStatus::Failed.sentinel() {
            (self.status, self.ended) = (Status::Failed, Some(at));
            return true;
        }
        if line.contains("Kernel panic - not syncing") {
            return self.fail(line, at);
        }
        if line.contains("You are in emergency mode") {
            return self.fail(EMERGENCY, at);
        }
        if let Some(why) = line.strip_prefix(WRONG) {
            self.reason = cut(why.trim());
            return false;
        }
        // Only the beginning of a line is ours, after the stamp that some journals put before it.
        match line.split_once("hcimage: ") {
            Some((before, rest)) if before.is_empty() || before.ends_with("]: ") => self.progress(rest, at),
            _ => false,
        }
    }

    /// The machine has ended, or said that it will not go on.
    pub fn fail(&mut self, why: &str, at: u64) -> bool {
        (self.status, self.ended) = (Status::Failed, Some(at));
        self.reason = cut(why);
        true
    }

    fn progress(&mut self, text: &str, at: u64) -> bool {
        if !text.starts_with('[') {
            // `data disk: waiting for ...`: of the phase that runs.
            if let (Some(phase), Some((name, what))) = (&self.phase, text.split_once(": "))
                && phase.name == name
            {
                self.reason = cut(what);
            }
            return false;
        }
        let Some((place, rest)) = text.split_once("] ") else { return false };
        let Some((name, what)) = rest.split_once(": ") else { return false };
        if what == "started" {
            // A run that failed tries again.
            (self.status, self.ended) = (Status::Running, None);
            self.phase = Some(Phase { place: cut(&format!("{place}]")), name: cut(name), since: at });
            self.reason.clear();
            return true;
        }
        if what.starts_with("done") {
            self.reason.clear();
        }
        false
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[&str]) -> Boot {
        let mut boot = Boot::default();
        for (at, line) in lines.iter().enumerate() {
            boot.hear(line, at as u64);
        }
        boot
    }

    #[test]
    fn phases_are_read_as_firstboot_writes_them() {
        let boot = heard(&[
            "[    1.0] systemd[1]: Started",
            "hcimage: [1/9] host: started",
            "hcimage: [1/9] host: done in 1 s",
            "[   20.5] hc-firstboot[312]: hcimage: [4/9] data disk: started",
            "hcimage: data disk: waiting for the disk k8s-data",
            "hcimage: join: of another phase",
            "somebody: hcimage: [5/9] join: started",
        ]);
        let phase = Phase { place: "[4/9]".to_owned(), name: "data disk".to_owned(), since: 3 };
        let reason = "waiting for the disk k8s-data".to_owned();
        assert_eq!(boot, Boot { status: Status::Running, phase: Some(phase), reason, ended: None });
    }

    #[test]
    fn the_end_is_the_sentinel_or_a_panic() {
        let ready =
            ["hcimage: [9/9] finish: started", "HCIMAGE-REPORT-END ready\r", "Kernel panic - not syncing"];
        assert_eq!(heard(&ready).status, Status::Ready);
        let failed = ["What is wrong:  no disk has the label", "HCIMAGE-REPORT-END failed"];
        let boot = heard(&failed);
        assert_eq!((boot.status, boot.reason.as_str()), (Status::Failed, "no disk has the label"));
        assert_eq!(heard(&["x Kernel panic - not syncing: IO-APIC"]).status, Status::Failed);
        assert_eq!(heard(&["You are in emergency mode. After logging in, type"]).reason, EMERGENCY);
    }

    #[test]
    fn a_node_that_tries_again_ends_when_that_does() {
        let mut lines = vec!["hcimage: [1/9] host: started", "HCIMAGE-REPORT-END failed"];
        let ended = |lines: &[&str]| {
            let boot = heard(lines);
            (boot.status, boot.ended)
        };
        assert_eq!(ended(&lines), (Status::Failed, Some(1)));
        lines.push("hcimage: [1/9] host: started");
        assert_eq!(ended(&lines), (Status::Running, None));
        lines.push("HCIMAGE-REPORT-END ready");
        assert_eq!(ended(&lines), (Status::Ready, Some(3)));
        // What follows is of a node that is Ready.
        lines.push("Kernel panic - not syncing");
        assert_eq!(ended(&lines), (Status::Ready, Some(3)));
    }

    #[test]
    fn hostile_lines_are_cut_or_ignored() {
        let long = format!("hcimage: [1/1] {}: started", "x".repeat(5000));
        let boot =
            heard(&[&long, "hcimage: [", "hcimage: ", "hcimage: [] ", "hcimage: [2/1]", "hcimage: [2/1] y"]);
        assert_eq!(boot.phase.unwrap().name.len(), LONGEST);
    }
}
