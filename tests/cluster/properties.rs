//! Arbitrary options and arbitrary damage.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use hcimage::cluster::{FixedAddresses, Report, Severity, TemplateOptions, template};
use proptest::prelude::*;

use crate::check;

fn options() -> impl Strategy<Value = TemplateOptions> {
    let addresses = prop_oneof![
        Just(None),
        (1_u8..=200, 1_u8..=100).prop_map(|(third, first)| {
            let address = |last| IpAddr::V4(Ipv4Addr::new(192, 168, third, last));
            let subnet = format!("192.168.{third}.0/24").parse().unwrap();
            Some(FixedAddresses { subnet, gateway: address(254), first: address(first) })
        })
    ];
    let board = prop_oneof![Just("cm4"), Just("pc")];
    ("[a-z][a-z0-9-]{0,20}[a-z0-9]", 0_u32..3, board.clone(), 0_u32..20, board, addresses, any::<[bool; 2]>())
        .prop_map(|(name, half, board, agents, agent_board, addresses, [api, user])| TemplateOptions {
            name: name.parse().unwrap(),
            servers: half * 2 + 1,
            board: board.to_owned(),
            agents,
            agent_board: agent_board.to_owned(),
            addresses,
            api: (api || addresses.is_none()).then(|| "k3s.home.lan".parse().unwrap()),
            user: user.then(|| ("admin".parse().unwrap(), PathBuf::from("/a \"b\"\\/admin.pub"))),
        })
}

/// The optional settings of a template: each line alone, a table together with its keys.
fn switches(text: &str) -> Vec<std::ops::Range<usize>> {
    let lines: Vec<&str> = text.lines().collect();
    let off = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
    let mut switches = Vec::new();
    let mut index = 0;
    while let Some(line) = lines.get(index) {
        let length = match line {
            line if line.starts_with("#[") => lines.iter().skip(index).take_while(|line| off(line)).count(),
            line if off(line) => 1,
            _ => 0,
        };
        if length > 0 {
            switches.push(index..index + length);
        }
        index += length.max(1);
    }
    switches
}

fn switched_on(text: &str, lines: &std::ops::Range<usize>) -> String {
    let on = |(index, line): (usize, &str)| match lines.contains(&index) {
        true => format!("{}\n", line.strip_prefix('#').unwrap()),
        false => format!("{line}\n"),
    };
    text.lines().enumerate().map(on).collect()
}

/// The positions of a report must be in the file.
fn lies_in(report: &Report, text: &str) {
    for finding in &report.findings {
        let line = text.lines().nth(finding.line - 1).unwrap_or_default();
        assert!(finding.column >= 1 && finding.column <= line.chars().count() + 1, "{finding:?}");
    }
    assert!(report.to_string().lines().count() >= report.findings.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_template_passes_with_and_without_each_optional_setting(options in options()) {
        let text = template(&options);
        let checked = check(&text).unwrap_or_else(|report| panic!("{text}\n{report}"));
        let etcd_on_card = options.servers > 1 && (options.board == "cm4" || options.addresses.is_none());
        prop_assert_eq!(checked.warnings.is_empty(), !etcd_on_card, "{}", checked.warnings);
        prop_assert_eq!(checked.cluster.nodes.servers().count(), usize::try_from(options.servers).unwrap());
        prop_assert_eq!(checked.cluster.nodes.agents().count(), usize::try_from(options.agents).unwrap());
        let switches = switches(&text);
        prop_assert!(switches.len() >= 15, "{text}");
        for lines in switches {
            let on = switched_on(&text, &lines);
            if let Err(report) = check(&on) {
                prop_assert_eq!(report.count(Severity::Error), 0, "{}\n{}", on, report);
            }
        }
    }

    #[test]
    fn a_damaged_file_does_not_cause_a_panic(
        which in 0_usize..3,
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..6, "\\PC{0,6}"), 1..6),
    ) {
        let text = [
            include_str!("../../docs/examples/one-pi/cluster.toml"),
            include_str!("../../docs/examples/turing-pi/cluster.toml"),
            include_str!("../../docs/examples/three-servers/cluster.toml"),
        ][which];
        let mut characters: Vec<char> = text.chars().collect();
        for (place, taken, put) in damage {
            let start = place.index(characters.len());
            let end = (start + taken).min(characters.len());
            characters.splice(start..end, put.chars());
        }
        let text: String = characters.into_iter().collect();
        match check(&text) {
            Ok(checked) => lies_in(&checked.warnings, &text),
            Err(report) => {
                prop_assert!(report.count(Severity::Error) > 0);
                lies_in(&report, &text);
            }
        }
    }

    #[test]
    fn lines_in_any_order_do_not_cause_a_panic(seed in any::<u64>()) {
        let text = include_str!("../../docs/examples/three-servers/cluster.toml");
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut state = seed | 1;
        for index in (1..lines.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(state >> 33).unwrap() % (index + 1);
            lines.swap(index, other);
        }
        let text = lines.join("\n");
        if let Err(report) = check(&text) {
            lies_in(&report, &text);
        }
    }
}
