//! Packed charts and folders of this machine.

use std::fs;
use std::process::Command;

use hcimage::charts::ChartPlace;
use hcimage_testkit::desk::Desk;
use hcimage_testkit::tools::run;

use crate::{chart, packed, refused};

#[test]
fn an_archive_goes_onto_the_node_as_it_is() {
    let desk = Desk::new();
    let path = desk.write("web-1.2.0.tgz", packed("shop", "1.2.0", "a: 1\n"));
    let found = chart(&desk, &ChartPlace::Local(path.clone())).unwrap();
    assert_eq!((found.name.as_str(), found.version.as_str()), ("shop", "1.2.0"));
    assert_eq!(found.archive.path, path);
    let start = &found.archive.sha256.to_string()[..12];
    assert_eq!(found.archive.name, format!("web-{start}.tgz"));
    assert!(!desk.path("hcimage.lock").exists(), "what is here is not locked");
}

fn folder(desk: &Desk, name: &str) -> ChartPlace {
    desk.write(&format!("{name}/Chart.yaml"), "apiVersion: v2\nname: shop\nversion: 1.2.0\n");
    desk.write(&format!("{name}/templates/deep/a.yaml"), "kind: ConfigMap\n");
    desk.write(&format!("{name}/templates/b.yaml"), "kind: Secret\n");
    desk.write(&format!("{name}/.git/config"), "not for the node");
    ChartPlace::Local(desk.path(name))
}

#[test]
fn a_folder_is_packed_the_same_wherever_it_lies() {
    let (one, other) = (Desk::new(), Desk::new());
    let first = chart(&one, &folder(&one, "a")).unwrap();
    let place = folder(&other, "z/b");
    run(Command::new("touch").args(["-d", "2001-01-01"]).arg(other.path("z/b/Chart.yaml")));
    run(Command::new("chmod").args(["600"]).arg(other.path("z/b/templates/b.yaml")));
    let second = chart(&other, &place).unwrap();
    assert_eq!(first.archive.sha256, second.archive.sha256);
    assert_eq!((first.name.as_str(), first.version.as_str()), ("shop", "1.2.0"));
    let listed = run(Command::new("tar").arg("-tzf").arg(&first.archive.path));
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        ["web/Chart.yaml", "web/templates/b.yaml", "web/templates/deep/a.yaml"]
    );
    other.write("z/b/templates/b.yaml", "kind: Service\n");
    assert_ne!(chart(&other, &place).unwrap().archive.name, first.archive.name);
}

#[test]
fn what_is_no_chart_is_refused_with_its_place() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    let linked = folder(&desk, "linked");
    std::os::unix::fs::symlink("/etc/passwd", desk.path("linked/templates/c.yaml")).unwrap();
    let text = desk.write("page.tgz", "<html>");
    for (place, said) in [
        (ChartPlace::Local(desk.path("empty")), "no Chart.yaml"),
        (linked, "c.yaml: neither a file nor a folder"),
        (ChartPlace::Local(text), "expected what `helm package` writes"),
        (ChartPlace::Local(desk.path("none.tgz")), "none.tgz"),
        (ChartPlace::Local("/dev/zero".into()), "/dev/zero"),
    ] {
        let error = refused(&desk, &place);
        assert!(error.contains(said) && error.contains("chart web"), "{error}");
    }
}
