//! Compiles the firstboot programs and the overlays in. The programs are built before, for their own targets, by
//! `scripts/build-card-programs.sh`; without one of them hcimage still compiles, and says so when it needs that one.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

fn main() {
    card_programs();
    match overlays() {
        Ok(source) => write("overlays.rs", &source),
        Err(error) => println!("cargo::error=reading overlays: {error}"),
    }
}

fn write(name: &str, source: &str) {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(name);
    if let Err(error) = fs::write(&out, source) {
        println!("cargo::error=writing {}: {error}", out.display());
    }
}

fn card_programs() {
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
    write("card.rs", &source);
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

/// Compiles the folders of `overlays/` in, as `BUILT_IN`: each with its files, by name.
fn overlays() -> io::Result<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../overlays");
    println!("cargo::rerun-if-changed={}", dir.display());
    let mut source =
        "/// Each overlay with its files, sorted.\nstatic BUILT_IN: &[(&str, &[(&str, &str)])] = &[\n"
            .to_owned();
    for (name, path) in sorted(&dir)?.into_iter().filter(|(_, path)| path.is_dir()) {
        let mut files = Vec::new();
        collect(&path, "", &mut files)?;
        source.push_str(&format!("    ({name:?}, &[\n"));
        for (file, path) in files {
            source.push_str(&format!("        ({file:?}, include_str!({path:?})),\n"));
        }
        source.push_str("    ]),\n");
    }
    source.push_str("];\n");
    Ok(source)
}

fn collect(dir: &Path, below: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", dir.display());
    for (name, path) in sorted(dir)? {
        let inner = if below.is_empty() { name } else { format!("{below}/{name}") };
        if path.is_dir() { collect(&path, &inner, files)? } else { files.push((inner, path.canonicalize()?)) }
    }
    Ok(())
}

fn sorted(dir: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}
