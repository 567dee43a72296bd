//! Our layer against the kernel: the same operations on two copies of one image, ours and the kernel's own, and
//! the trees compared. Then the kernel goes on with what we made, and we with what it made of that.
//!
//! Where images cannot be mounted (no root, no loop devices), debugfs reads and writes instead, and the test says so.

use std::io::Write;

use super::super::image::{DIR, Image, path};
use super::against_model::seeds;
use super::by_kernel::{Mounted, agrees, now};
use super::generate::list;
use super::model::Model;
use super::profiles::Profile;
use super::{Operation, Outcome, TOP, Tell, assert_same, by_debugfs, by_us, profiles};
use crate::fs::FileSystem;

const AT_ONCE: usize = 60;

fn by_us(image: &Image, list: &[(Operation, Outcome)]) {
    image.edit(|fs| {
        for (operation, outcome) in list {
            assert_eq!(by_us::act(fs, operation), *outcome, "{operation:?}");
        }
    });
}

fn by_kernel(mounted: &Mounted, list: &[(Operation, Outcome)]) {
    for (operation, outcome) in list {
        assert!(agrees(*outcome, mounted.act(operation)), "the kernel: {operation:?}, expected {outcome:?}");
    }
}

fn start(profile: &Profile) -> Image {
    let image = Image::empty(24, &profile.options());
    image.edit(|fs| fs.create_dirs(&path(TOP), DIR).unwrap());
    image
}

/// One list after the other: on both, by the kernel on ours, by us on what came of it, and seen by the kernel again.
fn run(profile: &Profile, seed: u64) -> Result<(), String> {
    let _tell = Tell(format!("HCIMAGE_EXT4_SEED={seed}, {}", profile.options.join(" ")));
    let since = now();
    let ours = start(profile);
    let theirs = ours.copy();
    let mut model = Model::new(profile.block);
    let mut next = |number: u64| {
        let list = list(seed << 16 | number, AT_ONCE, profile, &mut model);
        (list, model.sight())
    };
    let (first, sight) = next(1);
    let mounted = Mounted::try_new(&theirs, since)?;
    by_kernel(&mounted, &first);
    assert_same(&mounted.sight(), &sight, "the kernel on its own copy");
    mounted.unmount();
    theirs.assert_clean();

    by_us(&ours, &first);
    let mounted = Mounted::try_new(&ours, since)?;
    assert_same(&mounted.sight(), &sight, "the kernel on what we made");
    let (second, sight) = next(2);
    by_kernel(&mounted, &second);
    assert_same(&mounted.sight(), &sight, "the kernel on what we made and it went on with");
    // Fragments for what comes now.
    let churn = mounted.root().join("churn");
    std::fs::create_dir(&churn).unwrap();
    for number in 0..200 {
        std::fs::write(churn.join(format!("{number}")), vec![7; number * 13 % 5000]).unwrap();
    }
    for number in (0..200).step_by(2) {
        std::fs::remove_file(churn.join(format!("{number}"))).unwrap();
    }
    mounted.unmount();
    ours.assert_clean();

    let (third, _) = next(3);
    by_us(&ours, &third);
    let (fourth, sight) = next(4);
    by_us(&ours, &fourth);
    let mounted = Mounted::try_new(&ours, since)?;
    assert_same(&mounted.sight(), &sight, "the kernel after all");
    mounted.unmount();
    ours.assert_clean();
    Ok(())
}

/// The second opinion where nothing can be mounted: debugfs reads the tree and writes into it.
fn run_with_debugfs(profile: &Profile, seed: u64) {
    let _tell = Tell(format!("HCIMAGE_EXT4_SEED={seed}, {}", profile.options.join(" ")));
    let image = start(profile);
    let mut model = Model::new(profile.block);
    let first = list(seed << 16 | 1, AT_ONCE, profile, &mut model);
    by_us(&image, &first);
    let sight = model.sight();
    let names: Vec<String> = sight.keys().cloned().collect();
    assert_same(&by_debugfs::sight(&image, &names), &sight, "debugfs");
    image.debugfs_script(&[
        "mkdir /by-debugfs",
        "cd /by-debugfs",
        "mkdir a",
        "symlink b /srv",
        "mknod c p",
        "rm b",
    ]);
    image.assert_clean();
    by_us(&image, &list(seed << 16 | 2, AT_ONCE, profile, &mut model));
}

fn compare(of: usize) {
    for profile in profiles::all().iter().skip(of).step_by(2) {
        for seed in seeds(2) {
            if let Err(reason) = run(profile, seed) {
                // Past the capture of the test's output: a skipped kernel must be seen.
                let said = writeln!(
                    std::io::stderr(),
                    "NOT compared with the kernel, but with debugfs alone: mounting fails: {}",
                    reason.trim()
                );
                said.unwrap();
                profiles::all()
                    .iter()
                    .skip(of)
                    .step_by(2)
                    .for_each(|profile| run_with_debugfs(profile, seed));
                return;
            }
        }
    }
}

#[test]
fn the_first_half_of_the_profiles_agrees() {
    compare(0);
}

#[test]
fn the_second_half_of_the_profiles_agrees() {
    compare(1);
}
