//! Values that no program behind an overlay could take, or that would be taken for something else: refused before they are on a card.

use std::fs;
use std::path::Path;

use super::{FOUR, ONE, load};

fn refusal(tables: &str) -> String {
    load(Path::new("/nowhere"), tables, FOUR).map(drop).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_meant_is_refused_with_the_parameter() {
    let cloud = "[overlays.nextcloud]\nhost = \"cloud.example.org\"\n";
    let press = "[overlays.wordpress]\nhost = \"blog.example.org\"\nadmin-email = \"kim@example.org\"\n";
    for (tables, words) in [
        // An empty list would be none, and for what it limits: all.
        ("[overlays.postgresql]\ndatabases = []\n".to_owned(), "`databases` is an empty list"),
        ("[overlays.cockroachdb]\ndatabases = []\n".to_owned(), "`databases` is an empty list"),
        ("[overlays.external-dns]\nprovider = \"cloudflare\"\ntoken = \"x\"\ndomains = []\n".to_owned(), "`domains` is an empty list"),
        ("[overlays.metallb]\naddresses = []\n".to_owned(), "`addresses` is an empty list"),
        // Texts go into files of lines.
        ("[overlays.mosquitto]\nuser = \"a\\nb\"\n".to_owned(), "line break"),
        ("[overlays.mosquitto]\nrules = [\"kim read a\\tb\"]\n".to_owned(), "line break"),
        ("[overlays.mosquitto]\npassword = \"a\\nb\"\n".to_owned(), "`password`: expected one line"),
        (format!("{cloud}redis-password = \"abc\\nsave 1 1\"\n"), "`redis-password`: expected one line"),
        ("[overlays.ingress-auth]\nnamespaces = [\"default\"]\nuser = \"kim\\nroot\"\n".to_owned(), "line break"),
        ("[overlays.traefik-config]\ndashboard = true\ndashboard-user = \"a:b\"\n".to_owned(), "dashboard-user must have no colon"),
        // Kubernetes expands variables.
        (format!("{press}title = \"a $(HC_ADMIN) b\"\n"), "`title`: Kubernetes would change it"),
        (format!("{press}title = \"Cash $$\"\n"), "`title`: Kubernetes would change it"),
        // Addresses of others.
        ("[overlays.kube-vip]\naddress = \"192.168.1.11\"\n".to_owned(), "192.168.1.11 belongs to node pi-1"),
        ("[overlays.kube-vip]\naddress = \"192.168.1.1\"\n".to_owned(), "belongs to the gateway"),
        ("[overlays.kube-vip]\naddress = \"192.168.1.255\"\n".to_owned(), "broadcast"),
        ("[overlays.kube-vip]\naddress = \"10.42.0.7\"\n".to_owned(), "belongs to the pods"),
        ("[overlays.metallb]\naddresses = [\"192.168.1.10-192.168.1.20\"]\n".to_owned(), "belongs to node pi-1"),
        ("[overlays.metallb]\naddresses = [\"192.168.1.0/29\"]\n".to_owned(), "belongs to "),
        ("[overlays.metallb]\naddresses = [\"hello\"]\n".to_owned(), "expected a network, or two addresses"),
        ("[overlays.metallb]\naddresses = [\"192.168.1.240\"]\n".to_owned(), "has the prefix /32"),
        ("[overlays.metallb]\naddresses = [\"192.168.1.250-192.168.1.240\"]\n".to_owned(), "its end is before its beginning"),
        (
            "[overlays.metallb]\naddresses = [\"192.168.1.240/32\", \"192.168.1.240-192.168.1.241\"]\n".to_owned(),
            "belongs to the overlay metallb already",
        ),
        ("[overlays.cilium]\naddresses = [\"192.168.1.8/29\"]\n".to_owned(), "belongs to node pi-1"),
        (
            "[overlays.kube-vip]\naddress = \"192.168.1.245\"\n[overlays.metallb]\naddresses = [\"192.168.1.240-192.168.1.250\"]\n".to_owned(),
            "belongs to the overlay kube-vip already",
        ),
        // What the programs want.
        (
            "[overlays.monitoring]\nmail-to = \"kim@example.org\"\nsmtp-server = \"mail.example.org\"\nsmtp-from = \"pi@example.org\"\n".to_owned(),
            "smtp-server: expected a host and a port",
        ),
        (
            "[overlays.monitoring]\nmail-to = \"kim@example.org\"\nsmtp-server = \"mail.example.org:99999\"\nsmtp-from = \"pi@example.org\"\n".to_owned(),
            "smtp-server: expected a host and a port",
        ),
        ("[overlays.postgresql]\ndatabases = [\"public\"]\n".to_owned(), "choose another"),
        ("[overlays.postgresql]\ndatabases = [\"wiki\", \"wiki\"]\n".to_owned(), "a name is there twice"),
        ("[overlays.mosquitto]\nrules = [\"sensor write a/#/b\"]\n".to_owned(), "at the end of a topic"),
        ("[overlays.nfs]\nserver = \"nas\"\npath = \"x\"\n".to_owned(), "expected an absolute path"),
        ("[overlays.nfs]\nserver = \"nas\"\npath = \"/x\"\nclass = \"local-path\"\n".to_owned(), "somebody else"),
        ("[overlays.dyndns]\nprovider = \"url\"\nhost = \"a.example.org\"\npassword = \"x\"\nurl = \"http://a\"\n".to_owned(), "begins with https://"),
        (
            "[overlays.external-dns]\nprovider = \"pihole\"\nserver = \"192.168.1.2\"\ndomains = [\"home.lan\"]\n".to_owned(),
            "begins with http:// or https://",
        ),
        (
            "[overlays.backup]\nrepository = \"nfs://nas:/backup\"\n".to_owned(),
            "expected nfs://host/export",
        ),
        (
            "[overlays.postgresql]\ndatabases = [\"a\", \"a-b\"]\n[overlays.backup]\nrepository = \"nfs://nas/backup\"\n\
             databases = [\"postgresql:a-b/postgresql.postgresql.svc/c/a-b/postgresql/password\", \
             \"postgresql:a/postgresql.postgresql.svc/b-c/a/postgresql/password\"]\n".to_owned(),
            "two of them would be dumped into one file, a-b-c",
        ),
    ] {
        let said = refusal(&tables);
        assert!(said.contains(words), "{tables}: expected {words:?}, found:\n{said}");
    }
}

/// The README's own way: a key of the overlay's is a secret like any other.
#[test]
fn a_secret_may_be_a_private_key_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    fs::write(dir.path().join("backup-key"), key).unwrap();
    let tables = "[overlays.backup]\nrepository = \"ssh://borg@nas.home.lan:22/./backup\"\n\
                  host-keys = [\"nas.home.lan ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFfJV3iyL2yQ6yUq1vfF0q4l9lJ2m2yyYJ8Yv0m3lGxN\"]\n\
                  ssh-key = { file = \"backup-key\" }\n";
    load(dir.path(), tables, FOUR).unwrap_or_else(|report| panic!("{report}"));
    // Only the file is told of, and not what follows from it.
    let said = load(dir.path(), &tables.replace("\"backup-key\"", "\"no-key\""), FOUR).map(drop).unwrap_err();
    assert_eq!(said.findings.len(), 1, "{said}");
    assert!(said.to_string().contains("no-key"), "{said}");
}

