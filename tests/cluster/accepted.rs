//! Valid files and the resulting clusters.

use hcimage::cluster::*;
use hcimage::value::{BootstrapRole, Host, Role};

use crate::check;

const LEAST: &str = "schema = 1\nname = 'home'\n[[nodes]]\nname = 'hc-1'\nrole = 'server'\nboard = 'cm4'\n";

fn cluster(text: &str) -> Cluster {
    check(text).unwrap_or_else(|report| panic!("{report}")).cluster
}

#[test]
fn a_minimal_file_is_one_server_with_dhcp() {
    let cluster = cluster(LEAST);
    let server = cluster.nodes.init_server().unwrap();
    assert_eq!((server.name.as_str(), server.bootstrap_role), ("hc-1", BootstrapRole::InitServer));
    assert_eq!(server.network.addressing, Addressing::Dhcp);
    assert!(matches!(cluster.datastore, Datastore::Sqlite));
    let disk = server.data_disk.as_ref().unwrap();
    assert_eq!((disk.label.as_str(), disk.mount.as_str(), disk.required), ("k8s-data", "/k8s-data", false));
    assert_eq!(cluster.join_url(), None, "no node joins");
    assert_eq!(cluster.api_url(), "https://hc-1.local:6443");
}

/// The same names give the same IDs; another cluster's nodes of the same names have others.
#[test]
fn nodes_can_have_ids_in_their_names() {
    let with_ids = |name: &str| {
        let agent = "[[nodes]]\nname = 'hc-2'\nrole = 'agent'\nboard = 'cm4'\n[k3s]\nwith-node-id = true\n";
        cluster(&(LEAST.replace("'home'", &format!("{name}\napi = 'k3s.lan'")) + agent))
    };
    let names = |cluster: &Cluster| -> Vec<String> {
        cluster.nodes.iter().map(|node| node.kube_name.to_string()).collect()
    };
    let home = with_ids("'home'");
    for node in home.nodes.iter() {
        let id = node.id.as_ref().unwrap().to_string();
        assert_eq!(node.kube_name.to_string(), format!("{}-{id}", node.name));
    }
    assert_eq!(names(&home), names(&with_ids("'home'")));
    let other = names(&with_ids("'office'"));
    assert!(names(&home).iter().all(|name| !other.contains(name)), "{other:?}");
    assert_eq!(names(&cluster(LEAST)), ["hc-1"]);

    // A package of one node, which a template names.
    let server = "[overlays.nfs-server]\n[k3s]\nwith-node-id = true\n";
    let with_server = LEAST
        .replace("'home'", "'home'\napi = 'k3s.lan'")
        .replace("board = 'cm4'", "board = 'cm4'\naddress = '10.0.0.2'");
    let agent = "[[nodes]]\nname = 'hc-2'\nrole = 'agent'\nboard = 'cm4'\naddress = '10.0.0.3'\n[network]\nsubnet = '10.0.0.0/24'\ngateway = '10.0.0.1'\ndns = ['10.0.0.1']\n";
    let cluster = cluster(&(with_server + agent + server));
    let package =
        cluster.packages.iter().find(|package| package.request.name.as_str() == "nfs-kernel-server").unwrap();
    let have_it: Vec<bool> = cluster.nodes.iter().map(|node| package.nodes.includes(node)).collect();
    assert_eq!(have_it, [true, false]);

    let long = "a".repeat(55);
    let text = LEAST.replace("hc-1", &long) + "[k3s]\nwith-node-id = true\n";
    let report = check(&text).unwrap_err().to_string();
    assert!(report.contains("is longer than 63 characters") && report.contains("with-node-id"), "{report}");
}

