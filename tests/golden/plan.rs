//! Whole plans: the facts of each base (`facts/<base>.json`) with each cluster file (`clusters/<name>.toml`) give what is
//! in `plans/<base>.out`, byte for byte. Neither an image nor a download nor root is needed.
//!
//! A plan is a line for each edit: path, action, mode, owner and reason. Below it is the text of a new file, or the
//! difference from the base's; what an earlier plan in the same file shows in the same way is not shown again. Of a file
//! that is copied from this machine there are size and digest, of a secret nothing. What is refused is shown as its
//! error.
//!
//! `HCIMAGE_BLESS=1 cargo test -p hcimage --test golden plan` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hc_common::network::{Change, Files, Render, Site, Written};
use hc_firstboot::seed::{SEED_PATH, Seed};
use hcimage::arch::Arch;
use hcimage::board::{Board, Boards};
use hcimage::cluster::{Cluster, LoadContext, Node, parse};
use hcimage::fs::Attributes;
use hcimage::os::{Bootloader, Facts, FileState};
use hcimage::overlays::Library;
use hcimage::packages::PackageSet;
use hcimage::plan::{Action, Content, Edit, NodeSecrets, Plan, PlanError, Request, plan, warnings};
use hcimage::secrets::{
    ADMIN_CERTIFICATE, ADMIN_KEY, AGENT_TOKEN, BootstrapRole, NODE_PASSWORD, NOT_BEFORE, NodeFile, Secret,
    TOKEN,
};
use hcimage::source::artifact::Artifact;
use hcimage::source::digest::Sha256Digest;
use hcimage::source::k3s_release::K3sBundle;
use hcimage_testkit::{facts, golden};
use similar::{ChangeTag, TextDiff};

use crate::dir;

/// The build time of all plans, in seconds since 1970.
const TIME: i64 = 1_790_000_000;

/// The floor of the nodes' clocks: the cluster was made later than its base.
const FLOOR: i64 = 1_795_000_000;

/// In every secret of the cluster files and of [`secrets`], and in no plan that is shown.
const SECRET: &str = "not-a-real-";

/// Lines around a change.
const CONTEXT: usize = 2;

/// The names in a directory without an ending, sorted.
fn stems(of: &str, ending: &str) -> BTreeSet<String> {
    let files = fs::read_dir(dir().join(of)).unwrap().map(|file| file.unwrap().file_name());
    let names: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
    let stem = |name: &String| {
        let stem = name.strip_suffix(ending).unwrap_or_else(|| panic!("{of}/{name} is not a {ending}"));
        stem.to_owned()
    };
    names.iter().map(stem).collect()
}

#[test]
fn every_base_gets_its_golden_plans() {
    let (boards, clusters) = (Boards::load(None).unwrap(), stems("clusters", ".toml"));
    let bases = stems("facts", ".json");
    assert!(bases.len() >= 18 && clusters.len() >= 4, "{bases:?} {clusters:?}");
    for base in bases {
        let facts = facts::of(&base);
        let mut shown = Shown::default();
        shown.boards(&facts, &boards);
        let board = board_for(&facts, &boards);
        for name in &clusters {
            shown.cluster(name, &facts, board, &boards);
        }
        let path = dir().join(format!("plans/{base}.out"));
        golden::check(&path, &shown.text, "cargo test -p hcimage --test golden plan");
        assert!(!shown.text.contains(SECRET), "{base}: a secret is shown");
    }
}

/// The text files that a plan writes.
fn written(plan: &Plan) -> Vec<Render> {
    let text = |edit: &Edit| match &edit.action {
        Action::Write(Content::Bytes(bytes), _) => String::from_utf8(bytes.to_vec()).ok(),
        _ => None,
    };
    let render = |edit: &Edit| {
        let change = Change::Write { mode: 0o644, text: text(edit)? };
        Some(Render { path: edit.path.to_string(), change, reason: "planned" })
    };
    plan.edits.iter().filter_map(render).collect()
}

/// On the node the address is claimed from the seed alone, after the builder wrote its files: they must stay as they are.
#[test]
fn firstboot_writes_the_network_files_of_the_builder() {
    let (boards, clusters) = (Boards::load(None).unwrap(), stems("clusters", ".toml"));
    let port = "eth0".parse().unwrap();
    let mut compared = BTreeMap::new();
    for base in stems("facts", ".json") {
        let facts = facts::of(&base);
        let board = board_for(&facts, &boards);
        for cluster in clusters.iter().map(|name| cluster(name, board, &boards)) {
            for node in cluster.nodes.iter() {
                let Ok(plan) = plan_for(&facts, &cluster, node, board) else { continue };
                let planned = written(&plan);
                let written = Written { before: &facts.files, files: &planned };
                let seed = Seed::parse(&written.text(SEED_PATH).unwrap().unwrap()).unwrap();
                let (Some(stack), Some(_)) = (seed.network.stack, &seed.network.fixed) else { continue };
                let site = Site { default_port: Some(&port), files: &written };
                for file in stack.backend().render(&seed.network.profile(), &site).unwrap() {
                    let there = written.text(&file.path).unwrap();
                    assert_eq!(
                        Some(file.change.text()),
                        there.as_deref(),
                        "{base}, {}: {}",
                        node.name,
                        file.path
                    );
                    *compared.entry(stack.to_string()).or_insert(0) += 1;
                }
            }
        }
    }
    assert!(compared.len() == 4 && compared.values().all(|count| *count > 0), "{compared:?}");
}

