//! Our layer against the model: at least 10,000 operations over all kinds of ext4, checked by e2fsck and debugfs.

use super::super::image::{DIR, Image, path};
use super::model::Model;
use super::{TOP, Tell, assert_same, by_debugfs, by_us, generate, profiles};
use crate::fs::FileSystem;

/// Operations between two closings of the file system, after each of which e2fsck runs.
const AT_ONCE: usize = 26;
const CLOSINGS: u64 = 4;
const LISTS: u64 = 4;

/// The first numbers, or the one that is asked for.
pub(super) fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("HCIMAGE_EXT4_SEED") {
        Ok(seed) => vec![seed.parse().expect("HCIMAGE_EXT4_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

fn run(profile: &profiles::Profile, seed: u64) {
    let _tell = Tell(format!("HCIMAGE_EXT4_SEED={seed}, {}", profile.options.join(" ")));
    let image = Image::empty(24, &profile.options());
    let mut model = Model::new(profile.block);
    image.edit(|fs| fs.create_dirs(&path(TOP), DIR).unwrap());
    for closing in 0..CLOSINGS {
        let list = generate::list(seed << 8 | closing, AT_ONCE, profile, &mut model);
        let sight = model.sight();
        image.edit(|fs| {
            for (operation, outcome) in &list {
                assert_eq!(by_us::act(fs, operation), *outcome, "{operation:?}");
            }
            assert_same(&by_us::sight(fs), &sight, "we, before closing");
        });
        if closing + 1 == CLOSINGS {
            let names: Vec<String> = sight.keys().cloned().collect();
            assert_same(&by_debugfs::sight(&image, &names), &sight, "debugfs");
        }
    }
}

/// Every other kind of ext4, so that two tests share the work.
fn half(of: usize) {
    let profiles = profiles::all();
    assert!(profiles.len() * (LISTS * CLOSINGS) as usize * AT_ONCE >= 10_000, "{} kinds", profiles.len());
    for profile in profiles.iter().skip(of).step_by(2) {
        seeds(LISTS).into_iter().for_each(|seed| run(profile, seed));
    }
}

#[test]
fn the_first_half_of_the_profiles_agrees() {
    half(0);
}

#[test]
fn the_second_half_of_the_profiles_agrees() {
    half(1);
}