#[test]
fn explicit_defaults_change_nothing() {
    fn defaults(schema: &serde_json::Value) -> String {
        let properties = schema["properties"].as_object().into_iter().flatten();
        let given = properties.filter_map(|(key, inner)| Some((key, inner.get("default")?)));
        given.map(|(key, value)| format!("{key} = {}\n", toml::Value::try_from(value).unwrap())).collect()
    }
    let schema = schema();
    let at = |pointer: &str| defaults(schema.pointer(pointer).unwrap());
    let text = format!(
        "{}schema = 1\nname = 'home'\n[k3s]\n{}[network]\n{}[data-disk]\n{}folders = [{{ path = 'a' }}]\n[[nodes]]\nname = 'hc-1'\n\
         role = 'server'\nboard = 'cm4'\n{}",
        at(""),
        at("/properties/k3s"),
        at("/properties/network"),
        at("/properties/data-disk"),
        at("/properties/nodes/items"),
    );
    assert!(text.lines().count() > 20, "{text}");
    let plain =
        format!("{LEAST}[data-disk]\nfolders = [{{ path = 'a', mode = '0755', uid = 0, gid = 0 }}]\n");
    let (explicit, plain) = (cluster(&text), cluster(&plain));
    // Without a setting, networks and the domain are k3s's defaults.
    let mut as_plain = explicit.clone();
    assert_eq!(as_plain.k3s.cluster_cidr.first().unwrap().to_string(), "10.42.0.0/16");
    as_plain.k3s.cluster_cidr.clear();
    as_plain.k3s.service_cidr.clear();
    as_plain.k3s.passed_on.remove("cluster-domain").unwrap();
    as_plain.k3s.kubeconfig_mode = None;
    assert_eq!(format!("{as_plain:?}"), format!("{plain:?}"));
}

#[test]
fn a_cluster_has_its_first_server_and_join_address() {
    let text = include_str!("../../docs/examples/three-servers/cluster.toml");
    let cluster = cluster(text);
    assert_eq!(cluster.nodes.init_server().unwrap().name.as_str(), "server-1");
    let parts: Vec<_> = cluster.nodes.iter().map(|node| (node.name.as_str(), node.bootstrap_role)).collect();
    assert_eq!(
        parts[1..3],
        [("server-2", BootstrapRole::JoinServer), ("server-3", BootstrapRole::JoinServer)]
    );
    assert_eq!(cluster.nodes.agents().count(), 2);
    assert_eq!(cluster.join_url().as_deref(), Some("https://10.20.0.11:6443"));
    assert_eq!(cluster.api_url(), "https://10.20.0.10:6443");
    for (name, expected) in [
        ("server-1", ["10.20.0.12", "10.20.0.13"].as_slice()),
        ("server-2", &["10.20.0.11", "10.20.0.13"]),
        ("agent-1", &["10.20.0.11", "10.20.0.12", "10.20.0.13"]),
    ] {
        let node = cluster.nodes.get(name).unwrap();
        let hosts: Vec<String> =
            cluster.join_addresses(node).iter().map(|at| at.host().to_string()).collect();
        assert_eq!(hosts, expected, "{name}");
        assert_eq!(cluster.shares_etcd(node), name.starts_with("server"), "{name}");
    }
    let names: Vec<String> = cluster.all_tls_san().iter().map(Host::to_string).collect();
    for name in
        ["10.20.0.10", "10.20.0.12", "k3s.example.org", "server-3.office.example.org", "server-1.local"]
    {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("agent") || name == "10.20.0.21"), "{names:?}");
    assert!(matches!(cluster.k3s.settings(Role::Agent).0.get("kubelet-arg"), Some(Setting::List(_))));
    assert!(matches!(cluster.boards["pc"].base, Some(Base::File(_))));
}

#[test]
fn the_first_server_is_the_first_one_in_the_file() {
    let node = |name: &str, role: &str, end: u8| {
        format!("[[nodes]]\nname = '{name}'\nrole = '{role}'\nboard = 'pc'\naddress = '10.0.0.{end}'\n")
    };
    let network = "[network]\nsubnet = '10.0.0.0/24'\ngateway = '10.0.0.1'\ndns = ['10.0.0.1']\n";
    let text =
        format!("schema = 1\nname = 'x'\n{network}{}{}", node("a", "agent", 2), node("b", "server", 3));
    let cluster = cluster(&text);
    assert_eq!(cluster.nodes.init_server().unwrap().name.as_str(), "b");
    assert_eq!(cluster.join_url().unwrap(), "https://10.0.0.3:6443");
    assert_eq!(cluster.nodes.get("a").unwrap().bootstrap_role, BootstrapRole::Agent);
}