/// A node without a disk has nothing to do with data of others.
#[test]
fn data_is_on_the_nodes_that_are_named_alone() {
    let nodes = FOUR.replace("name = \"pi-2\"", "name = \"pi-2\"\ndata-disk = false");
    for tables in [
        "[overlays.backup]\nrepository = \"nfs://nas/backup\"\nnodes = [\"pi-1\"]\n",
        "[overlays.backup]\nrepository = \"nfs://nas/backup\"\n",
        "[overlays.object-store]\nbuckets = [\"photos\"]\nnodes = [\"pi-1\", \"pi-3\"]\n",
    ] {
        let checked =
            load(Path::new("/nowhere"), tables, &nodes).unwrap_or_else(|report| panic!("{tables}{report}"));
        let dirs = |name: &str| {
            let node = checked.cluster.nodes.iter().find(|node| node.name.as_str() == name).unwrap();
            node.data_disk.as_ref().map_or(0, |disk| disk.dirs.len())
        };
        assert!(dirs("pi-1") > 0 && dirs("pi-4") == 0, "{tables}");
    }
    let on_it = "[overlays.object-store]\nbuckets = [\"photos\"]\nnodes = [\"pi-2\"]\n";
    let said = load(Path::new("/nowhere"), on_it, &nodes).map(drop).unwrap_err().to_string();
    assert!(said.contains("on pi-2, which has `data-disk = false`"), "{said}");
}

#[test]
fn one_folder_has_one_owner() {
    let cloud = "[overlays.nextcloud]\nhost = \"cloud.example.org\"\n";
    let both = format!("{cloud}[overlays.local-path]\ndirectory = \"nextcloud\"\n");
    let said = refusal(&both);
    assert!(said.contains("its folder nextcloud is that of the overlay"), "{said}");
    let own = format!("{cloud}[data-disk]\nfolders = [{{ path = \"nextcloud\", uid = 5 }}]\n");
    let checked = load(Path::new("/nowhere"), &own, ONE).unwrap_or_else(|report| panic!("{report}"));
    assert!(
        checked.warnings.to_string().contains("gives its folder nextcloud another owner or mode than 33:33"),
        "{}",
        checked.warnings
    );
}
