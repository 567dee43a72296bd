//! Helm charts of the cluster file, from a user's files to the plan of each node, and what Helm says of their images.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hcimage::source::digest::Sha256Digest;
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::tools::{debugfs, run};

use crate::lock::World;

/// A project with a chart in a folder, and two nodes.
fn project(dir: &Path, more: &str) {
    let chart = dir.join("charts/web");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: web\nversion: 1.2.0\nkubeVersion: '>=1.30.0-0'\n",
    )
    .unwrap();
    fs::write(chart.join("templates/config.yaml"), "kind: ConfigMap\n").unwrap();
    fs::write(dir.join("values.yaml"), "title: A shop\n").unwrap();
    fs::write(dir.join("secrets.yaml"), "password: streng-geheim\n").unwrap();
    let text = format!(
        "schema = 1\nname = \"lab\"\n\n[[charts]]\nname = \"web\"\npath = \"charts/web\"\nnamespace = \"shop\"\nvalues = \
         \"values.yaml\"\nsecret-values = \"secrets.yaml\"\n{more}\n[boards.cm4]\nbase = {:?}\n\n[network]\nsubnet = \
         \"192.168.1.0/24\"\ngateway = \"192.168.1.1\"\ndns = [\"192.168.1.1\"]\n\n[[nodes]]\nname = \"lab-1\"\nrole = \
         \"server\"\nboard = \"cm4\"\naddress = \"192.168.1.11\"\n\n[[nodes]]\nname = \"lab-2\"\nrole = \"agent\"\nboard = \
         \"cm4\"\naddress = \"192.168.1.12\"\n",
        base("debian-pi-arm64")
    );
    fs::write(dir.join("cluster.toml"), text).unwrap();
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = hcimage(dir);
    command.args(arguments).arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    command
}

#[test]
fn a_chart_lies_on_servers_and_is_installed_by_the_first_one() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), "");
    let said = succeed(&mut command(dir.path(), &["plan", "--only", "lab-1"]));
    assert!(said.contains("/var/lib/rancher/k3s/server/static/charts/web-"), "{said}");
    assert!(said.contains("/server/manifests/chart-web.yaml  create (secret, not shown)"), "{said}");
    assert!(!said.contains("streng-geheim"), "{said}");
    let said = succeed(&mut command(dir.path(), &["plan", "--only", "lab-2"]));
    assert!(!said.contains("charts") && !said.contains("chart-web"), "an agent needs none: {said}");

    succeed(&mut command(dir.path(), &["build", "--output", "out"]));
    let image = dir.path().join("out/lab-1.img");
    let read = |path: &str| debugfs(&image, &format!("cat {path}"));
    let object = read("/var/lib/rancher/k3s/server/manifests/chart-web.yaml");
    let chart = object.lines().find_map(|line| line.trim().strip_prefix("chart: ")).unwrap();
    let file = chart.strip_prefix("https://%{KUBERNETES_API}%/static/").unwrap();
    let copy = dir.path().join("copy.tgz");
    debugfs(&image, &format!("dump /var/lib/rancher/k3s/server/static/{file} {}", copy.display()));
    let listed = Command::new("tar").arg("-tzf").arg(&copy).output().unwrap().stdout;
    assert_eq!(String::from_utf8(listed).unwrap(), "web/Chart.yaml\nweb/templates/config.yaml\n");
    let secret = debugfs(&image, "stat /var/lib/rancher/k3s/server/manifests/chart-web.yaml");
    assert!(object.contains("streng-geheim") && secret.contains("Mode:  0600"), "{secret}");
}

#[test]
fn what_k3s_would_not_install_is_refused_when_planning() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), "failure-policy = \"retry\"\n");
    let mut with = command(dir.path(), &["plan"]);
    fail(&mut with, 2, &["chart web", "does not know the failure policy retry", "abort"]);
    project(dir.path(), "");
    let chart = dir.path().join("charts/web/Chart.yaml");
    fs::write(&chart, "apiVersion: v2\nname: web\nversion: 1.2.0\nkubeVersion: '>=1.90'\n").unwrap();
    fail(
        &mut command(dir.path(), &["plan"]),
        2,
        &["chart web", "web 1.2.0 wants Kubernetes >=1.90", "v1.36"],
    );
    fs::write(&chart, "apiVersion: v2\nname: web\nversion: 1.2.0\ndependencies: [{name: db}]\n").unwrap();
    fail(&mut command(dir.path(), &["plan"]), 4, &["chart web", "db; run `helm dependency update`"]);
}

