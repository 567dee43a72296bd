//! Compiles the firstboot programs in. They are built before, for their own targets, by
//! `scripts/build-card-programs.sh`; without one of them hcimage still compiles, and says so when it needs that one.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

fn main() {
    let dir = env::var_os("HCIMAGE_CARD_PROGRAMS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/card"), PathBuf::from);
    println!("cargo::rerun-if-env-changed=HCIMAGE_CARD_PROGRAMS");
    let mut source = String::new();
    for (arch, constant) in
        [("aarch64", "FIRSTBOOT_AARCH64"), ("armv7", "FIRSTBOOT_ARMV7"), ("x86_64", "FIRSTBOOT_X86_64")]
    {
        let program = dir.join(arch).join("hc-firstboot");
        let value = if program.is_file() {
            println!("cargo::rerun-if-changed={}", program.display());
            format!("Some(include_bytes!({:?}))", program.canonicalize().unwrap_or(program))
        } else {
            watch_for(&program);
            "None".to_owned()
        };
        source.push_str(&format!("const {constant}: Option<&[u8]> = {value};\n"));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("card.rs");
    if let Err(error) = fs::write(&out, source) {
        println!("cargo::error=writing {}: {error}", out.display());
    }
}

/// Has cargo run this again once `program` is there. cargo takes a missing path for one that changes all the time, and
/// would compile hcimage on every call, so it watches a directory: the program's own, made here if need be.
fn watch_for(program: &Path) {
    if let Some(dir) = program.parent() {
        // Where this fails, cargo compiles more often: no reason to stop.
        let _ = make_old_dir(dir);
        println!("cargo::rerun-if-changed={}", dir.display());
    }
}

/// A new directory gets an old date: cargo takes what is younger than this run for a change.
fn make_old_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    fs::File::open(dir)?.set_modified(SystemTime::UNIX_EPOCH)
}
