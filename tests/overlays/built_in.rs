//! The overlays that are compiled in: each alone and with every other that it can live with.

use std::collections::BTreeSet;
use std::path::Path;

use hcimage::cluster::{Checked, Container, containers_of};
use hcimage::overlays::{Library, Overlay};
use hcimage::value::ImageReference;
use hcimage_testkit::golden;

use super::{FOUR, ONE, load, table};

const HOW: &str = "HCIMAGE_BLESS=1 cargo test -p hcimage --test overlays";

fn all() -> Vec<Overlay> {
    let all = Library::built_in().unwrap();
    assert!(all.len() >= 3, "they are not compiled in");
    all
}

fn loaded(tables: &str, nodes: &str) -> Checked {
    let checked =
        load(Path::new("/nowhere"), tables, nodes).unwrap_or_else(|report| panic!("{tables}\n{report}"));
    assert!(checked.warnings.is_empty(), "{tables}\n{}", checked.warnings);
    checked
}

/// What a cluster gets, as the golden files have it.
fn rendered(checked: &Checked) -> String {
    let mut text = String::new();
    for active in &checked.cluster.overlays {
        for file in &active.shown.files {
            text.push_str(&format!("# {}\n{}\n", file.name, file.text.trim_end()));
        }
        for (name, values) in &active.shown.values {
            text.push_str(&format!("# {}: {name}\n{}\n", active.name(), values.trim_end()));
        }
    }
    text
}

#[test]
fn each_renders_alone_on_one_node_and_on_four() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/overlays/golden");
    for overlay in all() {
        for (nodes, count) in [(ONE, "one"), (FOUR, "four")] {
            let checked = loaded(&table(&overlay), nodes);
            golden::check(&dir.join(format!("{}-{count}.yaml", overlay.name)), &rendered(&checked), HOW);
        }
    }
}

#[test]
fn every_pair_that_can_live_together_does() {
    let all = all();
    let mut pairs = 0;
    for (place, one) in all.iter().enumerate() {
        for other in all.iter().skip(place + 1) {
            let tables = table(one) + &table(other);
            let provides =
                |overlay: &Overlay| overlay.usual_needs().map(|needs| needs.provides).unwrap_or_default();
            let fights = provides(one).iter().any(|what| provides(other).contains(what));
            match load(Path::new("/nowhere"), &tables, FOUR) {
                Ok(checked) => {
                    assert!(!fights, "{} and {}", one.name, other.name);
                    assert!(checked.warnings.is_empty(), "{tables}\n{}", checked.warnings);
                }
                Err(report) => {
                    let said = report.to_string();
                    assert!(fights, "{} and {}: {said}", one.name, other.name);
                    assert!(said.contains("and a cluster has one"), "{said}");
                }
            }
            pairs += 1;
        }
    }
    assert!(pairs > 2);
}

/// Requests of memory are in the manifests, so all that runs is asked for here, and has an image in the list.
#[test]
fn every_image_of_a_manifest_is_listed_and_none_floats() {
    for overlay in all() {
        let checked = loaded(&table(&overlay), FOUR);
        let active = checked.cluster.overlays.iter().find(|active| *active.name() == overlay.name).unwrap();
        let listed: BTreeSet<&ImageReference> = active.needs.images.iter().map(|image| &image.name).collect();
        let mut asked = BTreeSet::new();
        for file in &active.shown.files {
            for Container { workload, image, always_pulls, .. } in containers_of(&file.text).unwrap() {
                let image: ImageReference = image.parse().unwrap();
                assert!(!always_pulls && !image.floats(), "{}: {workload}: {image}", overlay.name);
                assert!(listed.contains(&image), "{}: {workload}: {image} is not listed", overlay.name);
                asked.insert(image);
            }
        }
        if active.needs.charts.is_empty() {
            // One that a program starts is named in what that program reads.
            let is_named = |image: &ImageReference| {
                let name = image.to_string();
                active.shown.files.iter().any(|file| file.text.contains(&name))
            };
            let unused: Vec<_> =
                listed.iter().filter(|image| !asked.contains(**image) && !is_named(image)).collect();
            assert!(unused.is_empty(), "{}: nothing asks for {unused:?}", overlay.name);
        }
    }
}