/// A stand-in for Helm: it prints one object, whose image is the argument, and what it was asked.
fn stand_in_for_helm(dir: &Path, image: &str) -> String {
    let bin = dir.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\n# A stand-in for helm.\n\
         case \"$*\" in *--values*values-0.yaml*--values*values-1.yaml*) ;; *) echo \"stand-in for helm: $*\" >&2; exit 1;; esac\n\
         [ \"$1 $2\" = 'template web' ] && [ -f \"$3\" ] || exit 1\n\
         cat <<END\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{template: {{spec: {{containers: \
         [{{name: web, image: {image:?}}}]}}}}}}\nEND\n"
    );
    let program = bin.join("helm");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn the_images_that_a_chart_asks_for_are_compared_as_helm_renders_it() {
    let dir = tempfile::tempdir().unwrap();
    project(dir.path(), "");
    let said = succeed(&mut command(dir.path(), &["images"]));
    assert!(said.contains("not looked at: chart web") && said.contains("with k3s"), "{said}");
    let of_k3s = said.lines().find(|line| line.contains("with k3s")).unwrap();
    let name = of_k3s.split("  ").next().unwrap().to_owned();

    let path = stand_in_for_helm(dir.path(), &name);
    let said = succeed(command(dir.path(), &["images", "--check"]).env("PATH", &path));
    assert!(!said.contains("would be pulled") && !said.contains("not looked at"), "{said}");
    let path = stand_in_for_helm(dir.path(), "registry.example/web:1");
    let words = ["chart web: Deployment web, container web: registry.example/web:1 is not on the nodes"];
    let said = fail_with_output(command(dir.path(), &["images", "--check"]).env("PATH", &path), 2);
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    let nowhere = dir.path().join("empty");
    fs::create_dir(&nowhere).unwrap();
    fail(command(dir.path(), &["images", "--check"]).env("PATH", nowhere), 4, &["chart web", "install helm"]);
}

/// What a command that fails prints on stdout.
fn fail_with_output(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A packed chart, by tar.
fn packed(dir: &Path) -> Vec<u8> {
    run(Command::new("tar").current_dir(dir.join("charts")).args(["-czf", "web-1.2.0.tgz", "web"]));
    fs::read(dir.join("charts/web-1.2.0.tgz")).unwrap()
}

#[test]
fn a_chart_of_a_repository_is_locked_carried_and_renewed() {
    let world = World::new();
    let dir = world.dir.path();
    project(dir, "");
    let bytes = packed(dir);
    let index = |bytes: &[u8]| {
        let digest = Sha256Digest::of(bytes);
        format!(
            "entries:\n  web:\n  - version: 1.2.0\n    digest: {digest}\n    urls:\n    - web-1.2.0.tgz\n"
        )
    };
    let publish = |bytes: &[u8]| {
        world.server.file("/charts/index.yaml", index(bytes));
        world.server.file("/charts/web-1.2.0.tgz", bytes);
    };
    publish(&bytes);
    let file = dir.join("cluster.toml");
    let text = fs::read_to_string(&file).unwrap();
    let repo = format!("repo = \"{}\"\nversion = \"1.2.0\"", world.server.url("/charts"));
    fs::write(&file, text.replace("path = \"charts/web\"", &repo)).unwrap();

    fail(&mut world.command(&["plan", "--locked"]), 1, &["--locked"]);
    succeed(&mut world.command(&["plan", "--only", "lab-1"]));
    let entry = || {
        let lock = fs::read_to_string(dir.join("hcimage.lock")).unwrap();
        lock.split("[[input]]").find(|entry| entry.contains("chart.web:1.2.0")).map(str::to_owned)
    };
    let first = entry().expect("the chart is locked");
    succeed(&mut world.command(&["vendor", "--output", "bundle.tar"]));
    fs::remove_dir_all(dir.join("cache")).unwrap();
    world.server.take_requests();
    fail(&mut world.command(&["plan", "--offline"]), 1, &["--offline"]);
    succeed(&mut world.command(&["build", "--bundle", "bundle.tar", "--offline", "--locked"]));
    assert_eq!(world.server.take_paths(), [""; 0]);

    // Pushed anew under its version: only `update` takes it.
    fs::write(dir.join("charts/web/templates/config.yaml"), "kind: Secret\n").unwrap();
    publish(&packed(dir));
    succeed(&mut world.command(&["plan", "--only", "lab-1"]));
    assert_eq!(entry().as_ref(), Some(&first));
    let said = succeed(&mut world.command(&["update", "chart"]));
    assert!(said.contains("chart.web:1.2.0"), "{said}");
    assert_ne!(entry().as_ref(), Some(&first));
}
