//! Folders of the user's that overlays put onto nodes, and what overlays share: as the cluster file, definitions and templates have them.

use std::fs;

use hcimage::cluster::Checked;

use super::{FOUR, ONE, load};

const DEFINITION: &str = "about = \"A shop\"\n[parameters.site]\ntype = \"folder\"\nhelp = \"Its pages.\"\nexample = \"pages\"\n\
     [parameters.more]\ntype = \"folder\"\nhelp = \"Its pictures.\"\noptional = true\n\
     [parameters.node]\ntype = \"node\"\nhelp = \"Where.\"\noptional = true\n\
     [[folders]]\nfrom = \"site\"\npath = \"{{ 'www' }}/pages\"\nnode = \"{{ node }}\"\n\
     [[folders]]\nfrom = \"more\"\npath = \"pictures\"\n";
const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  files: {{ site.files | join(' ') }}\n  \
     folders: {{ site.folders | join(' ') }}\n  none: {{ more.files | length ~ '' }}\n  place: {{ overlay.folders ~ '/www' }}\n";

/// The overlay `shop` beside a cluster file with folders of the user's.
fn shop(definition: &str, manifest: &str, tables: &str, nodes: &str) -> Result<Checked, String> {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("shop/overlay.toml", definition),
        ("shop/manifests/a.yaml", manifest),
        ("pages/index.html", "<h1>shop</h1>"),
        ("pages/css/a.css", "p {}"),
        ("pages/.git/config", "secret"),
        ("pictures/a.jpg", "12345"),
        ("empty/.hidden", ""),
    ] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink("pages", dir.path().join("link")).unwrap();
    load(dir.path(), tables, nodes).map_err(|report| report.to_string())
}

#[test]
fn a_folder_is_looked_at_and_goes_to_its_place_on_the_nodes_that_are_meant() {
    let tables = "[overlays.shop]\nsite = \"pages\"\nmore = \"pictures\"\nnode = \"pi-3\"\n";
    let checked = shop(DEFINITION, MANIFEST, tables, FOUR).unwrap();
    let active = &checked.cluster.overlays[0];
    let folders: Vec<(String, Option<String>, Vec<String>)> = active
        .needs
        .folders
        .iter()
        .map(|folder| {
            let files =
                folder.folder.files().iter().map(|file| format!("{} {}", file.name, file.size)).collect();
            (folder.path.clone(), folder.node.as_ref().map(ToString::to_string), files)
        })
        .collect();
    let place = "/var/lib/hcimage/overlays/shop";
    assert_eq!(
        folders,
        [
            (
                format!("{place}/www/pages"),
                Some("pi-3".to_owned()),
                vec!["css/a.css 4".to_owned(), "index.html 13".to_owned()]
            ),
            (format!("{place}/pictures"), None, vec!["a.jpg 5".to_owned()]),
        ]
    );
    let text = &active.shown.files[0].text;
    for words in
        ["files: \"index.html\"", "folders: \"css\"", "none: \"1\"", &format!("place: \"{place}/www\"")]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    // One that is optional, and that nobody has named, goes nowhere.
    let checked = shop(DEFINITION, MANIFEST, "[overlays.shop]\nsite = \"pages\"\n", ONE).unwrap();
    assert_eq!(checked.cluster.overlays[0].needs.folders.len(), 1);
    assert!(checked.cluster.overlays[0].shown.files[0].text.contains("none: \"0\""));
}

#[test]
fn a_folder_that_cannot_be_used_is_told_with_line_and_column() {
    for (site, words) in [
        ("\"none\"", vec!["4:8", "cannot use the folder none", "relative to the cluster file"]),
        ("\"pages/index.html\"", vec!["4:8", "is no folder"]),
        ("\"link\"", vec!["4:8", "is a link: name the folder that it leads to"]),
        ("\"empty\"", vec!["4:8", "there is no file in it"]),
        ("\"/proc/self/fd\"", vec!["4:8", "cannot use the folder"]),
        ("\"\"", vec!["4:8", "empty"]),
        ("[\"pages\"]", vec!["4:8", "expected text"]),
        ("\"~/pages\"", vec!["4:8", "which only a shell expands"]),
    ] {
        let said = shop(DEFINITION, MANIFEST, &format!("[overlays.shop]\nsite = {site}\n"), ONE).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{site}: {word}: {said}");
        }
    }
    let said = shop(DEFINITION, MANIFEST, "[overlays.shop]\n", ONE).unwrap_err();
    assert!(said.contains("missing `site`") && said.contains("site = \"pages\""), "{said}");
}

