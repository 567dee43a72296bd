//! What every editor promises, over arbitrary text made of lines that it has to tell apart.

use std::fmt::Debug;

use hcimage::formats::kernel_args::CGROUP_MEMORY;
use hcimage::formats::*;
use proptest::prelude::*;

use crate::cases::{ensure_data_disk, network};

/// Text of up to eight lines: some of these, some arbitrary, with either line end and with or without a last one.
pub(crate) fn text_of(lines: &'static [&'static str]) -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => prop::sample::select(lines).prop_map(str::to_owned),
        1 => "[ -~\t\r]{0,20}",
        1 => any::<String>(),
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n")];
    (prop::collection::vec((line, end), 0..8), any::<bool>()).prop_map(|(lines, open)| {
        let mut text: String = lines.iter().flat_map(|(line, end)| [line.as_str(), end]).collect();
        if open {
            text.truncate(text.trim_end_matches('\n').len());
        }
        text
    })
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').map(|line| line.trim_end_matches(['\r', '\n']))
}

/// Whether all of `part` come in `whole`, in this order.
fn in_order<'a>(mut part: impl Iterator<Item = &'a str>, mut whole: impl Iterator<Item = &'a str>) -> bool {
    part.all(|wanted| whole.any(|found| found == wanted))
}

/// Editing again changes nothing; foreign lines stay in their order; the last line's end is as it was.
pub(crate) fn keeps_its_promises<E: Debug + PartialEq>(
    text: &str,
    edit: impl Fn(&str) -> Result<String, E>,
    foreign: impl Fn(&str) -> bool,
) -> Result<(), TestCaseError> {
    let Ok(once) = edit(text) else { return Ok(()) };
    prop_assert_eq!(&edit(&once), &Ok(once.clone()), "editing {:?} again", text);
    prop_assert!(
        in_order(lines(text).filter(|line| foreign(line)), lines(&once)),
        "{:?} became {:?}",
        text,
        once
    );
    // Where the last line went, an empty one may now be the last, and that needs its end.
    if !text.is_empty() && lines(&once).last().is_some_and(|last| !last.is_empty()) {
        prop_assert_eq!(text.ends_with('\n'), once.ends_with('\n'), "{:?} became {:?}", text, once);
    }
    Ok(())
}

/// No word of a line is lost.
fn keeps_words(text: &str, edited: &str) -> Result<(), TestCaseError> {
    let words = |text| str::split_ascii_whitespace(text);
    prop_assert!(in_order(words(text), words(edited)), "{:?} became {:?}", text, edited);
    Ok(())
}

const CMDLINE: &[&str] = &[
    "",
    "quiet",
    "cgroup_disable=memory quiet",
    "cgroup_enable=memory -- x",
    "a=\"b c\"",
    "cgroup_memory=0",
];

const GRUB_CFG: &[&str] = &[
    "menuentry 'x' {",
    "\tlinux\t/vmlinuz ro  quiet ",
    " linuxefi /v cgroup_disable=memory",
    "}",
    "# linux",
];

const DHCPCD: &[&str] = &[
    "",
    "interface eth0",
    "interface eth1",
    "static ip_address=1.2.3.4/8",
    " static routers=1.2.3.1",
    "profile x",
    "metric 3",
    "#static routers=1",
];

const FSTAB: &[&str] = &[
    "",
    "# x swap swap sw",
    "LABEL=k8s-data /k8s-data ext4 defaults,nofail 0 2",
    "LABEL=\"k8s-data\" /k8s-data/ xfs ro",
    "UUID=1 /k8s-data ext4",
    "LABEL=swap / ext4",
    "/swapfile none swap sw 0 0",
    "/dev/sda5\tnone\tswap",
];

const DPHYS: &[&str] =
    &["", "CONF_SWAPSIZE=100", "  CONF_SWAPSIZE= # x", "#CONF_SWAPSIZE=", "CONF_SWAPFILE=/var/swap"];

const HOSTS: &[&str] = &[
    "",
    "127.0.0.1 localhost",
    "127.0.1.1\traspberrypi",
    "127.0.1.1 raspberrypi.lan # raspberrypi",
    "10.0.0.1 raspberrypi",
    "127.0.1.1 hc-1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn cmdline(text in text_of(CMDLINE)) {
        let edit = |text: &str| cmdline::edit(text, &CGROUP_MEMORY);
        keeps_its_promises(&text, edit, |line| line.trim().is_empty())?;
        if let Ok(edited) = edit(&text) {
            keeps_words(&text, &edited)?;
        }
    }

    #[test]
    fn raspi_extra_cmdline(text in text_of(CMDLINE)) {
        let edit = |text: &str| raspi_extra_cmdline::edit(text, &CGROUP_MEMORY);
        keeps_its_promises(&text, edit, |_| false)?;
        if let Ok(edited) = edit(&text) {
            keeps_words(&text, &edited)?;
        }
    }

    #[test]
    fn grub_cfg(text in text_of(GRUB_CFG)) {
        let edit = |text: &str| grub_cfg::edit(text, &CGROUP_MEMORY);
        keeps_its_promises(&text, edit, |line| !line.contains("linux"))?;
        if let Ok(edited) = edit(&text) {
            prop_assert_eq!(lines(&edited).count(), lines(&text).count());
            for (before, after) in lines(&text).zip(lines(&edited)) {
                keeps_words(before, after)?;
            }
        }
    }

    #[test]
    fn dhcpcd_conf(text in text_of(DHCPCD)) {
        let edit = |text: &str| dhcpcd_conf::edit(text, &"eth0".parse().unwrap(), Some(&network()), None);
        keeps_its_promises(&text, edit, |line| !line.trim_start().starts_with("static"))?;
        let edited = edit(&text).unwrap();
        let is_head = |line: &&str| line.split_ascii_whitespace().take(2).eq(["interface", "eth0"]);
        let settings: Vec<&str> = lines(&edited).skip_while(|line| !is_head(line)).skip(1).take(2).collect();
        prop_assert_eq!(settings, ["static ip_address=192.168.1.10/24", "static routers=192.168.1.1"]);
    }

    #[test]
    fn fstab_mount(text in text_of(FSTAB)) {
        keeps_its_promises(&text, ensure_data_disk, |line| !line.contains("k8s-data"))?;
    }

    #[test]
    fn fstab_swap(text in text_of(FSTAB)) {
        let foreign = |line: &str| !line.contains("swap") || line.starts_with(['#', 'L']);
        keeps_its_promises(&text, |text| Ok::<_, EditError>(fstab::remove_swap(text)), foreign)?;
        prop_assert!(!fstab::remove_swap(&text).contains("/swapfile"));
    }

    #[test]
    fn dphys_swapfile(text in text_of(DPHYS)) {
        let foreign = |line: &str| !line.contains("CONF_SWAPSIZE");
        keeps_its_promises(&text, |text| Ok::<_, EditError>(dphys_swapfile::edit(text)), foreign)?;
    }

    #[test]
    fn hosts(text in text_of(HOSTS)) {
        let edit = |text: &str| Ok::<_, EditError>(hosts::edit(text, "raspberrypi", &"hc-1".parse().unwrap()));
        keeps_its_promises(&text, edit, |line| !line.contains("127.0.1.1"))?;
    }
}