#[test]
fn facts_and_plans_are_those_of_the_recipes() {
    let recipes = fs::read_dir(dir().join("../bases")).unwrap().map(|file| file.unwrap().file_name());
    let names = recipes.filter_map(|name| Some(name.to_str()?.strip_suffix(".sh")?.to_owned()));
    let is_recipe = |name: &String| {
        !name.ends_with("lib") && !["make", "checkers", "pods", "unpacked"].contains(&name.as_str())
    };
    let bases: BTreeSet<String> = names.filter(is_recipe).collect();
    assert_eq!(stems("facts", ".json"), bases);
    assert_eq!(stems("plans", ".out"), bases);
}

#[test]
fn facts_that_are_written_are_read_again() {
    let facts = facts::of("pi-os-trixie-like");
    assert_eq!(serde_json::from_str::<Facts>(&facts::text(&facts)).unwrap(), facts);
}

/// The board that a base is usually for.
fn board_for<'b>(facts: &Facts, boards: &'b Boards) -> &'b Board {
    let name = match (&facts.bootloader, facts.arch) {
        (Bootloader::PiFirmware { .. }, Arch::Armv7) => "pi2",
        (Bootloader::PiFirmware { .. }, _) => "cm4",
        (Bootloader::Grub { .. }, Arch::Aarch64) => "pc-arm64",
        (Bootloader::Grub { .. }, _) => "pc",
    };
    boards.get(name).unwrap()
}

fn cluster(name: &str, board: &Board, boards: &Boards) -> Cluster {
    let text = fs::read_to_string(dir().join(format!("clusters/{name}.toml"))).unwrap();
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: not-a-real-secret\n";
    let read = |path: &Path| {
        assert_eq!(path, Path::new("shop.yaml"));
        Ok(manifest.as_bytes().to_vec())
    };
    let context = LoadContext {
        boards,
        overlays: &Library::default(),
        dir: Path::new(""),
        read: &read,
        list: &|_| Err("no folder is named".to_owned()),
        is_outside: &|_| false,
        is_shared: false,
    };
    let checked = parse(&text.replace("BOARD", &board.name), name, &context);
    checked.unwrap_or_else(|report| panic!("{report}")).cluster
}

/// A release whose files are not there: a plan only names them.
fn release(arch: Arch) -> K3sBundle {
    let file = |name: String, size: u64| Artifact {
        path: Path::new("/release").join(&name),
        size,
        sha256: Sha256Digest::of(name.as_bytes()),
        promised_by: "the test".to_owned(),
        unpacked_size: None,
        image_names: Vec::new(),
        name,
    };
    let arch = arch.debian();
    K3sBundle {
        version: "v1.36.2+k3s1".parse().unwrap(),
        binary: file(format!("k3s-{arch}"), 70_000_000),
        airgap_images: file(format!("k3s-airgap-images-{arch}.tar.zst"), 160_000_000),
    }
}

/// Throw-away secrets where those of a cluster go: the plan says where, and hides them.
fn secrets(cluster: &Cluster, node: &Node) -> NodeSecrets {
    const ETCD_KEY: &str = "/var/lib/rancher/k3s/server/tls/etcd/peer-ca.key";
    let paths: &[&'static str] = match node.bootstrap_role {
        BootstrapRole::InitServer => &[NODE_PASSWORD, TOKEN, AGENT_TOKEN, ETCD_KEY],
        BootstrapRole::JoinServer => &[NODE_PASSWORD, TOKEN, AGENT_TOKEN],
        BootstrapRole::Agent => &[NODE_PASSWORD, TOKEN],
    };
    let admin: &[&'static str] =
        if cluster.shares_etcd(node) { &[ADMIN_CERTIFICATE, ADMIN_KEY] } else { &[] };
    let content = |path: &str| Secret::new(format!("{SECRET}secret for {path}\n"));
    let file = |path: &&'static str| NodeFile {
        path,
        mode: 0o600,
        content: content(path),
        reason: "a secret of the cluster",
    };
    let not_before = cluster.join.is_none().then_some(NOT_BEFORE);
    let not_after = not_before.map(|start| start + 20 * 365 * 86_400);
    NodeSecrets { files: paths.iter().chain(admin).map(file).collect(), not_before, not_after }
}