#[test]
fn each_says_what_it_is_and_how_it_is_removed() {
    for overlay in all() {
        let about = &overlay.about;
        assert!(
            !about.ends_with('.') && !about.contains('\n') && about.len() > 20,
            "{}: {about}",
            overlay.name
        );
        for heading in ["works", "emove", "pdate"] {
            assert!(
                overlay.readme.contains(heading),
                "{}: README.md has nothing on {heading:?}",
                overlay.name
            );
        }
        let table = format!("[overlays.{}]", overlay.name);
        assert!(overlay.readme.contains(&table), "{}: README.md has no example", overlay.name);
        let helps = overlay.parameters.iter().map(|(name, of)| (name, &of.help));
        for (name, help) in helps.chain(overlay.secrets.iter().map(|(name, of)| (name, &of.help))) {
            assert!(help.ends_with('.') && help.len() > 6, "{}: {name}: {help}", overlay.name);
        }
    }
}

/// Whatever a parameter says, it stays a text.
#[test]
fn no_parameter_becomes_structure() {
    let hostile = "a: b\n---\nkind: Evil # \" ' {{ 1 + 1 }} ${HOME}";
    for overlay in all() {
        let texts = overlay.parameters.iter().filter(|(_, of)| {
            of.choices.is_empty() && matches!(of.kind, hcimage::overlays::ParameterType::Text)
        });
        for (name, parameter) in texts {
            let line = format!("{name} = {}\n", toml::Value::String(hostile.to_owned()));
            let mut tables = table(&overlay);
            if parameter.default.is_none() && !parameter.optional {
                let kept: Vec<&str> =
                    tables.lines().filter(|of| !of.starts_with(&format!("{name} ="))).collect();
                tables = kept.join("\n") + "\n";
            }
            tables.push_str(&line);
            // A value may be refused, by an overlay's own rule; it may not pass as something else.
            let Ok(checked) = load(Path::new("/nowhere"), &tables, ONE) else { continue };
            for file in checked.cluster.overlays.iter().flat_map(|active| &active.shown.files) {
                let kinds = file.text.lines().filter(|line| line.trim_start().starts_with("kind: Evil"));
                assert_eq!(kinds.count(), 0, "{}: {name}: {}", overlay.name, file.text);
            }
        }
    }
}

/// The kubelet gives files of secrets to root: another user reads them by its group, or because all may.
#[test]
fn containers_that_are_not_root_can_read_their_secrets() {
    let mut seen = 0;
    for overlay in all() {
        let checked = loaded(&table(&overlay), FOUR);
        for document in checked.cluster.overlays.iter().flat_map(|active| active.documents()) {
            let spec = &document["spec"];
            let pods = [&spec["template"]["spec"], &spec["jobTemplate"]["spec"]["template"]["spec"]];
            for pod in pods.into_iter().filter(|pod| pod.as_hash().is_some()) {
                let security = &pod["securityContext"];
                let is_root = security["runAsUser"].as_i64().is_none_or(|user| user == 0);
                for volume in pod["volumes"].as_vec().into_iter().flatten() {
                    let secret = &volume["secret"];
                    if is_root || secret["secretName"].is_badvalue() {
                        continue;
                    }
                    seen += 1;
                    // 0o444, however it is written.
                    let mode = match &secret["defaultMode"] {
                        yaml_rust2::Yaml::Integer(mode) => *mode,
                        _ => 0o644,
                    };
                    let by_all = [0o444, 444, 0o644, 644, 0o555, 292].contains(&mode);
                    assert!(by_all || security["fsGroup"].as_i64().is_some(), "{}: {volume:?}", overlay.name);
                }
            }
        }
    }
    assert!(seen > 2);
}
