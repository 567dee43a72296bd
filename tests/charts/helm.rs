//! Helm 4 as judge: what it packs, lists and pushes is taken, what is packed here it takes, and it means the same by versions.
//! `make helm-test` builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage::charts::{ChartPlace, Repository};
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::desk::Desk;
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::publisher::Publisher;
use hcimage_testkit::registry::Registry;
use hcimage_testkit::tools::run;

use crate::chart;

fn program() -> PathBuf {
    PathBuf::from(std::env::var_os("HCIMAGE_HELM").expect("HCIMAGE_HELM is not set: run make helm-test"))
}

/// Helm, with nothing of the user's.
fn helm(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.current_dir(dir).args(arguments);
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(name, dir.join("helm"));
    }
    command
}

/// A chart as `helm create` makes it, and as `helm package` packs it.
fn created(desk: &Desk) -> (PathBuf, PathBuf) {
    let dir = desk.dir.path();
    run(&mut helm(dir, &["create", "shop"]));
    run(&mut helm(dir, &["package", "shop", "--version", "1.2.0+up1", "--destination", "packages"]));
    (desk.path("shop"), desk.path("packages/shop-1.2.0+up1.tgz"))
}

#[test]
#[ignore = "needs Helm: make helm-test"]
fn what_helm_packs_lists_and_pushes_is_taken() {
    let desk = Desk::new();
    let (_, package) = created(&desk);
    let bytes = std::fs::read(&package).unwrap();
    let local = chart(&desk, &ChartPlace::Local(package)).unwrap();
    assert_eq!((local.name.as_str(), local.version.as_str()), ("shop", "1.2.0+up1"));

    let server = Publisher::start();
    run(&mut helm(desk.dir.path(), &["repo", "index", "packages"]));
    server.file("/charts/index.yaml", std::fs::read(desk.path("packages/index.yaml")).unwrap());
    server.file("/charts/shop-1.2.0+up1.tgz", bytes);
    let version = "1.2.0+up1".parse().unwrap();
    let (url, name) = (server.url("/charts"), "shop".to_owned());
    let place = Repository { url, chart: name, version, credentials: None, ca: None };
    let of_repository = chart(&Desk::new(), &ChartPlace::Repository(place)).unwrap();
    assert_eq!(of_repository.archive.sha256, local.archive.sha256);

    let registry = Registry::start(&desk.path("registry"), "", "");
    let address = format!("oci://127.0.0.1:{}/charts", registry.port);
    run(&mut helm(desk.dir.path(), &["push", "--plain-http", "packages/shop-1.2.0+up1.tgz", &address]));
    let name = format!("127.0.0.1:{}/charts/shop:1.2.0_up1", registry.port);
    let place = ChartPlace::Registry { name: name.parse().unwrap(), version: "1.2.0+up1".parse().unwrap() };
    assert_eq!(chart(&Desk::new(), &place).unwrap().archive.sha256, local.archive.sha256);
}

#[test]
#[ignore = "needs Helm: make helm-test"]
fn helm_takes_what_is_packed_here() {
    let desk = Desk::new();
    let (folder, package) = created(&desk);
    let ours = chart(&desk, &ChartPlace::Local(folder)).unwrap().archive.path;
    let render = |path: &Path| {
        let path = path.to_str().unwrap();
        run(&mut helm(desk.dir.path(), &["template", "web", path, "--set", "ingress.enabled=true"]))
    };
    // But for the version, which `helm package` was told.
    assert_eq!(render(&ours).replace("0.1.0", "V"), render(&package).replace("1.2.0_up1", "V"));
    run(&mut helm(desk.dir.path(), &["lint", "--strict", ours.to_str().unwrap()]));
}

#[test]
#[ignore = "needs Helm: make helm-test"]
fn a_version_of_kubernetes_is_refused_where_helm_refuses_it() {
    let desk = Desk::new();
    let mut refusals = 0;
    for constraint in [
        ">=1.25.0-0",
        ">= 1.25.0-0",
        ">=1.36.2-0",
        ">=1.36.3",
        ">1.36.2",
        ">1.36",
        ">1.35",
        "<1.36",
        "<1.36.2",
        "<1.36.3",
        "<=1.36",
        "<=1.36.1",
        "<=1.35",
        "1.36",
        "1.36.x",
        "1.x",
        "*",
        "1.35",
        "=1.36.2",
        "!=1.36.2",
        "!=1.36",
        "!=1.35",
        "^1.30",
        "^1.36.3",
        "^1",
        "^2",
        "~1.36",
        "~1.36.3",
        "~1.35",
        "~1",
        ">=1.19 <1.36",
        ">=1.19, <1.37",
        ">= 1.19 , < 1.37",
        "1.30 - 1.36",
        "1.30 - 1.35",
        "1.30 - 1.36.1",
        "<1.20 || >=1.36",
        "<1.20 || >=1.40",
        "v1.36.2",
        ">=v1.37",
        "=>1.36",
        "=<1.35",
    ] {
        let text = format!("apiVersion: v2\nname: shop\nversion: 1.2.0\nkubeVersion: '{constraint}'\n");
        let folder = desk.write("k/Chart.yaml", text).parent().unwrap().to_owned();
        desk.write("k/templates/a.yaml", "kind: ConfigMap\n");
        let mut asked = helm(desk.dir.path(), &["template", "web", "k", "--kube-version", "v1.36.2"]);
        let takes = asked.output().unwrap().status.success();
        let found = chart(&desk, &ChartPlace::Local(folder)).unwrap();
        assert_eq!(found.wants_other(&"v1.36.2+k3s1".parse().unwrap()), !takes, "{constraint}");
        refusals += usize::from(!takes);
    }
    assert!(refusals > 10, "{refusals}");
}

#[test]
#[ignore = "needs Helm: make helm-test"]
fn the_images_of_a_chart_are_found_with_its_values() {
    let desk = Desk::new();
    created(&desk);
    desk.write("values.yaml", "image: {repository: registry.example/shop, tag: one}\n");
    desk.write("secrets.yaml", "image: {tag: two}\n");
    let text = format!(
        "schema = 1\nname = \"lab\"\n\n[[charts]]\nname = \"web\"\npath = \"shop\"\nvalues = \"values.yaml\"\nsecret-values = \
         \"secrets.yaml\"\n\n[boards.cm4]\nbase = {:?}\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\naddress = \
         \"dhcp\"\n",
        base("debian-pi-arm64")
    );
    desk.write("cluster.toml", text);
    let mut command = hcimage(desk.dir.path());
    command.arg("images").arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    assert!(succeed(&mut command).contains("not looked at: chart web"));
    let path = format!("{}:{}", program().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = command.arg("--check").env("PATH", path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("chart web: Deployment web-shop, container shop: registry.example/shop:two is not on"),
        "{said}"
    );
    // The test pod of `helm create` counts, too.
    assert!(said.contains("busybox:latest has no fixed version"), "{said}");
    // A chart that Helm cannot render is an error, with what Helm says.
    desk.write("shop/templates/refuses.yaml", "{{ fail \"these values are not enough\" }}\n");
    let refused = command.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(4) && said.contains("these values are not enough"), "{said}");
}
