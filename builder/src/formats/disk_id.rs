//! The id of an MBR disk as files name it: `PARTUUID=5a0b7c12-02`, `/dev/disk/by-partuuid/5a0b7c12-02`.

/// The id of the disk in a command line's `root=PARTUUID=`; none where the root is named in another way.
pub fn of_root(arguments: &str) -> Option<u32> {
    let mut words = arguments.split_ascii_whitespace();
    let (id, number) = words.find_map(|word| word.strip_prefix("root=PARTUUID="))?.split_once('-')?;
    let is_hex = |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_hexdigit());
    (is_hex(id, 8) && is_hex(number, 2)).then(|| u32::from_str_radix(id, 16).ok())?
}

/// The text with every partition of the disk `old` named as one of the disk `new`.
pub fn rename(text: &str, old: u32, new: u32) -> String {
    let (old, new) = (format!("{old:08x}-"), format!("{new:08x}-"));
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    // The id is of ASCII alone, so it begins and ends where a character does.
    while let Some(at) = rest.to_ascii_lowercase().find(&old) {
        let (before, found) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let named = before.ends_with(['=', '/', '"']);
        renamed.push_str(before);
        renamed.push_str(if named { &new } else { found.get(..old.len()).unwrap_or_default() });
        rest = found.get(old.len()..).unwrap_or_default();
    }
    renamed.push_str(rest);
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_names_its_disk() {
        for (arguments, want) in [
            ("quiet root=PARTUUID=5a0b7c12-02 rootwait", Some(0x5a0b_7c12)),
            ("root=PARTUUID=5A0B7C12-02", Some(0x5a0b_7c12)),
            ("root=LABEL=writable", None),
            ("root=PARTUUID=5a0b7c1e-0000-4000-8000-000000000011", None),
            ("root=PARTUUID=+a0b7c12-02", None),
            ("", None),
        ] {
            assert_eq!(of_root(arguments), want, "{arguments:?}");
        }
    }

    #[test]
    fn every_name_of_a_partition_is_renamed_and_nothing_else() {
        let old = "PARTUUID=5a0b7c12-01 /boot vfat\nPARTUUID=5A0B7C12-02 / ext4\n\"5a0b7c12-02\" by-partuuid/5a0b7c12-03 \
                   \u{e4}\u{130}x5a0b7c12-01 UUID=5a0b7c12 PARTUUID=5a0b7c13-01\n";
        let new = "PARTUUID=0000abcd-01 /boot vfat\nPARTUUID=0000abcd-02 / ext4\n\"0000abcd-02\" by-partuuid/0000abcd-03 \
                   \u{e4}\u{130}x5a0b7c12-01 UUID=5a0b7c12 PARTUUID=5a0b7c13-01\n";
        assert_eq!(rename(old, 0x5a0b_7c12, 0xabcd), new);
        assert_eq!(rename("", 1, 2), "");
    }
}
