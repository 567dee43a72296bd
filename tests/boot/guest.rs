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
        Self::start_with(name, board, image, None, network, clock)
    }

    /// With the kernel of an image that is whole: that of a card whose power was cut cannot be read before it has booted.
    pub fn restart(name: &str, board: &str, image: &Path, whole: &Path, network: Network) -> Self {
        Self::start_with(name, board, image, Some(whole), network, None)
    }

    fn start_with(
        name: &str,
        board: &str,
        image: &Path,
        kernel_from: Option<&Path>,
        network: Network,
        clock: Option<&str>,
    ) -> Self {
        let boards = Boards::load(None).unwrap();
        let board = boards.get(board).unwrap();
        let machine = Machine { board, image, kernel_from, disks: Vec::new(), memory: 768, network, clock };
        let vm = Vm::start(&machine, &Interrupt::new()).unwrap();
        Self { vm, name: name.to_owned(), console: Vec::new() }
    }

    /// Waits for a line with these words; it may have come already.
    pub fn wait_for(&mut self, words: &str) {
        if self.said(words) {
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

    /// Waits for a line with the ones or the others.
    pub fn wait_for_either(&mut self, one: &str, other: &str) {
        let console = &mut self.console;
        let waited = self.vm.wait_for("say what is waited for", REPORT, |line| {
            console.push(line.to_owned());
            line.contains(one) || line.contains(other)
        });
        let all = || self.console.join("\n");
        assert!(waited.is_ok(), "{} said neither {one:?} nor {other:?}: {waited:?}\n{}", self.name, all());
    }

    /// Whether a line with these words has come.
    pub fn said(&self, words: &str) -> bool {
        self.console.iter().any(|line| line.contains(words))
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
