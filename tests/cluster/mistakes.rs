//! Invalid files, `mistakes/<kind>.toml`, and their expected reports, `<kind>.out`.

use std::collections::BTreeSet;
use std::fs;

use hcimage::cluster::Severity;

use crate::{check, golden, root};

fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for file in fs::read_dir(root().join("tests/cluster/mistakes")).unwrap().map(Result::unwrap) {
        if let Some(name) = file.file_name().to_str().unwrap().strip_suffix(".toml") {
            texts.push((name.to_owned(), fs::read_to_string(file.path()).unwrap()));
        }
    }
    texts.sort();
    texts
}

#[test]
fn every_mistake_gets_its_report() {
    let texts = texts();
    assert!(texts.len() >= 40, "{}", texts.len());
    for (name, text) in texts {
        let report = match check(&text) {
            Ok(checked) => checked.warnings,
            Err(report) => report,
        };
        assert!(!report.is_empty(), "{name} has no problem");
        assert!(
            report.findings.iter().all(|finding| !finding.hint.is_empty()),
            "{name} has no fix:\n{report}"
        );
        golden(&root().join(format!("tests/cluster/mistakes/{name}.out")), &format!("{report}\n"));
    }
}

#[test]
fn every_report_belongs_to_a_mistake() {
    let ends = |end: &str| -> BTreeSet<String> {
        let files = fs::read_dir(root().join("tests/cluster/mistakes")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.strip_suffix(end).map(str::to_owned)).collect()
    };
    assert_eq!(ends(".out"), ends(".toml"));
}

#[test]
fn errors_come_before_warnings_and_each_kind_in_the_order_of_the_file() {
    let (_, text) = texts().into_iter().find(|(name, _)| name == "settings").unwrap();
    let report = check(&text).unwrap_err();
    let places: Vec<_> = report.findings.iter().map(|f| (f.severity == Severity::Warning, f.line)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(report.count(Severity::Warning) > 0);
}

#[test]
fn no_report_shows_a_secret() {
    let texts = texts();
    let with_secrets = texts.iter().filter(|(_, text)| text.contains("hunter2")).count();
    assert!(with_secrets > 2, "{with_secrets} texts have a secret");
    for (name, text) in texts {
        let said = match check(&text) {
            Ok(checked) => format!("{}{checked:?}", checked.warnings),
            Err(report) => format!("{report}{report:?}"),
        };
        assert!(!said.contains("hunter2"), "{name}:\n{said}");
    }
}
