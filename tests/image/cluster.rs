//! Images of a cluster: what is on which card, and what is nowhere.

use super::*;

use std::collections::BTreeMap;

use hcimage_testkit::external_tool::Outcome;
use hcimage_testkit::hcimage::{names, succeed_loudly};

/// One server and two agents on a Pi, one of them with labels and a taint.
const CLUSTER: &str = "\
schema = 1
name = \"lab\"
api = \"lab.home.lan\"
manifests = [\"shop.yaml\"]

[k3s]
disable = [\"traefik\"]

[network]
subnet = \"192.168.7.0/24\"
gateway = \"192.168.7.1\"
dns = [\"192.168.7.1\"]
domain = \"home.lan\"

[[nodes]]
name = \"lab-1\"
role = \"server\"
board = \"cm4\"
address = \"192.168.7.11\"

[[nodes]]
name = \"lab-2\"
role = \"agent\"
board = \"cm4\"
address = \"192.168.7.12\"
labels = { disk = \"ssd\" }
taints = [\"dedicated=storage:NoSchedule\"]

[[nodes]]
name = \"lab-3\"
role = \"agent\"
board = \"cm4\"
address = \"192.168.7.13\"

[registries.configs.\"registry.home.lan\"]
auth = { username = \"pull\", password = \"very-secret-password\" }
";

const NODES: [&str; 3] = ["lab-1", "lab-2", "lab-3"];

struct Lab {
    dir: TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory for the test");
        fs::write(dir.path().join("cluster.toml"), CLUSTER).unwrap();
        fs::write(dir.path().join("shop.yaml"), MANIFEST).unwrap();
        Self { dir }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = hcimage(self.dir.path());
        command.arg(name).arg("--base").arg(base("pi-os-bookworm-like"));
        command.arg("--k3s").arg(k3s_release().join(K3S_VERSION));
        command
    }

    fn image(&self, node: &str) -> PathBuf {
        self.dir.path().join("out").join(format!("{node}.img"))
    }

    fn read(&self, node: &str, path: &str) -> String {
        let dumped = self.dir.path().join("dumped");
        let said = debugfs(&self.image(node), &format!("dump {path} {}", dumped.display()));
        assert!(!said.contains("not found"), "{said}");
        fs::read_to_string(dumped).unwrap()
    }

    /// The secrets in the secrets file: everything in it that is long enough to be one.
    fn secrets(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("cluster.secrets.toml")).unwrap();
        let mut certificate = false;
        let mut secrets = vec!["very-secret-password".to_owned()];
        for line in text.lines() {
            // Certificates are public.
            certificate =
                (certificate || line.contains("BEGIN CERTIFICATE")) && !line.contains("END CERTIFICATE");
            let value = line.split_once(" = ").map_or(line, |(_, value)| value).trim_matches('"');
            let is_word = value.len() >= 32 && !value.contains(' ');
            if is_word && !certificate && !value.contains("CERTIFICATE") {
                secrets.push(value.to_owned());
            }
        }
        assert!(secrets.len() > 20, "the secrets file was not understood");
        secrets
    }

    fn has_no_secret(&self, what: &str, text: &str) {
        for secret in self.secrets() {
            assert!(!text.contains(&secret), "a secret is in {what}");
        }
    }
}

#[test]
fn a_cluster_file_becomes_a_card_for_each_node() {
    let lab = Lab::new();
    let mut command = lab.command("build");
    let Outcome { stdout, stderr, .. } = succeed_loudly(&mut command);
    assert!(stdout.contains("lab-1") && !stderr.is_empty(), "{stdout}{stderr}");
    lab.has_no_secret("the results", &stdout);
    lab.has_no_secret("the progress", &stderr);
    for node in NODES {
        check(&lab.image(node), lab.dir.path());
        let hostname = lab.read(node, "/etc/hostname");
        assert_eq!(hostname.trim(), node);
    }
    authorities_are_on_the_first_server_only(&lab);
    agents_hold_an_agents_token(&lab);
    for node in NODES {
        let manifest = fs::read_to_string(lab.image(node).with_extension("img.manifest.json")).unwrap();
        lab.has_no_secret("a manifest", &manifest);
        let boot = boot_tree(&lab.image(node), lab.dir.path());
        let texts = boot.keys().filter(|name| name.ends_with(".txt") || name.ends_with(".toml"));
        let texts: Vec<&String> = texts.collect();
        assert!(texts.iter().any(|name| *name == "hcimage.toml"), "{texts:?}");
        for name in texts {
            lab.has_no_secret(name, &String::from_utf8_lossy(&mtype(&lab.image(node), name)));
        }
    }
    kubeconfig_is_the_owners(&lab);
    a_rebuild_gives_the_same_bytes(&lab);
}

fn authorities_are_on_the_first_server_only(lab: &Lab) {
    let trees: BTreeMap<&str, _> = NODES.iter().map(|node| (*node, root_tree(&lab.image(node)))).collect();
    let server = &trees["lab-1"];
    for name in ["server-ca", "client-ca", "request-header-ca", "etcd/peer-ca", "etcd/server-ca"] {
        let key = &server[&format!("/var/lib/rancher/k3s/server/tls/{name}.key")];
        assert_eq!((key.mode, key.uid), (0o600, 0), "{name}");
    }
    assert_eq!(server["/var/lib/rancher/k3s/server/tls"].mode, 0o700);
    for agent in ["lab-2", "lab-3"] {
        let forbidden =
            |path: &&String| path.starts_with("/var/lib/rancher/k3s/server") || path.contains("agent-token");
        assert_eq!(trees[agent].keys().find(forbidden), None, "{agent}");
    }
}

fn agents_hold_an_agents_token(lab: &Lab) {
    let server = lab.read("lab-1", "/etc/rancher/k3s/token");
    assert!(server.starts_with("K10") && server.contains("::server:"), "a pinned server token is expected");
    let passwords = NODES.map(|node| lab.read(node, "/etc/rancher/node/password"));
    assert!(passwords[0] != passwords[1] && passwords[1] != passwords[2]);
    for agent in ["lab-2", "lab-3"] {
        let token = lab.read(agent, "/etc/rancher/k3s/token");
        assert!(token.starts_with("K10") && token.contains("::node:"), "a pinned agent token is expected");
        let password = server.rsplit(':').next().unwrap().trim();
        for path in ["/etc/rancher/k3s/token", "/etc/rancher/k3s/config.yaml", "/etc/hcimage/seed.toml"] {
            assert!(!lab.read(agent, path).contains(password), "the server token is in {path}");
        }
        let config = lab.read(agent, "/etc/rancher/k3s/config.yaml");
        assert!(config.contains("server: \"https://192.168.7.11:6443\""), "{config}");
        assert!(!config.contains("disable") && !config.contains("tls-san"), "{config}");
    }
    assert!(lab.read("lab-2", "/etc/rancher/k3s/config.yaml").contains("dedicated=storage:NoSchedule"));
    let config = lab.read("lab-1", "/etc/rancher/k3s/config.yaml");
    assert!(config.contains("lab.home.lan") && config.contains("\"traefik\""), "{config}");
}

fn kubeconfig_is_the_owners(lab: &Lab) {
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["out/kubeconfig", "cluster.secrets.toml"] {
        let mode = fs::metadata(lab.dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let text = fs::read_to_string(lab.dir.path().join("out/kubeconfig")).unwrap();
    assert!(text.contains("https://lab.home.lan:6443"), "the fixed name of the API is expected");
}

fn a_rebuild_gives_the_same_bytes(lab: &Lab) {
    let digests = || NODES.map(|node| hex(&fs::read(lab.image(node)).unwrap()));
    let before = digests();
    succeed(lab.command("build").arg("--overwrite"));
    assert_eq!(digests(), before);
}

/// What cannot be built leaves nothing: no image, no directory, and no secrets of a cluster that was never there.
#[test]
fn a_cluster_that_cannot_be_built_leaves_nothing() {
    let lab = Lab::new();
    let file = lab.dir.path().join("cluster.toml");
    fs::write(&file, format!("{CLUSTER}\n[overlays.nextcloud]\n")).unwrap();
    fail(&mut lab.command("build"), 2, &["missing `host` in [overlays.nextcloud]"]);
    fs::write(&file, CLUSTER.replace("address = \"192.168.7.13\"", "adress = \"192.168.7.13\"")).unwrap();
    fail(&mut lab.command("build"), 2, &["did you mean `address`?"]);
    assert_eq!(names(lab.dir.path()), ["cluster.toml", "shop.yaml"]);
}

/// Neither an image nor a secret: a plan is only looked at.
#[test]
fn a_plan_shows_all_and_writes_nothing() {
    let lab = Lab::new();
    let said = succeed(&mut lab.command("plan"));
    for words in [
        "node lab-2, agent, for cm4",
        "  -raspberrypi\n  +lab-2\n",
        "/etc/rancher/k3s/token  create (secret, not shown)",
        "  +server: \"https://192.168.7.11:6443\"",
        "/etc/rancher/k3s/registries.yaml  create (secret, not shown)",
    ] {
        assert!(said.contains(words), "{words:?} is missing in\n{said}");
    }
    assert!(!said.contains("very-secret") && !said.contains('\u{1b}'), "{said}");
    let json = succeed(lab.command("plan").args(["--json", "--only", "lab-3"]));
    assert!(!json.contains("very-secret"), "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    let changes = json["nodes"][0]["changes"].as_array().unwrap();
    assert!(json["nodes"].as_array().unwrap().len() == 1 && changes.len() > 30, "{json}");
    let left = names(lab.dir.path());
    assert_eq!(left, ["cluster.toml", "shop.yaml"], "nothing may be new");
}

#[test]
fn secrets_are_renewed_or_it_is_said_why_not() {
    let lab = Lab::new();
    let rotate = |what: &str| {
        let mut command = hcimage(lab.dir.path());
        command.args(["rotate", what, "--kubeconfig", "admin.yaml"]);
        command
    };
    fail(&mut rotate("admin-certificate"), 1, &["has not been built yet"]);
    succeed(&mut lab.command("build"));
    let before = lab.secrets();
    let said = succeed(&mut rotate("admin-certificate"));
    assert!(said.contains("written into admin.yaml"), "{said}");
    lab.has_no_secret("what is said", &said);
    let after = lab.secrets();
    assert!(before != after, "the administrator's key is to be a new one");
    let said = succeed(&mut rotate("authorities"));
    assert!(said.starts_with("not renewed: ") && lab.secrets() == after, "{said}");
    fail(&mut rotate("everything"), 2, &["agent-token"]);
}

/// Two nodes of a cluster that was made elsewhere.
#[test]
fn nodes_of_a_cluster_that_exists_get_its_token_and_nothing_else() {
    let lab = Lab::new();
    let file = lab.dir.path().join("cluster.toml");
    let nodes = CLUSTER.split_once("[[nodes]]").unwrap().1.replace("role = \"server\"", "role = \"agent\"");
    let network = CLUSTER.split_once("[network]").unwrap().1.split_once("[[nodes]]").unwrap().0;
    let join = "[join]\nserver = \"192.168.7.9:443\"\ntoken = { file = \"node-token.txt\" }\n";
    fs::write(&file, format!("schema = 1\nname = \"lab\"\n{join}[network]{network}[[nodes]]{nodes}"))
        .unwrap();
    fs::write(
        lab.dir.path().join("node-token.txt"),
        "K105f1c6b6c0b8a4b9a3a3f1d0c9a7b64c2f1f2a0d3e4b5c6d7e8f9a0b1c2d3e4f5::server:very-secret-token\n",
    )
    .unwrap();
    let said = succeed(&mut lab.command("build"));
    assert!(
        said.contains("the nodes join https://192.168.7.9:443") && !said.contains("very-secret"),
        "{said}"
    );
    assert!(!lab.dir.path().join("out/kubeconfig").exists());
    let secrets = fs::read_to_string(lab.dir.path().join("cluster.secrets.toml")).unwrap();
    assert!(!secrets.contains("PRIVATE KEY") && !secrets.contains("very-secret"), "{secrets}");
    for node in NODES {
        let token = lab.read(node, "/etc/rancher/k3s/token");
        assert_eq!(
            token,
            "K105f1c6b6c0b8a4b9a3a3f1d0c9a7b64c2f1f2a0d3e4b5c6d7e8f9a0b1c2d3e4f5::node:very-secret-token\n"
        );
        let password = lab.read(node, "/etc/rancher/node/password");
        assert!(secrets.contains(password.trim()) && password.len() == 33);
        assert!(lab.read(node, "/etc/hcimage/seed.toml").contains("\"192.168.7.9:443\""));
        let config = lab.read(node, "/etc/rancher/k3s/config.yaml");
        assert!(
            config.contains("server: \"https://192.168.7.9:443\"") && !config.contains("agent-token"),
            "{config}"
        );
        let tree = root_tree(&lab.image(node));
        assert_eq!(tree.keys().find(|path| path.starts_with("/var/lib/rancher/k3s/server")), None);
    }
    a_rebuild_gives_the_same_bytes(&lab);
    let mut rotate = hcimage(lab.dir.path());
    let said = succeed(rotate.args(["rotate", "agent-token"]));
    assert!(said.contains("made elsewhere"), "{said}");
}
