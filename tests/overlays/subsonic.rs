//! The overlay `subsonic`: the script that has Navidrome make its first user. Navidrome itself is played by a script of the tests' own,
//! with busybox's httpd for its answers; it warns of the password in its log as the real one does, unless it is told to say errors alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::programs::{busybox, free_port, object, objects, volume};
use super::{ONE, load};

const TABLES: &str = "[overlays.subsonic]\nhost = \"music.example.org\"\n";

struct Seed {
    dir: tempfile::TempDir,
    port: u16,
}

impl Seed {
    /// `first` is what the played Navidrome does before anything else.
    fn new(first: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let objects = objects(TABLES, ONE, |_| "x".to_owned());
        volume(object(&objects, "ConfigMap", "seed"), "data", dir.path());
        let navidrome = format!(
            "#!/bin/sh\n{first}\n[ \"$ND_LOGLEVEL\" = error ] || echo \"Creating initial admin user $ND_DEVAUTOCREATEADMINPASSWORD\"\n\
             [ -e $ND_DATAFOLDER/users ] || echo \"admin:$ND_DEVAUTOCREATEADMINPASSWORD\" >> $ND_DATAFOLDER/users\n\
             mkdir -p $ND_DATAFOLDER/www; echo . > $ND_DATAFOLDER/www/ping\n\
             exec {} httpd -f -p 127.0.0.1:$ND_PORT -h $ND_DATAFOLDER/www\n",
            busybox().display()
        );
        let path = dir.path().join("navidrome");
        fs::write(&path, navidrome).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        Self { dir, port: free_port() }
    }

    fn run(&self) -> (bool, String) {
        let said = Command::new(busybox())
            .arg("sh")
            .arg(self.dir.path().join("seed.sh"))
            .env("NAVIDROME", self.dir.path().join("navidrome"))
            .env("ND_DATAFOLDER", self.dir.path().join("data"))
            .env("ND_PORT", self.port.to_string())
            .env("ND_LOGLEVEL", "error")
            .env("ND_DEVAUTOCREATEADMINPASSWORD", "hunter2")
            .output()
            .unwrap();
        let all =
            format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
        assert!(!all.contains("hunter2"), "the password is in the log: {all}");
        (said.status.success(), all)
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join("data").join(name)).ok()
    }
}

#[test]
fn the_first_user_is_made_once_and_an_end_before_that_is_no_success() {
    let seed = Seed::new("");
    let (good, said) = seed.run();
    assert!(good && said.contains("the user admin is there"), "{said}");
    assert_eq!(seed.file("users").as_deref(), Some("admin:hunter2\n"));
    fs::remove_file(seed.dir.path().join("navidrome")).unwrap();
    assert!(seed.run().0, "nothing is started the second time");

    let seed = Seed::new("exit 3");
    let (good, said) = seed.run();
    assert!(!good && said.contains("ended before it answered"), "{said}");
    assert_eq!(seed.file(".hcimage-seeded"), None, "so it is tried again");
}

#[test]
fn the_container_that_stays_has_no_password_and_a_nas_is_named_as_a_whole() {
    let text = |tables: &str| {
        let checked = load(Path::new("/nowhere"), tables, ONE).unwrap_or_else(|report| panic!("{report}"));
        checked.cluster.overlays[0].shown.files[0].text.clone()
    };
    let shown = text(TABLES);
    assert_eq!(shown.matches("ND_DEVAUTOCREATEADMINPASSWORD").count(), 1, "that of the first start");
    assert!(!shown.contains("WATCHERWAIT") && shown.contains("/k8s-data/music"), "{shown}");
    let nas = text(&format!("{TABLES}nfs-server = \"nas.home.lan\"\nnfs-path = \"/volume1/music\"\n"));
    assert!(nas.contains("WATCHERWAIT") && !nas.contains("/k8s-data/music"), "{nas}");
    for one in ["nfs-server = \"nas.home.lan\"", "nfs-path = \"/x\""] {
        let said = load(Path::new("/nowhere"), &format!("{TABLES}{one}\n"), ONE).unwrap_err().to_string();
        assert!(said.contains("go together"), "{said}");
    }
}
