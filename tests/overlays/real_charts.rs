//! The charts of overlays as they are published, with the values of the overlays: `make real-charts CHARTS=FOLDER`.
//!
//! ```text
//! keys.rs       whether a chart knows the keys that it is given
//! images.rs     whether the images that are asked for are listed
//! choices.rs    what the cluster file can say of an overlay
//! charts.rs     charts in a folder, and Helm
//! faults.rs     a chart of the tests' own, with faults
//! memory.rs     what the pods of a chart ask for
//! ```

mod charts;
mod choices;
mod faults;
mod images;
mod keys;
mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hc_common::text::yaml_load;
use hcimage::cluster::{Container, containers_of};
use hcimage::overlays::{ActiveOverlay, Library, NeededChart, Overlay};
use hcimage_testkit::proof::{OverlayLevel, Proof};

use super::schemas::{self, MINORS, Object, documents};
use super::{FOUR, ONE, load};
use charts::{Chart, Folder, Given, rendered};
use choices::Choice;
use images::Asked;
use keys::Problem;

/// Images that a program of a chart starts without naming them in its objects: their lists are from its source.
const UNNAMED: [(&str, &[&str]); 1] = [("calico", &["quay.io/calico/"])];

/// Charts whose pods a program makes of their objects: an overlay that says what these take is believed.
const OPERATED: [&str; 2] = ["ceph-csi-drivers", "rook-ceph-cluster"];

/// Images that a program is told of for kinds of which there are no objects.
const NOT_STARTED: [(&str, &[&str]); 1] = [("monitoring", &["quay.io/thanos/"])];

/// All that is found, each with the first case in which it was.
#[derive(Default)]
struct Findings(BTreeMap<String, (String, usize)>);

impl Findings {
    fn add(&mut self, what: String, at: &str) {
        self.0.entry(what).or_insert_with(|| (at.to_owned(), 0)).1 += 1;
    }
}

/// What Helm renders, looked at once.
struct Objects {
    asked: Vec<Asked>,
    /// With `Always` for a policy: a node without a network does not start them.
    always: Vec<String>,
    texts: Vec<String>,
    /// The memory that pods ask for, in bytes: of which there is a number, and on each node.
    memory: [u64; 2],
}

#[derive(Default)]
struct Tried {
    found: BTreeSet<String>,
    values: BTreeSet<Given>,
}

/// The version of a chart of k3s, which an overlay only gives values.
const OF_K3S: &str = "that of k3s";