fn plan_for(facts: &Facts, cluster: &Cluster, node: &Node, board: &Board) -> Result<Plan, PlanError> {
    let secrets = (cluster.nodes.iter().count() > 1).then(|| secrets(cluster, node));
    let request = Request {
        cluster,
        node,
        board,
        secrets: secrets.as_ref(),
        k3s: &release(facts.arch),
        images: None,
        charts: &[],
        overlays: &[],
        folders: &[],
        packages: &PackageSet::default(),
        firstboot: b"the program firstboot",
        time: TIME,
        clock_floor: FLOOR,
    };
    let made = plan(facts, &request)?;
    let told = warnings(facts, &request);
    assert!(told.is_empty(), "a stock image gives no warning: {told:?}");
    let paths: BTreeSet<&str> = made.edits.iter().map(|edit| edit.path.as_str()).collect();
    assert_eq!(paths.len(), made.edits.len(), "a path appears twice in the plan for {}", node.name);
    Ok(made)
}

/// An error with all its causes.
fn chain(error: &PlanError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        write!(text, ": {next}").unwrap();
        cause = next.source();
    }
    text
}

/// What is shown of one base, and where each thing is shown first.
#[derive(Default)]
struct Shown {
    text: String,
    seen: BTreeMap<String, String>,
}

impl Shown {
    /// Whether each board can have the base, with the least cluster file.
    fn boards(&mut self, facts: &Facts, boards: &Boards) {
        self.line("== every board, least.toml");
        for board in boards.iter().filter(|board| board.roles.len() == 2) {
            let cluster = cluster("least", board, boards);
            let node = cluster.nodes.init_server().unwrap();
            match plan_for(facts, &cluster, node, board) {
                Ok(plan) => self.line(&format!("{}: {} edits", board.name, plan.edits.len())),
                Err(error) => self.line(&format!("{}: error: {}", board.name, chain(&error))),
            }
        }
    }

    fn cluster(&mut self, name: &str, facts: &Facts, board: &Board, boards: &Boards) {
        let cluster = cluster(name, board, boards);
        for node in cluster.nodes.iter() {
            let title = format!("{name}.toml, {} on {}", node.name, board.name);
            self.line(&format!("\n== {title}"));
            match plan_for(facts, &cluster, node, board) {
                Ok(plan) => plan.edits.iter().for_each(|edit| self.edit(&title, facts, edit)),
                Err(error) => self.line(&format!("error: {}", chain(&error))),
            }
        }
    }

    fn edit(&mut self, title: &str, facts: &Facts, edit: &Edit) {
        let (action, attributes, content) = match &edit.action {
            Action::Write(content, attributes) => ("write", Some(attributes), describe(facts, edit, content)),
            Action::Link(target, attributes) => ("link", Some(attributes), format!("  -> {target}\n")),
            Action::Dir(attributes) => ("directory", Some(attributes), String::new()),
            Action::Remove => ("remove", None, String::new()),
        };
        let attributes = attributes.map(owner).unwrap_or_default();
        let Edit { path, reason, .. } = edit;
        self.line(&format!("{path}  {action}{attributes}  # {reason}"));
        let first = self.seen.entry(format!("{path}\n{content}")).or_insert_with(|| title.to_owned());
        match first == title || content.lines().count() < 3 {
            true => self.text.push_str(&content),
            false => {
                let line = format!("  as in {first}");
                self.line(&line);
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

fn owner(attributes: &Attributes) -> String {
    let Attributes { mode, uid, gid, mtime } = attributes;
    assert_eq!(*mtime, TIME, "every change has the build time");
    format!(" {mode:04o} {uid}:{gid}")
}

fn describe(facts: &Facts, edit: &Edit, content: &Content) -> String {
    match content {
        Content::Secret(_) | Content::Masked(..) => "  (secret)\n".to_owned(),
        Content::HostFile(Artifact { path, size, sha256, .. })
        | Content::UserFile(Artifact { path, size, sha256, .. }) => {
            format!("  {}, {size} bytes, SHA-256 {sha256}\n", path.display())
        }
        Content::Bytes(bytes) => {
            let new = String::from_utf8(bytes.to_vec()).expect("a plan's own files are texts");
            match facts.files.get(&edit.path) {
                Ok(FileState::Text(old, _)) => difference(old, &new),
                _ => new.lines().map(|line| format!("  |{line}\n")).collect(),
            }
        }
    }
}

/// The changed lines with a few around them, without their numbers, which move with every release of a base.
fn difference(old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for group in diff.grouped_ops(CONTEXT) {
        text.push_str("  @@\n");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            let end = if change.missing_newline() { "\n  \\ no newline at the end\n" } else { "\n" };
            write!(text, "  {mark}{}{end}", change.value().trim_end_matches('\n')).unwrap();
        }
    }
    text
}
