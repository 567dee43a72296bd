//! The kubeconfig, read by a YAML parser and kubectl.

use serde_json::{Value, json};

use super::*;
use hcimage_testkit::tools::run;

/// The file as python3-yaml reads it.
fn parsed(cluster: &Cluster, url: &str) -> Value {
    let path = cluster.file("kubeconfig");
    store::write_private(&path, &cluster.secrets.kubeconfig(url)).unwrap();
    let program =
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1], encoding='utf-8'))))";
    let text = run(Command::new("python3").args(["-c", program]).arg(&path));
    serde_json::from_str(&text).unwrap()
}

fn encoded(path: &Path) -> String {
    STANDARD.encode(fs::read(path).unwrap())
}

#[test]
fn the_kubeconfig_is_valid_yaml_with_the_keys_of_kubectl() {
    for name in ["home", "yes", "a: \"b\" # c\\ é"] {
        let cluster = Cluster::new(name);
        let user = format!("{name}-admin");
        let expected = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": {
                "server": "https://[2001:db8::1]:6443",
                "certificate-authority-data": encoded(&cluster.tls("server-ca.crt")),
            }}],
            "users": [{"name": user, "user": {
                "client-certificate-data": encoded(&cluster.file("admin.crt")),
                "client-key-data": encoded(&cluster.file("admin.key")),
            }}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
            "current-context": name,
        });
        assert_eq!(parsed(&cluster, &hcimage::secrets::api_url("2001:db8::1")), expected);
    }
}

#[test]
fn kubectl_reads_the_kubeconfig() {
    let cluster = Cluster::new("home");
    let path = cluster.file("kubeconfig");
    store::write_private(&path, &cluster.secrets.kubeconfig("https://hc-1:6443")).unwrap();
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(&path).args(["config", "view", "--raw", "--minify", "--output", "json"]);
    let view: Value = serde_json::from_str(&run(&mut command)).unwrap();
    assert_eq!(view["clusters"][0]["cluster"]["server"], "https://hc-1:6443");
    assert_eq!(view["users"][0]["user"]["client-key-data"], encoded(&cluster.file("admin.key")));
    assert_eq!(view["current-context"], "home");
}