struct Run {
    folder: Folder,
    helm: PathBuf,
    /// Overlays that come before those that are compiled in.
    overlays: PathBuf,
    scratch: tempfile::TempDir,
    findings: Findings,
    objects: BTreeMap<(PathBuf, Given, &'static str), Option<Objects>>,
    /// By minor and text, where they were first.
    texts: BTreeMap<(&'static str, String), String>,
    /// By release, and the version that is wanted.
    tried: BTreeMap<(String, String), Tried>,
}

#[test]
#[ignore = "needs Helm and downloaded charts: make real-charts CHARTS=FOLDER"]
fn every_chart_takes_what_its_overlay_gives_it() {
    let mut all = Run::new(&path_of("HCIMAGE_CHARTS"), Path::new("/nowhere"));
    let is_partial = std::env::var_os("HCIMAGE_PARTIAL").is_some_and(|value| value == "1");
    let (mut is_whole, mut proofs) = (true, Vec::new());
    let only = std::env::var("HCIMAGE_OVERLAY").ok();
    let is_wanted = |overlay: &Overlay| only.as_deref().is_none_or(|only| overlay.name.as_str() == only);
    for overlay in Library::built_in().unwrap().into_iter().filter(is_wanted) {
        let proof = Proof::of_overlay(OverlayLevel::Charts, overlay.name.as_str());
        let has_all = all.overlay(&overlay);
        is_whole &= has_all;
        if has_all && !all.tried.is_empty() {
            proofs.push(proof);
        }
    }
    let checked = all.schemas();
    for (what, (at, count)) in &all.findings.0 {
        println!("FOUND: {what}\n       first with {at}; {count} times");
    }
    assert!(checked > 0, "no object was checked");
    println!("{} found", all.findings.0.len());
    assert!(all.findings.0.is_empty(), "charts and overlays do not fit together: see above");
    proofs.into_iter().for_each(Proof::holds);
    assert!(
        is_whole || is_partial,
        "charts were NOT TRIED at their versions (PARTIAL=1 is content with that)"
    );
}

/// What `make real-charts` says.
fn path_of(name: &str) -> PathBuf {
    let value = std::env::var_os(name);
    PathBuf::from(value.unwrap_or_else(|| panic!("{name} is not set: run make real-charts CHARTS=FOLDER")))
}

impl Run {
    fn new(charts: &Path, overlays: &Path) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        Self {
            folder: Folder::read(charts, scratch.path()),
            helm: path_of("HCIMAGE_HELM"),
            overlays: overlays.to_owned(),
            scratch,
            findings: Findings::default(),
            objects: BTreeMap::new(),
            texts: BTreeMap::new(),
            tried: BTreeMap::new(),
        }
    }

    /// Whether all its charts were there. Says in a line for each what was done.
    fn overlay(&mut self, overlay: &Overlay) -> bool {
        let choices = choices::of(overlay);
        let (mut refused, mut taken) = (Vec::new(), 0);
        self.tried.clear();
        for (nodes, count) in [(ONE, "one node"), (FOUR, "four nodes")] {
            for choice in &choices {
                let at = format!("{}, {count}: {}", overlay.name, choice.label);
                match active(&self.overlays, overlay, choice, nodes) {
                    Ok(active) => {
                        taken += 1;
                        self.choice(&active, &at);
                    }
                    Err(why) => refused.push(format!("{at}: {why}")),
                }
            }
        }
        let mut is_whole = true;
        for ((chart, wanted), tried) in &self.tried {
            let what = format!("{} {chart}: wanted {wanted}", overlay.name);
            let found = tried.found.iter().map(String::as_str).collect::<Vec<_>>().join(" and ");
            let is_wanted = wanted == &found;
            is_whole &= is_wanted || wanted == OF_K3S;
            if found.is_empty() {
                println!("{what}, found none: NOT TRIED");
                continue;
            }
            let instead = " tried in its place: the wanted one is NOT TRIED;";
            let instead = if is_wanted || wanted == OF_K3S { "" } else { instead };
            let (count, minors) = (tried.values.len(), MINORS.join(", "));
            println!("{what}, found {found};{instead} different values: {count}; Kubernetes: {minors}");
        }
        if self.tried.is_empty() {
            println!("{}: no charts; its manifests alone; Kubernetes: {}", overlay.name, MINORS.join(", "));
        }
        println!(
            "    {taken} choices of parameters; {} more are refused by the overlay itself",
            refused.len()
        );
        if let Some(first) = refused.first() {
            println!("    such as {first}");
        }
        is_whole
    }

    fn choice(&mut self, active: &ActiveOverlay, at: &str) {
        let name = active.name().as_str();
        let listed: Vec<_> = active.needs.images.iter().map(|image| image.name.clone()).collect();
        let unnamed = UNNAMED.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, starts)| *starts);
        let manifests = objects_of(active.shown.files.iter().map(|file| file.text.as_str()));
        let mut is_whole = true;
        let mut found = Vec::new();
        for chart in &active.needs.charts {
            let wanted = chart.version.as_str().to_owned();
            let there = self.folder.find(chart.chart.as_str(), &wanted).cloned();
            let given = given(active, chart);
            let key = (chart.chart.as_str().to_owned(), wanted);
            self.tried.entry(key.clone()).or_default();
            match there {
                Some(there) => {
                    self.keys(key, &there, &given, name, at);
                    let said = [&chart.memory, &chart.memory_each_node]
                        .map(|memory| memory.as_ref().map_or(0, |memory| memory.bytes()));
                    found.push((there, given, said));
                }
                None => is_whole = false,
            }
        }
        // Charts of k3s that it gives values: their images are those of k3s.
        let mut configured = Vec::new();
        for given in manifests.texts.iter().filter_map(|text| charts::config(text)) {
            let key = (given.release.clone(), OF_K3S.to_owned());
            self.tried.entry(key.clone()).or_default();
            let charts = self.folder.charts.iter().filter(|chart| chart.name == given.release);
            for there in charts.cloned().collect::<Vec<_>>() {
                self.keys(key.clone(), &there, &given, name, at);
                configured.push((there, given.clone()));
            }
        }
        for minor in MINORS {
            let mut asked = manifests.asked.clone();
            let mut always = manifests.always.clone();
            self.keep(minor, &manifests.texts, at);
            for (chart, given, said) in &found {
                self.render(chart, given, minor, name, at);
                let key = (chart.dir.clone(), given.clone(), minor);
                match &self.objects[&key] {
                    Some(objects) => {
                        let sums = objects.memory;
                        let is_operated = OPERATED.contains(&chart.name.as_str());
                        let has_more = sums.iter().zip(said).all(|(sum, said)| sum <= said);
                        if sums != *said && !(is_operated && has_more) {
                            let text = |sums: &[u64; 2]| {
                                format!("{} MiB, and {} on each node", sums[0] >> 20, sums[1] >> 20)
                            };
                            let (sums, said) = (text(&sums), text(said));
                            self.findings.add(
                                format!(
                                    "{name}: the pods of chart {} ask for {sums}; the overlay says {said}",
                                    chart.name
                                ),
                                at,
                            );
                        }
                        asked.extend(objects.asked.iter().cloned());
                        always.extend(objects.always.iter().cloned());
                    }
                    None => is_whole = false,
                }
            }
            for (chart, given) in &configured {
                self.render(chart, given, minor, name, at);
            }
            for by in always {
                self.findings.add(format!("{name}: {by} pulls its image at each start"), at);
            }
            let idle = NOT_STARTED.iter().find(|(of, _)| *of == name).map_or(&[][..], |(_, idle)| *idle);
            asked.retain(|one| !(one.is_named && idle.iter().any(|start| one.image.starts_with(start))));
            // Without a chart nobody asks for its images.
            if is_whole {
                for problem in images::problems(&listed, &asked, unnamed) {
                    self.findings.add(format!("{name}: {problem}"), at);
                }
            }
        }
    }

    /// Whether a chart knows the keys of these values.
    fn keys(&mut self, tried: (String, String), chart: &Chart, given: &Given, overlay: &str, at: &str) {
        let tried = self.tried.entry(tried).or_default();
        let is_new = tried.found.insert(chart.version.clone());
        if !tried.values.insert(given.clone()) && !is_new {
            return;
        }
        for problem in given.files.iter().flat_map(|values| chart.known.problems(values)) {
            if !self.is_read(chart, given, &problem) {
                let chart = format!("{} {}", chart.name, chart.version);
                self.findings.add(format!("{overlay}: chart {chart}: {problem}"), at);
            }
        }
    }

    /// Whether a template reads a key that the chart does not name, as where it writes a whole `securityContext`: without the key
    /// something else is rendered.
    fn is_read(&self, chart: &Chart, given: &Given, problem: &Problem) -> bool {
        let made = |given: &Given| rendered(&self.helm, self.scratch.path(), chart, given, MINORS[0]);
        let mut without = given.clone();
        without.files.push(problem.without());
        match (made(given), made(given), made(&without)) {
            // Certificates, say, are other ones each time: then nothing can be said.
            (Ok(with), Ok(again), Ok(without)) => with == again && with != without,
            _ => false,
        }
    }

    /// What Helm makes of a chart, once for the same values.
    fn render(&mut self, chart: &Chart, given: &Given, minor: &'static str, overlay: &str, at: &str) {
        let key = (chart.dir.clone(), given.clone(), minor);
        if self.objects.contains_key(&key) {
            return;
        }
        let objects = match rendered(&self.helm, self.scratch.path(), chart, given, minor) {
            Ok((text, warnings)) => {
                for warning in warnings {
                    self.findings.add(format!("{overlay}: chart {}: Helm warns: {warning}", chart.name), at);
                }
                let objects = objects_of([text.as_str()]);
                self.keep(minor, &objects.texts, &format!("{at}; chart {} {}", chart.name, chart.version));
                Some(objects)
            }
            Err(said) => {
                self.findings.add(format!("{overlay}: chart {}: Helm refuses: {said}", chart.name), at);
                None
            }
        };
        self.objects.insert(key, objects);
    }

    fn keep(&mut self, minor: &'static str, texts: &[String], at: &str) {
        for text in texts {
            self.texts.entry((minor, text.clone())).or_insert_with(|| at.to_owned());
        }
    }

    /// What Kubernetes says to all objects; how many of them were looked at.
    fn schemas(&mut self) -> u64 {
        let mut definitions: BTreeSet<&str> = self.folder.definitions.iter().map(String::as_str).collect();
        definitions
            .extend(self.texts.keys().map(|(_, text)| text.as_str()).filter(|text| is_definition(text)));
        let objects: Vec<Object<'_>> =
            self.texts.iter().map(|((minor, text), origin)| Object { origin, minor, text }).collect();
        let said = schemas::check(&definitions, &objects);
        for refusal in &said.refused {
            // The same for all minors and values.
            let (at, what) = refusal.split_once(": Kubernetes refuses ").unwrap();
            self.findings.add(format!("Kubernetes refuses {what}"), at);
        }
        let unknown = if said.unknown.is_empty() { "none".to_owned() } else { said.unknown.join(", ") };
        println!(
            "{} objects checked against {} definitions and the schemas of Kubernetes; NOT CHECKED for want of a \
             definition: {unknown}",
            said.checked,
            definitions.len()
        );
        said.checked
    }
}

