//! Keys and signatures by GnuPG, in a directory of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::tools::run;

pub struct Gpg {
    home: TempDir,
}

impl Default for Gpg {
    fn default() -> Self {
        Self::new()
    }
}

impl Gpg {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory for GnuPG") }
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut gpg = Command::new("gpg");
        gpg.env("GNUPGHOME", self.home.path());
        gpg.args(["--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback"]);
        gpg.args(["--passphrase", ""]).args(options);
        gpg
    }

    /// A key that signs; `end` is when it expires, or `never`.
    pub fn make_key(&self, user: &str, end: &str, options: &[&str]) {
        run(self.command(options).args(["--quick-gen-key", user, "ed25519", "sign", end]));
    }

    /// The key of the user in ASCII armour.
    pub fn key(&self, user: &str) -> String {
        run(self.command(&[]).args(["--armor", "--export", user]))
    }

    /// The text in the clear with a signature, made with more options.
    pub fn clearsign(&self, text: &str, user: &str, options: &[&str]) -> String {
        let path = self.write(text.as_bytes());
        run(self.command(options).args(["--local-user", user, "--clearsign", "--output", "-"]).arg(path))
    }

    /// A signature of its own in ASCII armour.
    pub fn detached(&self, text: &[u8], user: &str) -> String {
        let path = self.write(text);
        run(self
            .command(&["--armor"])
            .args(["--local-user", user, "--detach-sign", "--output", "-"])
            .arg(path))
    }

    fn write(&self, text: &[u8]) -> std::path::PathBuf {
        let path: &Path = self.home.path();
        fs::write(path.join("text"), text).expect("writing what is to be signed");
        path.join("text")
    }
}

impl Drop for Gpg {
    /// GnuPG's agent ends with its directory; it is told so, since it may take a while to see that.
    fn drop(&mut self) {
        let mut kill = Command::new("gpgconf");
        let _ = kill.env("GNUPGHOME", self.home.path()).args(["--kill", "all"]).status();
    }
}
