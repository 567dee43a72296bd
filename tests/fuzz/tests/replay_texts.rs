//! The kept inputs of the target `texts`, alone in a process: its limit of memory is that of the process.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hcimage_fuzz::texts;

/// An unoptimised build on a busy machine takes a few seconds for the longest input.
const HANGS: Duration = Duration::from_secs(20);

fn timed(name: &str, input: &[u8]) {
    let begun = Instant::now();
    texts::run(input);
    assert!(begun.elapsed() < HANGS, "{name} took {:?}", begun.elapsed());
}

/// Ten levels of ten aliases.
fn laughs() -> String {
    let mut text = String::from("a0: &a0 lol\n");
    for level in 1..11 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

/// One test, since a second thread's memory would count as well.
#[test]
fn texts_take_bounded_memory() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for dir in ["corpus/texts", "regressions/texts"] {
        for entry in fs::read_dir(root.join(dir)).unwrap() {
            let path = entry.unwrap().path();
            timed(&path.display().to_string(), &fs::read(&path).unwrap());
            count += 1;
        }
    }
    assert!(count > 8, "only {count} inputs");
    for reader in 0..7_u8 {
        for (name, text) in [
            ("aliases", laughs()),
            ("items", "- ".repeat(100_000)),
            ("keys", "? ".repeat(100_000)),
            ("brackets", "[".repeat(100_000)),
            ("pieces", format!("[{}]", "0,".repeat(400_000))),
            ("lines", "a /b c d 0 0\n".repeat(80_000)),
            ("words", "a ".repeat(500_000)),
            ("assignments", "A=b\n".repeat(250_000)),
            ("one line", "a".repeat(1 << 20)),
            ("entries", (0..60_000).map(|n| format!("k{n}: v\n")).collect()),
        ] {
            timed(&format!("{name} for reader {reader}"), &[&[reader], text.as_bytes()].concat());
        }
    }
}
