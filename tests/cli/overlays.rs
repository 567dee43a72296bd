//! Overlays from the command line: listed, shown, begun, rendered, planned and built, with images from a real registry on loopback that
//! stands in for the public ones.

use std::fs;
use std::path::Path;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{fail, hcimage, succeed, succeed_loudly};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use hcimage_testkit::tools::debugfs;

const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";

/// A registry with a small image for a CM4 under each of these names of Docker Hub.
fn registry(dir: &Path, names: &[&str]) -> Registry {
    let registry = Registry::start(&dir.join("registry"), "", "");
    for (number, name) in names.iter().enumerate() {
        let mut layout = Layout::new(&dir.join(format!("layout-{number}")));
        let layer = layout.layer(Packed::Gzip, &[("bin/program", name.as_bytes())]);
        let image = multi(&layout, &["arm64"], &[layer]);
        layout.add(Some(LAYOUT_NAME), image);
        registry.push(&layout, &format!("127.0.0.1:{}/{name}", registry.port), &[]);
    }
    registry
}

/// A cluster of one CM4 with these tables, whose images come from the registry.
fn cluster(dir: &Path, registry: &Registry, tables: &str) {
    let text = format!(
        "schema = 1\nname = \"lab\"\n\n{tables}\n[registries.mirrors.\"docker.io\"]\nendpoint = [\"http://127.0.0.1:{}\"]\n\n\
         [boards.cm4]\nbase = {:?}\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n",
        registry.port,
        base("debian-pi-arm64")
    );
    fs::write(dir.join("cluster.toml"), text).unwrap();
}

fn asked(dir: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = hcimage(dir);
    command.args(arguments).arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    command
}

