//! Volumes with one thing changed: what fsck.fat says of each, and what is done here.

use super::*;

const FAT12: (&str, u64, &str) = VOLUMES[0];
const FAT16: (&str, u64, &str) = VOLUMES[2];
const FAT32: (&str, u64, &str) = VOLUMES[4];
/// Not by the width of the format, but by what Linux decides.
const SMALL_32: (&str, u64, &str) = ("32", 4 * MIB, "1");

/// What becomes of a volume here.
#[derive(Debug, Clone, Copy)]
enum Here {
    /// It is edited, although fsck.fat sees something.
    Taken,
    /// It is edited, and fsck.fat sees nothing that it would change.
    Sound,
    /// Refused with these words. fsck.fat sees it too, and what is advised makes the volume one that is edited.
    Refused(&'static str),
    /// The same, but fsck.fat does not cure it.
    Hopeless(&'static str),
    /// Refused with these words, although fsck.fat sees nothing.
    Stricter(&'static str),
}
use Here::*;

/// Where a slot with this short name is.
fn slot(scratch: &Scratch, name: &[u8; 11]) -> u64 {
    let image = fs::read(scratch.path()).unwrap();
    let at = image.chunks(32).rposition(|slot| slot.starts_with(name) && slot[11] != 15).unwrap();
    at as u64 * 32
}

/// The place of the cluster of the entry at `slot`.
fn content_of(scratch: &Scratch, slot: u64) -> u64 {
    Layout::read(&scratch.window()).unwrap().place(cluster_of(scratch, slot)).unwrap()
}

fn cluster_of(scratch: &Scratch, slot: u64) -> u32 {
    let mut low = [0; 2];
    scratch.window().read_exact_at(&mut low, slot + 26).unwrap();
    u16::from_le_bytes(low).into()
}

fn poke(scratch: &Scratch, place: u64, bytes: &[u8]) {
    scratch.window().write_all_at(bytes, place).unwrap();
}

fn peek(scratch: &Scratch, place: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    scratch.window().read_exact_at(&mut bytes, place).unwrap();
    bytes
}

const OVERLAYS: &[u8; 11] = b"OVERLAYS   ";
const CONFIG: &[u8; 11] = b"CONFIG  TXT";
const LONG: &[u8; 11] = b"ANAMET~1CON";
const EMPTY: &[u8; 11] = b"EMPTY      ";

fn dir(scratch: &Scratch) -> u64 {
    content_of(scratch, slot(scratch, OVERLAYS))
}

/// An entry behind all others of the root, with this name and these attributes.
fn add(scratch: &Scratch, name: &[u8; 11], attributes: u8) -> u64 {
    let mut end = slot(scratch, OVERLAYS);
    while peek(scratch, end)[0] != 0 {
        end += 32;
    }
    let mut bytes = [0; 32];
    bytes[..11].copy_from_slice(name);
    bytes[11] = attributes;
    poke(scratch, end, &bytes);
    end
}

/// Renames a file whose name is short alone.
fn rename(scratch: &Scratch, name: &[u8; 11]) {
    poke(scratch, slot(scratch, CONFIG), name);
}

type Case = (&'static str, fn(&Scratch), Here);

/// For every width.
const DIRECTORIES: &[Case] = &[
    ("`.` deleted", |s| poke(s, dir(s), &[0xe5]), Refused("`.` is missing")),
    ("`..` deleted", |s| poke(s, dir(s) + 32, &[0xe5]), Refused("`..` is missing")),
    ("`.` and `..` are zeros", |s| poke(s, dir(s), &[0; 64]), Refused("`.` is missing")),
    (
        "`.` and `..` in the other order",
        |s| {
            let (one, two) = (peek(s, dir(s)), peek(s, dir(s) + 32));
            poke(s, dir(s), &two);
            poke(s, dir(s) + 32, &one);
        },
        Refused("`.` is missing"),
    ),
    ("`.` leads elsewhere", |s| poke(s, dir(s) + 26, &[9]), Refused("`.` of /OVERLAYS leads")),
    ("`..` leads elsewhere", |s| poke(s, dir(s) + 32 + 26, &[9]), Refused("`..` of /OVERLAYS leads")),
    ("`.` is a file", |s| poke(s, dir(s) + 11, &[0x20]), Refused("`.` of /OVERLAYS leads")),
    ("`..` is a file", |s| poke(s, dir(s) + 32 + 11, &[0]), Refused("`..` of /OVERLAYS leads")),
    ("`.` in the root", |s| _ = add(s, b".          ", 0x10), Refused("the short name")),
    ("a directory that begins nowhere", |s| poke(s, slot(s, OVERLAYS) + 26, &[0, 0]), Refused("cluster 0")),
    ("a directory with a size", |s| poke(s, slot(s, OVERLAYS) + 28, &[1]), Refused("has a size")),
    (
        "an entry behind the end",
        |s| {
            let end = add(s, EMPTY, 0x20);
            poke(s, end, &[0; 32]);
            poke(s, end + 32, b"BEHIND     ");
        },
        Stricter("behind its end"),
    ),
    ("a label in a directory", |s| poke(s, slot(s, b"README     ") + 11, &[8]), Sound),
    ("a second label", |s| _ = add(s, b"SECOND     ", 8), Sound),
    (
        "a label with a size",
        |s| poke(s, add(s, b"SECOND     ", 8) + 28, &[1]),
        Refused("/SECOND has 0 clusters"),
    ),
    (
        "a label with a cluster",
        |s| {
            let other = u8::try_from(cluster_of(s, slot(s, CONFIG))).unwrap();
            poke(s, add(s, b"SECOND     ", 8) + 26, &[other]);
        },
        Refused("cluster"),
    ),
    ("a label that is a directory", |s| _ = add(s, b"SECOND     ", 0x18), Refused("label and a directory")),
];

const NAMES: &[Case] = &[
    ("a control character", |s| rename(s, b"CON\x01IG  TXT"), Refused("the short name")),
    ("a zero", |s| rename(s, b"CONFIG\0\0TXT"), Refused("the short name")),
    ("a star", |s| rename(s, b"CONFIG  T*T"), Refused("the short name")),
    ("a slash", |s| rename(s, b"CON/IG  TXT"), Refused("the short name")),
    ("a dot", |s| rename(s, b"CON.IG  TXT"), Refused("the short name")),
    ("a colon", |s| rename(s, b"CONFIG  T:T"), Refused("the short name")),
    ("a pipe", |s| rename(s, b"CONF|G  TXT"), Refused("the short name")),
    ("delete", |s| rename(s, b"CON\x7fIG  TXT"), Refused("the short name")),
    ("a space first", |s| rename(s, b" ONFIG  TXT"), Refused("the short name")),
    ("nothing", |s| rename(s, b"           "), Refused("the short name")),
    ("a space inside", |s| rename(s, b"CON IG  TXT"), Sound),
    ("small letters", |s| rename(s, b"config  txt"), Sound),
    ("letters of a code page", |s| rename(s, b"C\x99NFIG\x80 TXT"), Sound),
    ("5 for 0xe5", |s| rename(s, b"\x05ONFIG  TXT"), Sound),
    ("two of a name", |s| rename(s, EMPTY), Refused("two entries with the name")),
    (
        "two of a name, in small letters",
        |s| rename(s, b"empty      "),
        Stricter("two entries with the name EMPTY"),
    ),
];

/// The slots of the long name of 32 units, of which the last comes first.
fn long(scratch: &Scratch, number: u64) -> u64 {
    slot(scratch, LONG) - 32 * number
}

/// Two empty files whose long names differ in one letter of their first slot, which becomes `letter`.
fn twins(scratch: &Scratch, letter: u8) {
    fs::write(scratch.beside("content"), b"").unwrap();
    for name in ["::twin one.conf", "::twin 2ne.conf"] {
        mtools(scratch, "mcopy", &[text(&scratch.beside("content")), name]);
    }
    let image = fs::read(scratch.path()).unwrap();
    let at = image.chunks(32).rposition(|slot| slot[0] == 0x41 && slot[14] == b'2').unwrap();
    poke(scratch, at as u64 * 32 + 14, &[letter]);
}

const LONG_NAMES: &[Case] = &[
    ("a lost first part", |s| poke(s, long(s, 3), &[0xe5]), Sound),
    ("a lost part between", |s| poke(s, long(s, 2), &[0xe5]), Refused("belongs to no file")),
    ("a lost last part", |s| poke(s, long(s, 1), &[0xe5]), Refused("belongs to no file")),
    ("no mark of the last", |s| poke(s, long(s, 3), &[3]), Sound),
    ("a wrong number", |s| poke(s, long(s, 2), &[7]), Sound),
    ("number 0", |s| poke(s, long(s, 1), &[0]), Hopeless("behind its end")),
    ("more parts than come", |s| poke(s, long(s, 3), &[0x44]), Sound),
    ("more parts than there can be", |s| poke(s, long(s, 3), &[0x55]), Sound),
    ("another beginning inside", |s| poke(s, long(s, 2), &[0x42]), Sound),
    ("a wrong checksum in a part", |s| poke(s, long(s, 2) + 13, &[1]), Sound),
    ("a wrong checksum in all parts", |s| (1..=3).for_each(|n| poke(s, long(s, n) + 13, &[1])), Sound),
    ("another short name", |s| poke(s, slot(s, LONG), b"B"), Sound),
    (
        "no short name",
        |s| {
            // Its clusters would be lost as well.
            poke(s, slot(s, LONG), &[0xe5]);
        },
        Refused("belongs to no file"),
    ),
    ("a kind", |s| poke(s, long(s, 2) + 12, &[1]), Refused("a cluster or a kind")),
    ("a cluster", |s| poke(s, long(s, 1) + 26, &[4]), Refused("a cluster or a kind")),
    (
        "attributes without a meaning",
        |s| poke(s, long(s, 1) + 11, &[0x4f]),
        Hopeless("attributes that have no"),
    ),
    ("a slash", |s| poke(s, long(s, 1) + 1, b"/"), Stricter("which none can have")),
    ("a colon", |s| poke(s, long(s, 1) + 1, b":"), Stricter("which none can have")),
    ("a line feed", |s| poke(s, long(s, 1) + 1, b"\n"), Stricter("which none can have")),
    ("half a character", |s| poke(s, long(s, 1) + 1, &[0, 0xd8]), Stricter("which none can have")),
    ("an end too early", |s| poke(s, long(s, 1) + 1, &[0, 0]), Stricter("which none can have")),
    ("two of a name", |s| twins(s, b'o'), Stricter("two entries with the name twin one.conf")),
    ("two of a name in another case", |s| twins(s, b'O'), Stricter("two entries with the name")),
    ("two names", |s| twins(s, b'x'), Sound),
];

fn name_and_alias(scratch: &Scratch) {
    fs::write(scratch.beside("content"), b"").unwrap();
    for name in ["::Long.Name.file.txt", "::aONGNA~1.TXT"] {
        mtools(scratch, "mcopy", &[text(&scratch.beside("content")), name]);
    }
    let image = fs::read(scratch.path()).unwrap();
    let at =
        image.chunks(32).rposition(|slot| slot[0] == 0x41 && slot[1] == b'a' && slot[3] == b'O').unwrap();
    poke(scratch, at as u64 * 32 + 1, b"L");
}

const ALIASES: &[Case] =
    &[("the short name of another", name_and_alias, Stricter("with the name LONGNA~1.TXT"))];

/// The boot sector, of every width.
const BOOT: &[Case] = &[
    ("no signature", |s| poke(s, 510, &[0, 0]), Stricter("not a FAT boot sector")),
    ("no jump", |s| poke(s, 0, &[0]), Stricter("not a FAT boot sector")),
    ("no reserved sectors", |s| poke(s, 14, &[0, 0]), Hopeless("impossible sizes")),
    ("no tables", |s| poke(s, 16, &[0]), Hopeless("impossible sizes")),
    ("no medium", |s| poke(s, 21, &[0x12]), Stricter("the medium 0x12")),
    ("small sectors", |s| poke(s, 11, &[0, 1]), Hopeless("sectors of 256 bytes")),
    ("odd sectors", |s| poke(s, 11, &[1, 2]), Hopeless("sectors of 513 bytes")),
    ("large sectors", |s| poke(s, 11, &[0, 32]), Hopeless("sectors of 8192 bytes")),
    ("no cluster size", |s| poke(s, 13, &[0]), Hopeless("impossible sizes")),
    (
        "no size",
        |s| {
            poke(s, 19, &[0, 0]);
            poke(s, 32, &[0; 4])
        },
        Hopeless("impossible sizes"),
    ),
    (
        "a size beyond the partition",
        |s| {
            poke(s, 19, &[0, 0]);
            poke(s, 32, &[0, 0, 0, 1])
        },
        Hopeless("its partition has"),
    ),
    (
        "no size of a table",
        |s| {
            poke(s, 22, &[0, 0]);
            poke(s, 36, &[0; 4])
        },
        Hopeless(""),
    ),
    (
        "in use",
        |s| {
            poke(
                s,
                if s.window().len() == FAT32.1 || s.window().len() == SMALL_32.1 { 0x41 } else { 0x25 },
                &[1],
            )
        },
        Refused("not cleanly unmounted"),
    ),
    (
        "errors of the medium",
        |s| {
            poke(
                s,
                if s.window().len() == FAT32.1 || s.window().len() == SMALL_32.1 { 0x41 } else { 0x25 },
                &[2],
            )
        },
        Sound,
    ),
];

const BOOT_16: &[Case] = &[
    ("a root that fills no sector", |s| poke(s, 17, &[17, 0]), Hopeless("does not fill sectors")),
    ("no root", |s| poke(s, 17, &[0, 0]), Hopeless("does not fill sectors")),
];

const BOOT_32: &[Case] = &[
    ("another version", |s| poke(s, 42, &[1]), Stricter("version 1 is not supported")),
    ("no root", |s| poke(s, 44, &[0; 4]), Hopeless("the root directory begins at cluster 0")),
    ("a root beyond the end", |s| poke(s, 44, &[0xff; 3]), Hopeless("which does not exist")),
    ("one table in use", |s| poke(s, 40, &[0x81]), Sound),
    ("no information sector", |s| poke(s, 48, &[0, 0]), Sound),
    ("an information sector without a signature", |s| poke(s, 512, b"x"), Taken),
    ("an information sector without the second one", |s| poke(s, 512 + 484, b"x"), Taken),
    ("an information sector without the third one", |s| poke(s, 512 + 511, b"x"), Taken),
    ("no backup", |s| poke(s, 50, &[0, 0]), Taken),
    ("another backup", |s| poke(s, 6 * 512 + 90, b"x"), Sound),
];

fn judge(kind: (&str, u64, &str), (what, change, here): &Case) {
    let scratch = filled(kind);
    change(&scratch);
    let what = format!("{what}, FAT{}", kind.0);
    let output = run("dosfstools", "fsck.fat", &["-n", text(&scratch.path())], b"");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let opened = try_open(&scratch).map(drop);
    match *here {
        Taken | Sound => {
            opened.unwrap_or_else(|error| panic!("{what}: {error}\nfsck.fat: {said}"));
            assert_eq!(output.status.success(), matches!(here, Sound), "{what}: {said}");
            edit(&scratch, &what);
            let output = run("dosfstools", "fsck.fat", &["-n", text(&scratch.path())], b"");
            assert_eq!(output.status.success(), matches!(here, Sound), "{what}: {output:?}");
        }
        Refused(words) | Hopeless(words) | Stricter(words) => {
            let error = opened.expect_err(&what).to_string();
            assert!(
                error.to_lowercase().contains(&words.to_lowercase()),
                "{what}: {error}\nfsck.fat: {said}"
            );
            assert_eq!(output.status.success(), matches!(here, Stricter(_)), "{what}: {said}");
            assert_eq!(error.contains("fsck.fat -a"), matches!(here, Refused(_)), "{what}: {error}");
            if let Refused(_) = here {
                // It leaves some of its repairs to a second run.
                for _ in 0..2 {
                    run("dosfstools", "fsck.fat", &["-a", text(&scratch.path())], b"");
                }
                try_open(&scratch).unwrap_or_else(|error| panic!("{what}, after fsck.fat -a: {error}"));
            }
        }
    }
}

/// Edits the volume, and sees that mtools reads what was written.
fn edit(scratch: &Scratch, what: &str) {
    let fs = open(scratch);
    write(&fs, "/cmdline.txt", b"shorter\n").unwrap();
    write(&fs, "/overlays/a new file with a long name", &[7; 6000]).unwrap();
    fs.finish().unwrap();
    let files = exported(scratch);
    assert_eq!(files["/cmdline.txt"], b"shorter\n", "{what}");
    assert_eq!(files["/overlays/a new file with a long name"], [7; 6000], "{what}");
}

#[test]
fn directories_are_what_fsck_fat_wants() {
    for kind in [FAT12, FAT16, FAT32, SMALL_32] {
        DIRECTORIES.iter().for_each(|case| judge(kind, case));
    }
}

#[test]
fn names_are_what_fsck_fat_wants() {
    for kind in [FAT12, FAT32] {
        NAMES.iter().for_each(|case| judge(kind, case));
    }
}

#[test]
fn long_names_belong_to_their_files() {
    for kind in [FAT12, FAT32] {
        LONG_NAMES.iter().chain(ALIASES).for_each(|case| judge(kind, case));
    }
}

#[test]
fn boot_sectors_are_what_linux_takes() {
    for kind in [FAT12, FAT16, FAT32, SMALL_32] {
        BOOT.iter().for_each(|case| judge(kind, case));
    }
    for kind in [FAT12, FAT16] {
        BOOT_16.iter().for_each(|case| judge(kind, case));
    }
    for kind in [FAT32, SMALL_32] {
        BOOT_32.iter().for_each(|case| judge(kind, case));
    }
}
