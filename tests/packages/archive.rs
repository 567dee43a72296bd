//! An archive of packages on this machine: packages by dpkg-deb, index by apt-ftparchive, signature by GnuPG.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::desk::pack;
use hcimage_testkit::gpg::Gpg;
use hcimage_testkit::publisher::Publisher;
use hcimage_testkit::tools::run;
use tempfile::TempDir;

use crate::Files;

/// The key that the base trusts.
pub(crate) const TRUSTED: &str = "trusted@example.org";

pub(crate) struct Archive {
    dir: TempDir,
    pub(crate) gpg: Gpg,
    pub(crate) server: Publisher,
}

impl Archive {
    /// One without packages, and with a key.
    pub(crate) fn new() -> Self {
        let archive = Self { dir: tempfile::tempdir().unwrap(), gpg: Gpg::new(), server: Publisher::start() };
        fs::create_dir_all(archive.path("pool")).unwrap();
        archive.gpg.make_key(TRUSTED, "never", &[]);
        archive
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A package with `Field: value` lines besides the usual ones.
    pub(crate) fn package(&self, name: &str, version: &str, fields: &str) {
        let dir = self.path(&format!("build/{name}"));
        let doc = dir.join("usr/share/doc").join(name);
        fs::create_dir_all(dir.join("DEBIAN")).unwrap();
        fs::create_dir_all(&doc).unwrap();
        fs::write(doc.join("README"), "made by a test\n").unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: arm64\nMaintainer: Test <test@example.org>\n\
             Description: made by a test\n{fields}"
        );
        fs::write(dir.join("DEBIAN/control"), control).unwrap();
        let out = self.path(&format!("pool/{name}_{}_arm64.deb", version.replace(':', "%3a")));
        run(Command::new("dpkg-deb").args(["--build", "--root-owner-group", "-Zxz"]).arg(&dir).arg(out));
    }

    /// Puts index and packages on the server, signed by the trusted key.
    pub(crate) fn publish(&self) {
        self.serve_list(&self.packages());
        self.serve_release(&self.release(""), TRUSTED);
        for entry in fs::read_dir(self.path("pool")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().replace('%', "%25").replace('+', "%2B");
            self.server.file(&format!("/debian/pool/{name}"), fs::read(&path).unwrap());
        }
    }

    /// The list, as apt-ftparchive writes it.
    pub(crate) fn packages(&self) -> String {
        run(Command::new("apt-ftparchive").current_dir(self.dir.path()).args(["packages", "pool"]))
    }

    pub(crate) fn serve_list(&self, packages: &str) {
        let dir = self.path("dists/stable/main/binary-arm64");
        fs::create_dir_all(&dir).unwrap();
        let packed = pack("xz", &["-c"], packages.as_bytes());
        fs::write(dir.join("Packages"), packages).unwrap();
        fs::write(dir.join("Packages.xz"), &packed).unwrap();
        self.server.file("/debian/dists/stable/main/binary-arm64/Packages.xz", packed);
    }

    /// The text to be signed, with more fields.
    pub(crate) fn release(&self, fields: &str) -> String {
        let mut command = Command::new("apt-ftparchive");
        command.current_dir(self.dir.path()).args(["-o", "APT::FTPArchive::Release::Suite=stable"]);
        format!("{fields}{}", run(command.args(["release", "dists/stable"])))
    }

    pub(crate) fn serve_release(&self, release: &str, user: &str) {
        self.server.file("/debian/dists/stable/InRelease", self.gpg.clearsign(release, user, &[]));
    }

    /// A base with this archive as its only source, and dpkg's list.
    pub(crate) fn base(&self, status: &str) -> Files {
        let mut files = Files::default();
        files.put("/var/lib/dpkg/status", status);
        let url = self.server.url("/debian");
        let line = format!("deb [signed-by=/usr/share/keyrings/test.asc] {url} stable main\n");
        files.put("/etc/apt/sources.list", line);
        files.put("/usr/share/keyrings/test.asc", self.gpg.key(TRUSTED));
        files
    }
}

/// An archive with `shop`, which needs `lib` in its second version.
pub(crate) fn shop() -> Archive {
    let archive = Archive::new();
    archive.package("lib", "2:2.0-1", "");
    archive.package("shop", "1.0+b1", "Depends: lib (>= 2:2)\n");
    archive.publish();
    archive
}

/// A base that has the first version of `lib`.
pub(crate) const STATUS: &str =
    "Package: lib\nStatus: install ok installed\nVersion: 1.0\nArchitecture: arm64\n";

/// Whether the lock in a directory has a package.
pub(crate) fn is_locked(dir: &Path) -> bool {
    fs::read_to_string(dir.join("hcimage.lock")).is_ok_and(|text| text.contains("package."))
}