#[test]
fn all_are_listed_and_each_is_shown_with_what_it_brings() {
    let dir = tempfile::tempdir().unwrap();
    let list = succeed(hcimage(dir.path()).arg("overlays"));
    for name in ["nextcloud", "cert-manager", "longhorn", "dyndns"] {
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {list}");
    }
    let shown = succeed(hcimage(dir.path()).args(["overlays", "show", "nextcloud"]));
    for words in [
        "[overlays.nextcloud]",
        "host = \"cloud.example.org\"",
        "#upload-limit-gib = 16",
        "#admin-password = { file = \"admin-password.txt\" }",
        "container images: docker.io/library/nextcloud:",
        "directories on the data disk: nextcloud",
        "# Nextcloud",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    fail(
        hcimage(dir.path()).args(["overlays", "show", "nextclod"]),
        2,
        &["no overlay nextclod", "nextcloud"],
    );
}

/// What docs/adding-an-overlay.md and the output say: begin one, switch it on, build.
#[test]
fn an_overlay_of_ones_own_is_begun_and_built() {
    let dir = tempfile::tempdir().unwrap();
    let said = succeed(hcimage(dir.path()).args(["overlays", "new", "shop"]));
    assert!(said.contains("[overlays.shop]"), "{said}");
    fail(hcimage(dir.path()).args(["overlays", "new", "shop"]), 2, &["overlays/shop", "it is there already"]);
    let registry = registry(dir.path(), &["nginxinc/nginx-unprivileged:1.31-alpine"]);
    let greeting = "Good morning: \\\"kim\\\" <b>";
    cluster(
        dir.path(),
        &registry,
        &format!("[overlays.shop]\nhost = \"shop.home.lan\"\ngreeting = \"{greeting}\"\n"),
    );
    let listed = succeed(hcimage(dir.path()).arg("overlays"));
    assert!(listed.contains("from overlays/shop"), "{listed}");
    let plan = succeed(&mut asked(dir.path(), &["plan"]));
    for words in [
        "overlay shop, from overlays/shop",
        "container images: docker.io/nginxinc",
        "+kind: Ingress",
        "shop.home.lan",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let said = succeed_loudly(&mut asked(dir.path(), &["build"]));
    assert!(said.stderr.contains("overlay shop from overlays/shop"), "{}", said.stderr);
    let node = dir.path().join("out/lab-1.img");
    let manifest = debugfs(&node, &format!("cat {MANIFESTS}/shop-app.yaml"));
    assert!(manifest.contains(&format!("index.html: \"{greeting}\"")), "{manifest}");
    let seed = debugfs(&node, "cat /etc/hcimage/seed.toml");
    assert!(seed.contains("shop/shop") && seed.contains("shop-app"), "{seed}");

    // One mistake in it.
    let app = dir.path().join("overlays/shop/manifests/app.yaml");
    let text = fs::read_to_string(&app).unwrap();
    fs::write(&app, text.replace("{{ host }}", "{{ hots }}")).unwrap();
    fail(&mut asked(dir.path(), &["build", "--overwrite"]), 2, &["overlays/shop/manifests/app.yaml", "hots"]);
    fs::write(&app, text.replace("name: page\n            ", "name: pages\n            ")).unwrap();
    fs::write(
        &app,
        text.replace("configMap:\n            name: page", "configMap:\n            name: pages"),
    )
    .unwrap();
    fail(&mut asked(dir.path(), &["plan"]), 2, &["there is no ConfigMap shop/pages", "[overlays.shop]"]);
}

#[test]
fn secrets_are_made_once_masked_in_plans_and_the_same_after_a_rebuild() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(
        dir.path(),
        &["library/nextcloud:35.0.3-apache", "library/mariadb:11.8.8", "library/redis:8.10.1"],
    );
    let tables = "[overlays.nextcloud]\nhost = \"cloud.home.lan\"\n[overlays.ingress-auth]\npassword = \"hunter2hunter2\"\n";
    cluster(dir.path(), &registry, tables);
    let plan = succeed(&mut asked(dir.path(), &["plan"]));
    assert!(plan.contains("<secret db-password of nextcloud>") && !plan.contains("hunter2"), "{plan}");
    assert!(!dir.path().join("cluster.secrets.toml").exists(), "a plan makes no secrets");
    succeed(&mut asked(dir.path(), &["build", "--output", "one"]));
    let kept = fs::read_to_string(dir.path().join("cluster.secrets.toml")).unwrap();
    let password = kept
        .lines()
        .find_map(|line| line.strip_prefix("db-password = "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    assert!(password.len() == 32 && !kept.contains("hunter2"), "what the cluster file has is not kept twice");
    let read = |image: &str, path: &str| debugfs(&dir.path().join(image), &format!("cat {path}"));
    let base = read("one/lab-1.img", &format!("{MANIFESTS}/nextcloud-10-base.yaml"));
    assert!(base.contains(&password) && !base.contains("<secret"), "{base}");
    let stat =
        debugfs(&dir.path().join("one/lab-1.img"), &format!("stat {MANIFESTS}/nextcloud-10-base.yaml"));
    assert!(stat.contains("Mode:  0600"), "{stat}");
    let auth = read("one/lab-1.img", &format!("{MANIFESTS}/ingress-auth-auth.yaml"));
    assert!(auth.contains("admin:$2y$08$") && !auth.contains("hunter2"), "{auth}");
    for file in ["one/lab-1.img.manifest.json", "one/lab-1.img.cdx.json"] {
        let text = fs::read_to_string(dir.path().join(file)).unwrap();
        assert!(!text.contains(&password) && !text.contains("hunter2"), "{file}");
    }

    succeed(&mut asked(dir.path(), &["build", "--output", "two"]));
    let bytes = |image: &str| fs::read(dir.path().join(image)).unwrap();
    assert!(bytes("one/lab-1.img") == bytes("two/lab-1.img"), "a rebuild is the same");

    // Debian's own tool says that the hash is that of the password.
    let packages = hcimage_testkit::unpacked::packages(&["apache2-utils", "libapr1", "libaprutil1"]);
    let line = auth
        .lines()
        .find_map(|line| line.trim().strip_prefix("users: "))
        .unwrap()
        .trim_matches('"')
        .to_owned();
    fs::write(dir.path().join("users"), format!("{line}\n")).unwrap();
    let verify = |password: &str| {
        let libraries = packages.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
        std::process::Command::new(packages.join("usr/bin/htpasswd"))
            .env("LD_LIBRARY_PATH", libraries)
            .args(["-vb"])
            .arg(dir.path().join("users"))
            .args(["admin", password])
            .output()
            .unwrap()
    };
    assert!(verify("hunter2hunter2").status.success(), "{:?}", verify("hunter2hunter2"));
    assert!(!verify("hunter3").status.success());
}

/// A website of 3,000 files goes into the image of the node that serves it, and into no other.
#[test]
fn a_folder_of_the_users_goes_onto_the_node_byte_by_byte() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), &["library/nginx:1.31.4-alpine"]);
    let site = dir.path().join("sites/www.example.org");
    let mut size = 0;
    for number in 0..3000_usize {
        let path = site.join(format!("posts/{}/{number}.html", number % 7));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = format!("page {number}\n").repeat(number % 50);
        size += text.len();
        fs::write(path, text).unwrap();
    }
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    for (name, bytes) in [
        ("index.html", &b"<h1>hello</h1>"[..]),
        ("Bücher & more.html", b"\x00\xff"),
        (".well-known/security.txt", b"Contact: kim"),
        ("film.bin", &large),
        (".git/config", b"left out"),
    ] {
        let path = site.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        size += if name.starts_with(".git") { 0 } else { bytes.len() };
    }
    cluster(
        dir.path(),
        &registry,
        "[overlays.static-site]\nfolder = \"sites\"\nhosts = [\"www.example.org\"]\nnode = \"lab-2\"\n",
    );
    let file = dir.path().join("cluster.toml");
    let text = fs::read_to_string(&file)
        .unwrap()
        .replace("name = \"lab\"", "name = \"lab\"\napi = \"lab.home.lan\"");
    fs::write(&file, format!("{text}\n[[nodes]]\nname = \"lab-2\"\nrole = \"agent\"\nboard = \"cm4\"\n"))
        .unwrap();

    const PLACE: &str = "/var/lib/hcimage/overlays/static-site/sites";
    let plan = succeed(&mut asked(dir.path(), &["plan"]));
    let mib = format!("{}.{} MiB", size >> 20, ((size * 10) >> 20) % 10);
    assert!(plan.contains(&format!("{PLACE} with 3004 files ({mib}) on lab-2")), "{plan}");
    assert!(plan.contains(&format!("{PLACE}  write files: 3004 ({mib}): overlay static-site")), "{plan}");
    assert!(
        !plan.contains("posts/") && !plan.contains("page 7"),
        "names and contents of thousands are not shown"
    );
    assert_eq!(plan.matches("write files").count(), 1, "one node has it");

    succeed(&mut asked(dir.path(), &["build"]));
    let [first, second] = ["out/lab-1.img", "out/lab-2.img"].map(|image| dir.path().join(image));
    assert!(!debugfs(&first, "ls -p /var/lib").contains("/hcimage/"), "the other node has none");
    let copied = dir.path().join("copied");
    fs::create_dir(&copied).unwrap();
    debugfs(&second, &format!("rdump {PLACE}/www.example.org {}", copied.display()));
    fs::remove_dir_all(site.join(".git")).unwrap();
    let same = std::process::Command::new("diff")
        .arg("-r")
        .arg(&site)
        .arg(copied.join("www.example.org"))
        .output()
        .unwrap();
    assert!(same.status.success(), "{}", String::from_utf8_lossy(&same.stdout));
    for (path, words) in [
        ("www.example.org/index.html", ["Mode:  0644", "User:     0   Group:     0"]),
        ("www.example.org/posts/3", ["Mode:  0755", "User:     0   Group:     0"]),
        ("www.example.org", ["Type: directory", "Mode:  0755"]),
    ] {
        let stat = debugfs(&second, &format!("stat {PLACE}/{path}"));
        assert!(words.iter().all(|word| stat.contains(word)), "{path}: {stat}");
    }
    let seed = debugfs(&second, "cat /etc/hcimage/seed.toml");
    assert!(!seed.contains("static-site/sites"), "the first boot does not read thousands of files");
    for list in ["out/lab-2.img.manifest.json", "out/lab-2.img.cdx.json"] {
        let text = fs::read_to_string(dir.path().join(list)).unwrap();
        assert!(text.contains(&format!("{PLACE}/www.example.org/posts/3/3.html")), "{list}");
    }

    succeed(&mut asked(dir.path(), &["build", "--output", "again"]));
    assert!(
        fs::read(&second).unwrap() == fs::read(dir.path().join("again/lab-2.img")).unwrap(),
        "a rebuild is the same"
    );

    std::os::unix::fs::symlink("/etc/passwd", site.join("link")).unwrap();
    fail(
        &mut asked(dir.path(), &["build", "--overwrite"]),
        2,
        &["cluster.toml:6:10", "sites/www.example.org/link is a link"],
    );
    fs::remove_file(site.join("link")).unwrap();
    // What lies elsewhere is taken, and said.
    fs::rename(dir.path().join("sites"), dir.path().join("project-sites")).unwrap();
    let project = dir.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::write(
        project.join("cluster.toml"),
        fs::read_to_string(&file).unwrap().replace("\"sites\"", "\"../project-sites\""),
    )
    .unwrap();
    let said = succeed_loudly(hcimage(&project).args(["overlays", "render"]));
    assert!(
        said.stderr.contains("../project-sites is outside of the project's directory"),
        "{}",
        said.stderr
    );
}

