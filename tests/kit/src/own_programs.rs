//! Programs of a base, run here as they lie in its image: with its own libraries, by QEMU's emulation of its processor.
//! They check what their own release reads, where this machine's program is another version.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::debugfs;

/// The libraries of an image, and what starts programs with them.
pub struct OwnPrograms {
    root: PathBuf,
    emulator: &'static str,
}

impl OwnPrograms {
    /// Of an image for `arch`, as Debian calls it, in a new directory in `scratch`.
    pub fn of(image: &Path, arch: &str, scratch: &Path) -> Self {
        let (emulator, libraries, interpreter) = match arch {
            "arm64" => ("qemu-aarch64-static", "aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1"),
            "armhf" => ("qemu-arm-static", "arm-linux-gnueabihf", "lib/ld-linux-armhf.so.3"),
            "amd64" => ("qemu-x86_64-static", "x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2"),
            other => panic!("no emulator is known for {other}"),
        };
        let root = scratch.join("own");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir(root.join("lib64")).unwrap();
        symlink("usr/lib", root.join("lib")).unwrap();
        debugfs(image, &format!("rdump /usr/lib/{libraries} {}", root.join("usr/lib").display()));
        let name = Path::new(interpreter).file_name().unwrap();
        let own = root.join("usr/lib").join(libraries).join(name);
        assert!(own.exists(), "{} is not in the image", own.display());
        symlink(own, root.join(interpreter)).unwrap();
        Self { root, emulator }
    }

    /// The program at the first of these places where the image has one.
    pub fn command(&self, image: &Path, places: &[&str]) -> Command {
        let program = self.root.join("program");
        for place in places {
            debugfs(image, &format!("dump {place} {}", program.display()));
            if fs::metadata(&program).is_ok_and(|found| found.len() > 0) {
                fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
                let mut command = Command::new(self.emulator);
                command.arg("-L").arg(&self.root).arg(&program);
                return command;
            }
        }
        panic!("none of {places:?} is in {}", image.display());
    }
}
