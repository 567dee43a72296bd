//! What tests of single overlays share: their objects as an image has them, and programs of Debian packages.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hcimage::cluster::Checked;
use hcimage::formats::yaml_load;
use hcimage::overlays::SecretValues;
use hcimage::value::Secret;
use hcimage_testkit::unpacked;
use yaml_rust2::Yaml;

pub(crate) use super::servers::{free_port, is_root, wait_for_port as wait_for};

use super::load;

/// A cluster with these tables.
pub(crate) fn cluster(tables: &str, nodes: &str) -> Checked {
    load(Path::new("/nowhere"), tables, nodes).unwrap_or_else(|report| panic!("{report}"))
}

/// All objects of the overlay that comes last. A secret that nobody set is what `secret` makes of its name.
pub(crate) fn objects(tables: &str, nodes: &str, secret: impl Fn(&str) -> String) -> Vec<Yaml> {
    let checked = cluster(tables, nodes);
    let active = checked.cluster.overlays.last().unwrap();
    let mut values: std::collections::BTreeMap<_, _> =
        active.overlay.secrets.keys().map(|name| (name.clone(), Secret::new(secret(name)))).collect();
    values.extend(active.given.clone());
    let filled = active.render(SecretValues::Real { values, salt: Some(Secret::new("salt")) }).unwrap();
    filled.files.iter().flat_map(|file| yaml_load::load(&file.text).unwrap()).collect()
}

pub(crate) fn object<'a>(objects: &'a [Yaml], kind: &str, name: &str) -> &'a Yaml {
    let is_it = |object: &&Yaml| {
        object["kind"].as_str() == Some(kind) && object["metadata"]["name"].as_str() == Some(name)
    };
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// A container of the pods of a workload.
pub(crate) fn container<'a>(objects: &'a [Yaml], kind: &str, workload: &str, name: &str) -> &'a Yaml {
    let pod = &object(objects, kind, workload)["spec"]["template"]["spec"];
    let all = ["initContainers", "containers"].map(|list| pod[list].as_vec());
    let is_it = |container: &&Yaml| container["name"].as_str() == Some(name);
    all.into_iter().flatten().flatten().find(is_it).unwrap_or_else(|| panic!("no container {name}"))
}

/// A variable of a container.
pub(crate) fn variable<'a>(container: &'a Yaml, name: &str) -> &'a str {
    let variables = container["env"].as_vec().unwrap();
    let found = variables.iter().find(|variable| variable["name"].as_str() == Some(name));
    found.and_then(|found| found["value"].as_str()).unwrap_or_else(|| panic!("no variable {name}"))
}

pub(crate) fn texts(list: &Yaml) -> Vec<String> {
    list.as_vec().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// Writes the texts below `key` of an object into a folder, as a volume of it has them.
pub(crate) fn volume(object: &Yaml, key: &str, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    for (name, text) in object[key].as_hash().unwrap() {
        fs::write(dir.join(name.as_str().unwrap()), text.as_str().unwrap()).unwrap();
    }
}

/// A program of Debian packages that are not installed, with the libraries beside it.
pub(crate) fn program(packages: &[&str], path: &str) -> (Command, PathBuf) {
    let root = unpacked::packages(packages);
    let mut command = Command::new(root.join(path));
    command.env("LD_LIBRARY_PATH", unpacked::libraries(&root));
    (command, root)
}

/// What many images have for a shell.
pub(crate) fn busybox() -> PathBuf {
    unpacked::packages(&["busybox-static"]).join("bin/busybox")
}

pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// As the kubelet ends it. Its status.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.0.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so; `said` is told where it never is.
pub(crate) fn until(what: &str, said: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(90), "{what}: {}", said());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// PHP of Debian as `php` in the folder `dir`, without the settings of any system, as both images have its extensions.
pub(crate) fn php(dir: &Path) -> PathBuf {
    const EXTENSIONS: [&str; 12] = [
        "mysqlnd",
        "mysqli",
        "pdo",
        "pdo_mysql",
        "tokenizer",
        "ctype",
        "iconv",
        "dom",
        "simplexml",
        "xml",
        "fileinfo",
        "mbstring",
    ];
    let root = unpacked::packages(&[
        "php8.2-cli",
        "php8.2-common",
        "php8.2-mysql",
        "php8.2-xml",
        "php8.2-mbstring",
        "libargon2-1",
        "libsodium23",
        "libpcre2-8-0",
        "libedit2",
        "libbsd0",
        "libmd0",
        "libonig5",
        "libxml2",
    ]);
    let loaded: String = EXTENSIONS.iter().map(|name| format!(" -d extension={name}")).collect();
    let (place, libraries) = (root.display(), unpacked::libraries(&root));
    let text = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH={libraries}\n\
         exec {place}/usr/bin/php8.2 -n -d extension_dir={place}/usr/lib/php/20220829{loaded} \"$@\"\n"
    );
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("php");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub(crate) fn to_log(log: &Path) -> Stdio {
    Stdio::from(fs::File::options().create(true).append(true).open(log).unwrap())
}
