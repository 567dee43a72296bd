//! The tree as debugfs reads it.

use std::collections::BTreeMap;
use std::fs;

use super::super::super::scratch::scratch;
use super::super::image::Image;
use super::{ACL, Gathered, Seen, Sight, What, XATTRS};

/// Reads everything; `names` says what to ask for, and what is not there is an error of the test.
pub(super) fn sight(image: &Image, names: &[String]) -> Sight {
    let out = scratch();
    let mut script = Vec::new();
    for (number, path) in names.iter().enumerate() {
        // Name by name: debugfs takes 255 bytes of a line.
        let (dir, name) = path.rsplit_once('/').unwrap();
        script.push("cd /".to_owned());
        script.extend(dir.split('/').skip(1).map(|name| format!("cd \"{name}\"")));
        script.extend([format!("stat \"{name}\""), format!("ea_list \"{name}\"")]);
        // Not `rdump`, which gives the copies modes with which only root can read them.
        script.push(format!("dump \"{name}\" {}", out.path().join(number.to_string()).display()));
        // The list leaves long values out.
        script.extend(XATTRS.iter().chain([&ACL]).map(|xattr| format!("ea_get -x \"{name}\" {xattr}")));
    }
    let said = image.debugfs_read(&script);
    let parts: Vec<_> = said.split("\ndebugfs: stat ").skip(1).collect();
    assert_eq!(parts.len(), names.len(), "{said}");
    let seen = names.iter().zip(parts).enumerate().map(|(number, (name, part))| {
        let content = fs::read(out.path().join(number.to_string()));
        (name.clone(), parse(part, || content.expect(part)))
    });
    Gathered::sorted(seen.collect())
}

fn parse(said: &str, content: impl FnOnce() -> Vec<u8>) -> (u64, Seen) {
    let words: Vec<&str> = said.split_whitespace().collect();
    let after = |key: &str| words[words.iter().position(|word| *word == key).expect(said) + 1];
    let number = |key: &str| after(key).parse::<u64>().expect(said);
    let fast_link = said.lines().find_map(|line| line.strip_prefix("Fast link dest: "));
    let what = match (after("Type:"), fast_link) {
        ("directory", None) => What::Dir,
        ("symlink", Some(target)) => What::Link(target.trim_matches('"').to_owned()),
        ("symlink", None) => What::Link(String::from_utf8(content()).expect(said)),
        ("regular", None) => What::File(content()),
        other => panic!("{other:?}: {said}"),
    };
    let seen = Seen {
        what,
        mode: u16::from_str_radix(after("Mode:"), 8).expect(said) & 0o7777,
        uid: number("User:") as u32,
        gid: number("Group:") as u32,
        links: number("Links:"),
        modified: stamp(after("mtime:")),
        xattrs: xattrs(said),
        first_name: String::new(),
    };
    (number("Inode:"), seen)
}

/// `0xSECONDS` or `0xSECONDS:EXTRA`, with nanoseconds above the two bits that extend the seconds.
fn stamp(text: &str) -> (i64, u32) {
    let mut words =
        text.trim_start_matches("0x").split(':').map(|word| u32::from_str_radix(word, 16).unwrap());
    let (seconds, extra) = (words.next().unwrap(), words.next().unwrap_or(0));
    (i64::from(seconds.cast_signed()) + (i64::from(extra & 3) << 32), extra >> 2)
}

/// The names are in lines `  NAME (LENGTH)…`, the values in lines `NAME (LENGTH) = HEX HEX …`.
fn xattrs(said: &str) -> BTreeMap<String, Vec<u8>> {
    let name = |line: &str| line.split_once(" (").map(|(name, _)| name.trim().to_owned());
    let listed = said.lines().skip_while(|line| *line != "Extended attributes:").skip(1);
    let names: Vec<_> = listed.take_while(|line| line.starts_with("  ")).filter_map(name).collect();
    let value = |name: &String| {
        let start = format!("{name} (");
        let line = said.lines().find(|line| line.starts_with(&start)).expect(said);
        let (_, hex) = line.split_once(" = ").expect(line);
        let bytes = hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect(line)).collect();
        if name == ACL { without_ids(bytes) } else { bytes }
    };
    names.into_iter().map(|name| (name.clone(), value(&name))).collect()
}

/// Entries of an access control list that have no id: debugfs writes 0 there, the kernel all ones.
fn without_ids(mut given: Vec<u8>) -> Vec<u8> {
    for entry in given[4..].chunks_exact_mut(8).filter(|entry| !matches!(entry[0], 2 | 8)) {
        entry[4..].fill(0xff);
    }
    given
}
