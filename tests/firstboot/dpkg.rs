//! dpkg on the simulated machine, in its unit: it begins with the first package, and its work outlives a power cut as far as
//! it came.

use std::io;
use std::time::Duration;

use hc_firstboot::RunOutcome;
use hc_firstboot::seed::{BundleFile, PACKAGES_DIR, Packages, Seed};
use hc_firstboot::state::{PhaseName, State};
use hc_firstboot::sys::Output;
use sha2::{Digest, Sha256};

use crate::disk::Cut;
use crate::failures::{flashed, report_of};
use crate::machine::{Machine, Volatile};
use crate::programs::{bad, good};
use crate::scenario::{STATE, STATUS, World, seed};

/// How long it takes.
const TAKES: Duration = Duration::from_secs(7);

pub(crate) const NAMES: [&str; 2] = ["libisns0", "open-iscsi"];

/// What is on the node's disk of the packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dpkg {
    #[default]
    Untouched,
    /// The power failed, or a script, while it worked.
    HalfInstalled,
    Installed,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DpkgEnd {
    #[default]
    Good,
    /// Another program has its lock, until this time after power-on.
    LockedUntil(Duration),
    /// The script of a package fails.
    Fails,
}

/// The seed with packages, whose files are in the bundle.
pub(crate) fn with_packages(mut seed: Seed) -> Seed {
    let parsed = |name: &str| name.parse().unwrap();
    seed.packages = Some(Packages {
        installed: NAMES.map(parsed).to_vec(),
        enable: vec!["iscsid.service".parse().unwrap()],
        disable: vec!["open-iscsi.service".parse().unwrap()],
    });
    for name in NAMES {
        seed.bundle.push(BundleFile {
            path: file(name).into(),
            size: name.len() as u64,
            unpacked_size: Some(1_000_000),
            sha256: Sha256::digest(name).iter().map(|byte| format!("{byte:02x}")).collect(),
        });
    }
    seed
}

/// Where the file of a package lies; it holds its name.
pub(crate) fn file(name: &str) -> String {
    format!("{PACKAGES_DIR}/0001-{name}.deb")
}

impl World {
    /// The commands that have to do with packages; none for others.
    pub(crate) fn dpkg(&mut self, line: &str, now: &mut Volatile) -> Option<io::Result<Output>> {
        Some(match line {
            "systemctl mask --runtime open-iscsi.service"
            | "systemctl unmask --runtime open-iscsi.service" => {
                now.is_masked = line.contains(" mask ");
                good("")
            }
            "systemctl disable --now open-iscsi.service" => {
                self.unit_states.1 = false;
                good("")
            }
            "systemctl enable --now iscsid.service" => {
                assert_eq!(self.dpkg, Dpkg::Installed, "a unit of a package that is not there");
                self.unit_states.0 = true;
                good("")
            }
            "systemctl reset-failed hcimage-packages.service" => good(""),
            "systemctl start --no-block hcimage-packages.service" => {
                assert!(now.is_masked, "its scripts would start what is not to be started");
                assert!(
                    NAMES.iter().all(|name| self.disk.text(&file(name)) == *name),
                    "a package is missing"
                );
                now.dpkg_started = Some(now.uptime);
                if self.dpkg == Dpkg::Untouched {
                    self.dpkg = Dpkg::HalfInstalled;
                }
                good("")
            }
            _ if line.starts_with("systemctl show ") && line.ends_with(" hcimage-packages.service") => {
                good(self.dpkg_unit(now))
            }
            "journalctl --boot --no-pager --output=cat --lines=15 --unit hcimage-packages.service" => {
                good(match self.dpkg_end {
                    DpkgEnd::LockedUntil(_) => {
                        "dpkg: error: dpkg frontend lock was locked by another process with pid 7\nFailed\n"
                    }
                    _ => {
                        "Setting up open-iscsi\ndpkg: error processing package open-iscsi (--install)\nFailed\n"
                    }
                })
            }
            "dpkg --audit" if self.dpkg == Dpkg::HalfInstalled => good("half: open-iscsi\n"),
            "dpkg --audit" => good(""),
            _ if line.starts_with("dpkg-query --show --showformat=") => match self.dpkg {
                Dpkg::Installed => good(NAMES.map(|name| format!("{name} installed\n")).concat()),
                Dpkg::HalfInstalled => good("libisns0 installed\nopen-iscsi half-configured\n"),
                Dpkg::Untouched => bad("dpkg-query: no packages found"),
            },
            _ => return None,
        })
    }

