//! Foreign texts: what reads them takes bounded memory, however little or much there is to read.

use hcimage::cluster::Manifest;
use hcimage::formats::cloud_init::CloudInitOverrides;
use hcimage::formats::kernel_args::CGROUP_MEMORY;
use hcimage::formats::os_release::OsRelease;
use hcimage::formats::{cloud_cfg, cmdline, fstab, user_data, yaml_load};

use crate::MEMORY;

/// Bytes that reading one text may take besides those in use before: the tokens and the tree of the largest YAML, and what holds
/// them together.
const MOST: usize = 256 << 20;

/// What may be done to cloud-init's settings: all of it.
const ALL: CloudInitOverrides = CloudInitOverrides { network: true, accounts: true, time_zone: true };

/// See the module. The first byte says which reader the rest is for. Asking for more memory ends the process, so nothing else
/// may run in it meanwhile.
pub fn run(input: &[u8]) {
    let Some((which, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let before = MEMORY.limit();
    MEMORY.set_limit(MEMORY.allocated() + MOST).expect("a limit above what is in use");
    read(*which, text);
    MEMORY.set_limit(before).expect("the limit that was there");
}

fn read(which: u8, text: &str) {
    match which % 7 {
        0 => drop(yaml_load::load(text)),
        1 => drop(cloud_cfg::datasources([text, text])),
        2 => user_data(text),
        3 => drop(Manifest::new("a.yaml", text.to_owned())),
        4 => drop(OsRelease::parse(text).map(|release| release.get("ID").map(str::to_owned))),
        5 => drop((fstab::mounts(text), fstab::swaps(text), fstab::remove_swap(text))),
        _ => drop(cmdline::edit(text, &CGROUP_MEMORY)),
    }
}

/// What was taken out stays out, and nobody's account is left.
fn user_data(text: &str) {
    let text = format!("#cloud-config\n{text}");
    let _ = user_data::makes_accounts(&text);
    let Ok(edited) = user_data::edit(&text, ALL) else { return };
    assert!(!user_data::makes_accounts(&edited), "accounts are left");
    assert_eq!(user_data::edit(&edited, ALL).as_deref(), Ok(edited.as_str()), "edited again");
}
