//! Which part of the code may use which: dependencies between directories point one way.
//!
//! A *room* is a directory (or a file beside them) with one job. [`BUILDER`], [`FIRSTBOOT`] and [`COMMON`] list the rooms
//! from the bottom up, each with the rooms that it may use; a room can only name rooms above its own line in the list, so
//! the table itself has no cycle. A new edge is a decision: it is written here, or the code goes where it belongs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

mod rooms;

use rooms::{BUILDER, COMMON, FIRSTBOOT, Room};

/// A crate's source directory and the table of its rooms.
const CRATES: [(&str, &[Room]); 3] =
    [("common/src", COMMON), ("firstboot/src", FIRSTBOOT), ("builder/src", BUILDER)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All source files of a directory with their module paths, `fs::ext4::ops::read`.
fn sources(dir: &Path, module: &[String], found: &mut Vec<(Vec<String>, String)>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            sources(&path, &[module, &[name]].concat(), found);
            continue;
        }
        let Some(stem) = name.strip_suffix(".rs") else { continue };
        let own: Vec<String> = match stem {
            "mod" | "lib" | "main" => module.to_vec(),
            stem => [module, &[stem.to_owned()]].concat(),
        };
        found.push((own, fs::read_to_string(path).unwrap()));
    }
}

/// The text without comments and without what only tests compile.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| [line, "\n"]).collect()
}

/// The module paths that a text names by `crate::` and `super::`, from the module `own`.
fn used(own: &[String], text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for (at, _) in text.match_indices("crate::").chain(text.match_indices("super::")) {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| is_word(c) || c == ':' || c == '$') {
            continue;
        }
        let path: String = text[at..].chars().take_while(|c| is_word(*c) || *c == ':').collect();
        let mut base = own.to_vec();
        let mut rest = path.split("::").filter(|word| !word.is_empty()).peekable();
        while let Some(word) = rest.peek() {
            match *word {
                "crate" => base.clear(),
                "super" => drop(base.pop()),
                _ => break,
            }
            rest.next();
        }
        let tail: Vec<String> = rest.map(str::to_owned).collect();
        let list = text[at + path.len()..].strip_prefix('{').and_then(|list| list.split('}').next());
        match list {
            Some(list) => {
                for item in list.split(',').map(|item| item.trim().split("::").next().unwrap_or_default()) {
                    found.push([base.clone(), tail.clone(), vec![item.to_owned()]].concat());
                }
            }
            None => found.push([base, tail].concat()),
        }
    }
    found
}

/// The room that a module lies in: the longest name in the table that its path begins with.
fn room_of<'r>(module: &[String], rooms: &'r [Room]) -> Option<&'r str> {
    let path = module.join("::");
    let inside = |room: &&Room| path == room.name || path.starts_with(&format!("{}::", room.name));
    rooms.iter().filter(inside).map(|room| room.name).max_by_key(|name| name.len())
}

fn is_test(module: &[String]) -> bool {
    module.iter().any(|word| matches!(word.as_str(), "tests" | "testkit" | "external_tools"))
}

/// Each edge between two rooms of a crate, with the modules that make it.
fn edges(dir: &str, rooms: &[Room]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut files = Vec::new();
    sources(&root().join(dir), &[], &mut files);
    assert!(files.len() > 10, "{dir} has only {} files", files.len());
    let mut edges: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in files.iter().filter(|(module, _)| !module.is_empty() && !is_test(module)) {
        let from =
            room_of(module, rooms).unwrap_or_else(|| panic!("{dir}: {module:?} is in no room of the table"));
        for path in used(module, &code(text)) {
            match room_of(&path, rooms) {
                Some(to) if to != from => {
                    edges.entry((from.to_owned(), to.to_owned())).or_default().insert(module.join("::"));
                }
                _ => {}
            }
        }
    }
    edges
}

#[test]
fn dependencies_between_rooms_are_those_of_the_table() {
    let mut wrong = Vec::new();
    for (dir, rooms) in CRATES {
        let edges = edges(dir, rooms);
        let allowed =
            |from: &str, to: &str| rooms.iter().any(|room| room.name == from && room.uses.contains(&to));
        for ((from, to), modules) in &edges {
            if !allowed(from, to) {
                wrong.push(format!("{dir}: {from} uses {to}, which the table does not allow: {modules:?}"));
            }
        }
        for room in rooms {
            for to in room.uses {
                if !edges.contains_key(&(room.name.to_owned(), (*to).to_owned())) {
                    wrong
                        .push(format!("{dir}: the table allows {} to use {to}, and nothing does", room.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    for (dir, rooms) in CRATES {
        for (index, room) in rooms.iter().enumerate() {
            for to in room.uses {
                let below = rooms[..index].iter().any(|lower| lower.name == *to);
                assert!(below, "{dir}: {} uses {to}, which is not above it in the table", room.name);
            }
        }
    }
}

#[test]
fn an_edge_is_seen_in_each_way_of_writing_it() {
    let own: Vec<String> = ["plan", "network"].map(str::to_owned).to_vec();
    let seen = |text: &str| used(&own, text).into_iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(seen("use crate::os::Facts;"), ["os::Facts"]);
    assert_eq!(seen("use crate::{fs::X, os};"), ["fs", "os"]);
    assert_eq!(seen("let x = crate::os::probe(y);"), ["os::probe"]);
    assert_eq!(seen("use super::error::PlanError;"), ["plan::error::PlanError"]);
    assert_eq!(seen("use super::super::os;"), ["os"]);
    assert!(seen("use hc_common::value; $crate::value").is_empty());
    assert_eq!(code("use a;\n// use b\n#[cfg(test)]\nmod tests { use c; }\n"), "use a;\n");
}
