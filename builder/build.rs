//! Compiles the firstboot programs in. They are built before, for their own targets, by
//! `scripts/build-card-programs.sh`; without them hcimage still compiles, and says so when it would need one.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    let folder = env::var_os("HCIMAGE_CARD_PROGRAMS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/card"), PathBuf::from);
    println!("cargo::rerun-if-env-changed=HCIMAGE_CARD_PROGRAMS");
    let mut source = String::new();
    for (arch, constant) in
        [("aarch64", "FIRSTBOOT_AARCH64"), ("armv7", "FIRSTBOOT_ARMV7"), ("x86_64", "FIRSTBOOT_X86_64")]
    {
        let program = folder.join(arch).join("hc-firstboot");
        println!("cargo::rerun-if-changed={}", program.display());
        let value = if program.is_file() {
            format!("Some(include_bytes!({:?}))", program.canonicalize().unwrap_or(program))
        } else {
            "None".to_owned()
        };
        source.push_str(&format!("const {constant}: Option<&[u8]> = {value};\n"));
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("card.rs");
    if let Err(error) = fs::write(&out, source) {
        println!("cargo::error=writing {}: {error}", out.display());
    }
}