#[test]
fn what_is_rendered_needs_no_network_and_escapes_what_a_terminal_would_obey() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("overlays/shop");
    fs::create_dir_all(folder.join("manifests")).unwrap();
    fs::write(folder.join("overlay.toml"), "about = \"a \\u001b[31mshop\"\n").unwrap();
    fs::write(
        folder.join("manifests/a.yaml"),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: \"a\"} # \u{1b}[31m\n",
    )
    .unwrap();
    let text = "schema = 1\nname = \"lab\"\n[overlays.shop]\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n";
    fs::write(dir.path().join("cluster.toml"), text).unwrap();
    for arguments in [&["overlays"][..], &["overlays", "show", "shop"], &["overlays", "render"]] {
        let said = succeed(hcimage(dir.path()).args(arguments));
        assert!(said.contains("shop") && !said.contains('\u{1b}'), "{arguments:?}: {said}");
    }
}

/// What is refused before any cluster is asked: tests/k3s-double/tests/overlay_live has one.
#[test]
fn a_cluster_that_runs_is_asked_only_with_its_own_kubeconfig() {
    let dir = tempfile::tempdir().unwrap();
    let registry = registry(dir.path(), &["nginxinc/nginx-unprivileged:1.31-alpine"]);
    succeed(hcimage(dir.path()).args(["overlays", "new", "shop"]));
    cluster(dir.path(), &registry, "[overlays.shop]\nhost = \"shop.home.lan\"\n");
    let apply = |more: &[&str]| {
        let mut command = hcimage(dir.path());
        command.args(["overlays", "apply", "--yes"]).args(more);
        command
    };
    fail(&mut apply(&[]), 2, &["out/kubeconfig", "hcimage build"]);
    succeed(&mut asked(dir.path(), &["build"]));
    let record =
        debugfs(&dir.path().join("out/lab-1.img"), &format!("cat {MANIFESTS}/hcimage-overlay-shop.yaml"));
    assert!(
        record.contains("\\\"kind\\\":\\\"Deployment\\\"") && record.contains("\\\"origin\\\":\\\"image\\\""),
        "{record}"
    );

    // Nobody is called lab-1 here, or listens there.
    fail(&mut apply(&["--timeout", "1"]), 1, &["asking what the cluster has", "the cluster's API"]);
    let own = fs::read_to_string(dir.path().join("out/kubeconfig")).unwrap();
    fs::write(dir.path().join("here"), own.replace("https://lab-1.local:6443", "https://127.0.0.1:1"))
        .unwrap();
    fail(&mut apply(&["--kubeconfig", "here"]), 1, &["does not answer (connection refused)"]);
    fs::write(dir.path().join("token"), own.replace("client-key-data", "token")).unwrap();
    fail(&mut apply(&["--kubeconfig", "token"]), 2, &["token: neither `client-key` nor `client-key-data`"]);
    fail(&mut apply(&["stop"]), 2, &["switches on no overlay stop"]);
    let mut remove = hcimage(dir.path());
    fail(remove.args(["overlays", "remove", "shop", "--kubeconfig", "here"]), 1, &["does not answer"]);

    // The same name, and secrets of its own.
    let secrets = dir.path().join("cluster.secrets.toml");
    fs::rename(&secrets, dir.path().join("kept")).unwrap();
    fail(&mut apply(&["--kubeconfig", "here"]), 2, &["there is no cluster.secrets.toml", "hcimage build"]);
    succeed(&mut asked(dir.path(), &["build", "--output", "two"]));
    fail(
        &mut apply(&["--kubeconfig", "here"]),
        2,
        &["here is not the kubeconfig of the cluster lab", "cluster.secrets.toml"],
    );
}