    /// What systemd says of the unit: it works for some seconds.
    fn dpkg_unit(&mut self, now: &Volatile) -> String {
        let since = now.dpkg_started.map(|start| now.uptime.saturating_sub(start));
        let (active, result) = match (since, self.dpkg_end) {
            (None, _) => ("inactive", "success"),
            (Some(since), _) if since < TAKES => ("activating", "success"),
            (_, DpkgEnd::Fails) => ("failed", "exit-code"),
            (_, DpkgEnd::LockedUntil(end)) if now.dpkg_started.is_some_and(|start| start < end) => {
                ("failed", "exit-code")
            }
            _ => {
                self.dpkg = Dpkg::Installed;
                ("inactive", "success")
            }
        };
        format!(
            "ActiveState={active}\nSubState=dead\nResult={result}\nNRestarts=0\nExecMainStatus=0\nNeedDaemonReload=no\n"
        )
    }
}

#[test]
fn packages_are_installed_before_k3s_and_their_files_are_gone_at_the_end() {
    let machine = Machine::boot(World::flashed(&with_packages(seed())));
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let commands = machine.commands.borrow().clone();
    let at =
        |text: &str| commands.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}"));
    assert!(at("mask --runtime open-iscsi.service") < at("start --no-block hcimage-packages"));
    assert!(at("start --no-block hcimage-packages") < at("systemctl enable --now iscsid.service"));
    assert!(at("systemctl enable --now iscsid.service") < at("start --no-block k3s"));
    assert!(machine.text(STATUS).contains("2 packages"), "{}", machine.text(STATUS));
    let world = machine.off();
    assert_eq!((world.dpkg, world.unit_states), (Dpkg::Installed, (true, false)));
    assert!(NAMES.iter().all(|name| world.disk.text(&file(name)).is_empty()), "they only take room");
}

#[test]
fn units_of_a_package_that_the_base_has_are_enabled_without_dpkg() {
    let mut seed = with_packages(seed());
    seed.packages.as_mut().unwrap().installed.clear();
    seed.bundle.retain(|file| !file.path.starts_with(PACKAGES_DIR));
    let mut world = World::flashed(&seed);
    world.dpkg = Dpkg::Installed;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    assert!(!machine.commands.borrow().iter().any(|line| line.contains("hcimage-packages.service")));
    assert_eq!(machine.off().unit_states, (true, false));
}

#[test]
fn a_lock_of_another_program_is_waited_for() {
    let mut world = World::flashed(&with_packages(seed()));
    world.dpkg_end = DpkgEnd::LockedUntil(Duration::from_secs(200));
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
    let state: State = serde_json::from_str(&machine.text(STATE)).unwrap();
    assert!(state.is_done(PhaseName::Packages));
}

#[test]
fn a_package_that_cannot_be_installed_stops_the_run_with_the_words_of_dpkg() {
    let text = report_of(flashed(
        |world| world.dpkg_end = DpkgEnd::Fails,
        |seed| *seed = with_packages(seed.clone()),
    ));
    let what = "dpkg failed (exit-code): dpkg: error processing package open-iscsi (--install)";
    assert!(text.contains(what) && text.contains("see `journalctl -u hcimage-packages`"), "{text}");
    assert!(text.contains("Setting up open-iscsi"), "{text}");
}

#[test]
fn a_card_on_which_dpkg_has_begun_needs_no_second_room() {
    let mut world = World::flashed(&with_packages(seed()));
    for file in world.seed.bundle.iter_mut().filter(|file| file.path.starts_with(PACKAGES_DIR)) {
        file.unpacked_size = Some(400_000_000);
    }
    let seed = world.seed.clone();
    world.put_seed(&seed);
    world.free = 300_000_000;
    let machine = Machine::boot(world.clone());
    assert_eq!(machine.first_boot(), RunOutcome::Failed);
    assert!(machine.text(STATUS).contains("not enough disk space"), "{}", machine.text(STATUS));

    // The power fails when dpkg has used its room.
    world.free = 2_000_000_000;
    let cut_before = |step| {
        let machine = Machine::boot(world.clone());
        machine.first_boot_until(step);
        machine.off().power_cut(Cut::NamesKept)
    };
    let mut world = (1..1000).map(cut_before).find(|world| world.dpkg == Dpkg::HalfInstalled).unwrap();
    world.free = 300_000_000;
    let machine = Machine::boot(world);
    assert_eq!(machine.first_boot(), RunOutcome::Ready, "{}", machine.said());
}
