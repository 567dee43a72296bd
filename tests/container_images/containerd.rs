//! The archive and a real containerd: Debian's, unpacked, with directories and a socket of its own. k3s has a newer one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hcimage::arch::Arch;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked;

use crate::{bundle_of, local};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};

/// Ends with this value.
struct Containerd {
    child: Child,
    programs: PathBuf,
    dir: PathBuf,
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Containerd {
    fn start(dir: &Path) -> Self {
        let programs = unpacked::packages(&["containerd", "runc", "busybox-static"]);
        fs::create_dir_all(dir).unwrap();
        let config = dir.join("config.toml");
        fs::write(
            &config,
            format!(
                "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\n  \
                 address = {:?}\n[ttrpc]\n  address = {:?}\n",
                dir.join("root"),
                dir.join("state"),
                dir.join("sock"),
                dir.join("ttrpc")
            ),
        )
        .unwrap();
        let path = format!(
            "{}:{}:{}",
            programs.join("usr/bin").display(),
            programs.join("usr/sbin").display(),
            std::env::var("PATH").unwrap()
        );
        let child = Command::new(programs.join("usr/bin/containerd"))
            .args(["--log-level", "warn", "--config"])
            .arg(&config)
            .env("PATH", path)
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("log")).unwrap())
            .spawn()
            .unwrap();
        let containerd = Self { child, programs, dir: dir.to_owned() };
        let began = Instant::now();
        while !outcome(containerd.ctr().arg("version")).status.success() {
            let log = || fs::read_to_string(containerd.dir.join("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(60), "{}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
        containerd
    }

    /// In the namespace that Kubernetes has.
    fn ctr(&self) -> Command {
        let mut command = Command::new(self.programs.join("usr/bin/ctr"));
        command.arg("--address").arg(self.dir.join("sock")).args(["--namespace", "k8s.io"]);
        command
    }
}

/// Of this machine: another one's programs would not run.
fn host() -> Arch {
    if cfg!(target_arch = "x86_64") { Arch::X86_64 } else { Arch::Aarch64 }
}

#[test]
fn containerd_imports_the_archive_and_runs_a_container_of_each_image() {
    let desk = Desk::new();
    let containerd = Containerd::start(&desk.path("containerd"));
    let busybox = fs::read(containerd.programs.join("bin/busybox")).unwrap();
    let mut layout = Layout::new(&desk.path("images"));
    let base = layout.layer(Packed::Gzip, &[("bin/busybox", &busybox)]);
    // Several platforms, of which the archive has one; one that is not packed; one packed with zstd.
    let index = multi(&layout, &["amd64", "arm64", "arm/v7"], &[base]);
    let digest = index["digest"].as_str().unwrap().to_owned();
    layout.add(Some("registry.example/shop/web:1.2"), index);
    let go = host().go();
    for (name, packed) in [("registry.example/shop/plain:1", Packed::Not), ("shop/zstd:1", Packed::Zstd)] {
        let layer = layout.layer(packed, &[("bin/busybox", &busybox), ("name", name.as_bytes())]);
        let image = layout.image(go, &[layer]);
        layout.add(Some(name), image);
    }
    let made = bundle_of(&desk, &[local(&layout.dir, None)], host()).unwrap();

    run(containerd.ctr().args(["images", "import"]).arg(&made.archive.path));
    let listed = run(containerd.ctr().args(["images", "list", "--quiet"]));
    for name in &made.names {
        assert!(listed.lines().any(|line| line == name.to_string()), "{name}: {listed}");
    }
    // By the digest of the index, as charts pin images.
    assert!(made.names.iter().any(|name| name.to_string() == format!("registry.example/shop/web@{digest}")));
    for (number, name) in made.names.iter().enumerate() {
        let said = run(containerd.ctr().args([
            "run",
            "--rm",
            "--net-host",
            &name.to_string(),
            &format!("c{number}"),
        ]));
        assert_eq!(said, "it runs\n", "{name}");
    }
}
