//! A machine that runs, with everything that its console said.

use std::path::Path;
use std::time::{Duration, Instant};

use hc_firstboot::report::End;
use hcimage::board::Boards;
use hcimage::interrupt::Interrupt;
use hcimage::run::{Machine, Network, Vm, VmError};

use crate::{POWER_OFF, REPORT};

pub struct Guest {
    vm: Vm,
    name: String,
    pub console: Vec<String>,
}

impl Guest {
    pub fn start(name: &str, board: &str, image: &Path, network: Network, clock: Option<&str>) -> Self {
        let boards = Boards::load(None).unwrap();
        let board = boards.get(board).unwrap();
        let machine = Machine { board, image, disks: Vec::new(), memory: 768, network, clock };
        let vm = Vm::start(&machine, &Interrupt::new()).unwrap();
        Self { vm, name: name.to_owned(), console: Vec::new() }
    }

    /// Waits for a line with these words; it may have come already.
    pub fn wait_for(&mut self, words: &str) {
        if self.console.iter().any(|line| line.contains(words)) {
            return;
        }
        let console = &mut self.console;
        let waited = self.vm.wait_for("say what is waited for", REPORT, |line| {
            console.push(line.to_owned());
            line.contains(words)
        });
        assert!(
            waited.is_ok(),
            "{} did not say {words:?}: {waited:?}\n{}",
            self.name,
            self.console.join("\n")
        );
    }

    /// Waits for the end of the first boot.
    pub fn wait_for_end(&mut self, wanted: End) {
        let is_end =
            |line: &String| [End::Ready, End::Failed].into_iter().find(|end| line.trim() == end.sentinel());
        let mut end = self.console.iter().find_map(is_end);
        if end.is_none() {
            let console = &mut self.console;
            let waited = self.vm.wait_for("report", REPORT, |line| {
                console.push(line.to_owned());
                end = is_end(&line.to_owned());
                end.is_some()
            });
            assert!(waited.is_ok(), "{}: {waited:?}\n{}", self.name, self.console.join("\n"));
        }
        assert_eq!(end, Some(wanted), "{}\n{}", self.name, self.console.join("\n"));
    }

    /// Reads the console for so long; says whether the machine still runs.
    pub fn watch(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let console = &mut self.console;
        let watched =
            self.vm.wait_for("say anything", end.saturating_duration_since(Instant::now()), |line| {
                console.push(line.to_owned());
                false
            });
        match watched {
            Err(VmError::Timeout { .. }) => true,
            Err(VmError::Ended { .. }) => false,
            other => panic!("{}: {other:?}", self.name),
        }
    }

    /// Pulls the plug: QEMU is killed.
    pub fn cut_power(self) -> Vec<String> {
        self.console
    }

    pub fn power_off(self) {
        let Self { vm, name, mut console } = self;
        let status = vm.power_off(POWER_OFF, |line| console.push(line.to_owned()));
        assert!(
            status.as_ref().is_ok_and(|status| status.success()),
            "{name}: {status:?}\n{}",
            console.join("\n")
        );
    }
}