/// The overlay as a choice switches it on, or why it refuses that.
fn active(dir: &Path, overlay: &Overlay, choice: &Choice, nodes: &str) -> Result<ActiveOverlay, String> {
    let loaded = |table: &str| load(dir, table, nodes);
    let checked = loaded(&choice.table).or_else(|_| loaded(&choice.with_all));
    let checked = checked.map_err(|report| report.to_string().trim().replace('\n', " "))?;
    let mut all = checked.cluster.overlays.into_iter();
    Ok(all.find(|active| *active.name() == overlay.name).expect("it is switched on"))
}

fn given(active: &ActiveOverlay, chart: &NeededChart) -> Given {
    let files = chart.values.iter().chain(&chart.secret_values);
    Given {
        release: chart.release.to_string(),
        namespace: chart.namespace.to_string(),
        files: files.map(|file| active.shown.values[file].clone()).collect(),
    }
}

fn is_definition(text: &str) -> bool {
    text.lines().any(|line| line == "kind: CustomResourceDefinition")
}

fn objects_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Objects {
    let mut objects = Objects { asked: Vec::new(), always: Vec::new(), texts: Vec::new(), memory: [0; 2] };
    let mut all = Vec::new();
    for text in texts.into_iter().flat_map(documents) {
        // What is no YAML is for `schemas/check.py` to tell.
        let documents = if is_definition(&text) { None } else { yaml_load::load(&text).ok() };
        let containers = documents.iter().flat_map(|_| containers_of(&text).unwrap_or_default());
        for Container { workload, name, image, always_pulls, .. } in containers {
            let by = format!("{workload}, container {name}");
            if always_pulls {
                objects.always.push(by.clone());
            }
            objects.asked.push(Asked { by, image, is_named: false });
        }
        for document in documents.iter().flatten() {
            let text = |yaml: &yaml_rust2::Yaml| yaml.as_str().unwrap_or_default().to_owned();
            let by = format!("{} {}", text(&document["kind"]), text(&document["metadata"]["name"]));
            let of_operator = images::of_operator(document).into_iter();
            objects.asked.extend(of_operator.map(|image| Asked { by: by.clone(), image, is_named: false }));
            let named = images::named(document).into_iter();
            objects.asked.extend(named.map(|image| Asked { by: by.clone(), image, is_named: true }));
        }
        all.extend(documents.into_iter().flatten());
        objects.texts.push(text);
    }
    objects.memory = memory::asked(&all);
    objects
}