#[test]
fn every_table_together_is_accepted() {
    let text = r#"
schema = 1
name = "all"
api = "fd00::10"
manifests = ["kube-vip.yaml"]
[k3s]
version = "v1.36.2+k3s1"
datastore = "external"
flannel-backend = "none"
cluster-cidr = ["fd42::/56"]
service-cidr = ["fd43::/112"]
server = { debug = true, v = 2, resolv-conf = "/etc/x" }
[external-datastore]
endpoint = { file = "endpoint.txt" }
ca-file = "home-ca.pem"
cert-file = "cert.pem"
key-file = "key.pem"
[network]
subnet = "fd00::/64"
gateway = "fd00::1"
dns = ["fd00::1"]
wifi = { ssid = "Home", psk = { file = "wifi-password.txt" }, country = "DE", hidden = true }
[[nodes]]
name = "a"
role = "server"
board = "pc"
address = "fd00::11"
wifi = true
data-disk = false
[[nodes]]
name = "b"
role = "server"
board = "pc"
address = "fd00::12"
[boards.pc]
base = "https://example.org/debian.raw"
[[users]]
name = "admin"
ssh-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti other"]
ssh-key-files = ["admin.pub"]
sudo = false
[registries.mirrors."*"]
[registries.configs."registry.home.lan"]
auth = { token = { file = "registry-password.txt" } }
"#;
    let cluster = cluster(text);
    let Datastore::External(external) = &cluster.datastore else { panic!("{:?}", cluster.datastore) };
    assert_eq!(external.endpoint.expose(), "postgres://k3s:hunter2@db.home.lan:5432/k3s");
    assert!(external.ca.is_some() && external.client.is_some());
    let a = cluster.nodes.init_server().unwrap();
    let Link::Wifi(wifi) = &a.network.link else { panic!("no Wi-Fi") };
    assert_eq!((wifi.psk.expose(), wifi.hidden), ("hunter2hunter2", true));
    assert!(a.data_disk.is_none() && cluster.nodes.get("b").unwrap().data_disk.is_some());
    assert_eq!(cluster.api_url(), "https://[fd00::10]:6443");
    assert_eq!(cluster.join_url().as_deref(), Some("https://[fd00::11]:6443"));
    assert!(matches!(cluster.boards["pc"].base, Some(Base::Url(_))));
    let user = &cluster.users[0];
    assert_eq!(
        (user.ssh_keys.len(), user.sudo),
        (1, false),
        "the same key under another comment counts once"
    );
    let access = cluster.registries.unwrap().access;
    let Some(RegistryAuth::Token(token)) = &access.values().next().unwrap().auth else { panic!("no token") };
    assert_eq!(token.expose(), "hunter2hunter2", "without the line end of the file");
    assert_eq!(cluster.manifests[0].name(), "kube-vip.yaml");
}

#[test]
fn nodes_may_join_a_cluster_that_exists() {
    const HASH: &str = "5f1c6b6c0b8a4b9a3a3f1d0c9a7b64c2f1f2a0d3e4b5c6d7e8f9a0b1c2d3e4f5";
    let with = |join: &str, role: &str, k3s: &str| {
        let node = format!("[[nodes]]\nname = 'hc-5'\nrole = '{role}'\nboard = 'pc'\n");
        cluster(&format!("schema = 1\nname = 'home'\n{k3s}[join]\nserver = 'k3s.home.lan'\n{join}\n{node}"))
    };
    let etcd = "[k3s]\ndatastore = 'etcd'\n";
    for (cluster, role) in [
        (with("token = { file = 'node-token.txt' }", "agent", ""), BootstrapRole::Agent),
        (with(&format!("token = 'hunter2'\nca-hash = '{HASH}'"), "server", etcd), BootstrapRole::JoinServer),
    ] {
        assert!(cluster.nodes.init_server().is_none());
        let roles: Vec<_> = cluster.nodes.iter().map(|node| node.bootstrap_role).collect();
        assert_eq!((roles, cluster.nodes.joining().len()), (vec![role], 1));
        assert_eq!(cluster.join_url().as_deref(), Some("https://k3s.home.lan:6443"));
        let credentials = cluster.join.unwrap().credentials;
        assert_eq!(credentials.ca_hash.to_string(), HASH);
        assert_eq!(credentials.token.expose(), "hunter2");
    }
}

#[test]
fn tokens_may_be_ones_own() {
    let text = format!("{LEAST}[k3s]\ntoken = {{ file = 'own-token.txt' }}\n");
    let tokens = cluster(&text).k3s.tokens;
    assert_eq!(tokens.server.unwrap().expose(), "hunter2-hunter2-hunter2-0123");
    assert!(tokens.agent.is_none());
}