/// An overlay of a stranger's must not choose which files of a machine go into an image.
#[test]
fn an_overlay_names_a_parameter_and_never_a_path_of_the_machine() {
    for (definition, words) in [
        (
            DEFINITION.replace("from = \"site\"", "from = \"/home\""),
            "from = \"/home\": expected the name of a parameter",
        ),
        (DEFINITION.replace("from = \"site\"", "from = \"node\""), "expected the name of a parameter"),
        (DEFINITION.replace("from = \"site\"", "from = \"{{ site }}\""), "expected the name of a parameter"),
        (DEFINITION.replace("example = \"pages\"", "default = \"pages\""), "a folder has no default"),
        (DEFINITION.replace("{{ 'www' }}/pages", "/etc/shop"), "expected a path such as site"),
        (DEFINITION.replace("{{ 'www' }}/pages", "../other"), "expected a path such as site"),
        (DEFINITION.replace("{{ 'www' }}/pages", "a//b"), "expected a path such as site"),
        (DEFINITION.replace("{{ 'www' }}/pages", ""), "expected a path such as site"),
        (DEFINITION.replace("{{ 'www' }}/pages", "pictures"), "where another folder goes"),
        (DEFINITION.replace("{{ 'www' }}/pages", "pictures/www"), "where another folder goes"),
        (DEFINITION.replace("node = \"{{ node }}\"", "node = \"no node\""), "folder"),
        (DEFINITION.replace("[[folders]]\nfrom", "[[folders]]\nmode = \"0777\"\nfrom"), "mode"),
    ] {
        let tables = "[overlays.shop]\nsite = \"pages\"\nmore = \"pictures\"\n";
        let said = shop(&definition, MANIFEST, tables, ONE).unwrap_err();
        assert!(said.contains(words) && said.contains("shop/overlay.toml"), "{words}: {said}");
    }
    let next_to = DEFINITION.replace("{{ 'www' }}/pages", "pictures2");
    let tables = "[overlays.shop]\nsite = \"pages\"\nmore = \"pictures\"\n";
    assert!(shop(&next_to, MANIFEST, tables, ONE).is_ok());
}

#[test]
fn what_overlays_share_wants_all_its_arguments_and_escapes_them() {
    let definition = "about = \"A shop\"\n[parameters.name]\ntype = \"lines\"\nhelp = \"x\"\n\
         [[images]]\nname = \"docker.io/library/mariadb:11.8.8\"\n\
         [[directories]]\npath = \"db\"\nuid = 999\ngid = 999\nmode = \"0750\"\n";
    let base = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: db, \
         namespace: shop}\nstringData: {password: x, root-password: z}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: shop, namespace: shop, \
         labels: {app.kubernetes.io/name: shop}}\nspec: {}\n---\n";
    let call = |arguments: &str| format!("{base}{{{{ shared(\"mariadb.yaml\", {arguments}) }}}}\n");
    let all = "namespace=\"shop\", name=name, client=\"shop\", node=cluster.first_server, data=cluster.data ~ \"/db\"";
    let name = "a: b\\n---\\nkind: Evil";
    let tables = format!("[overlays.shop]\nname = \"{name}\"\n");
    let checked = shop(definition, &call(all), &tables, ONE).unwrap();
    let text = &checked.cluster.overlays[0].shown.files[0].text;
    let evil = text.lines().filter(|line| line.starts_with("kind: Evil"));
    assert_eq!(evil.count(), 0, "{text}");
    let objects = checked.cluster.overlays[0].documents().count();
    assert_eq!(objects, 6, "{text}");
    for (manifest, words) in [
        (call(&all.replace("client=\"shop\", ", "")), vec!["shared mariadb.yaml", "client"]),
        (call("secret"), vec!["manifests/a.yaml"]),
        (
            format!("{base}{{{{ shared(\"../mariadb.yaml\") }}}}\n"),
            vec!["there is no shared ../mariadb.yaml"],
        ),
    ] {
        let said = shop(definition, &manifest, &tables, ONE).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }
}
