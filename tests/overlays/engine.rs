//! What the engine does with folders that are right, and with those that are not.

use std::fs;
use std::path::Path;

use hcimage::cluster::{Checked, Setting};
use hcimage::formats::yaml_load;
use hcimage::overlays::SecretValues;
use hcimage::value::Secret;

use super::{FOUR, ONE, load};

const DEFINITION: &str = "about = \"A shop\"\n[parameters.host]\ntype = \"domain-name\"\nhelp = \"Its name.\"\n\
                          [parameters.copies]\ntype = \"number\"\nhelp = \"How many.\"\ndefault = 1\nminimum = 1\nmaximum = 5\n\
                          [parameters.mode]\ntype = \"text\"\nhelp = \"How.\"\ndefault = \"fast\"\nchoices = [\"fast\", \"slow\"]\n\
                          [parameters.cache]\ntype = \"switch\"\nhelp = \"Whether.\"\ndefault = false\n\
                          [secrets.password]\nhelp = \"Of the database.\"\n";
const TABLE: &str = "[overlays.shop]\nhost = \"shop.example.org\"\n";
const NAMESPACE: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";

/// An overlay in the folder `dir`.
fn overlay(dir: &Path, name: &str, definition: &str, manifests: &[(&str, &str)]) {
    let folder = dir.join(name);
    fs::create_dir_all(folder.join("manifests")).unwrap();
    fs::write(folder.join("overlay.toml"), definition).unwrap();
    for (file, text) in manifests {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// One overlay `shop` with these manifests, in a cluster of one node.
fn shop(definition: &str, manifests: &[(&str, &str)], tables: &str) -> Result<Checked, String> {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "shop", definition, manifests);
    load(dir.path(), tables, ONE).map_err(|report| report.to_string())
}

fn refused(result: Result<Checked, String>, words: &[&str]) {
    let said = result
        .map(|checked| format!("it was taken: {:?}", checked.warnings.to_string()))
        .unwrap_or_else(|said| said);
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn parameters_of_every_kind_are_checked_like_the_rest_of_the_file() {
    for (tables, words) in [
        ("[overlays.shop]\n", vec!["missing `host`", "[overlays.shop]"]),
        ("[overlays.shopp]\n", vec!["3:11", "unknown key `shopp`", "did you mean `shop`?"]),
        ("[overlays.shop]\nhost = \"shop.example.org\"\nhots = 1\n", vec!["5:1", "did you mean `host`?"]),
        ("[overlays.shop]\nhost = 7\n", vec!["4:8", "expected text, found a whole number"]),
        ("[overlays.shop]\nhost = \"no name\"\n", vec!["4:8", "is not a domain name"]),
        ("[overlays.shop]\nhost = \"a.example\"\ncopies = 6\n", vec!["5:10", "from 1 to 5"]),
        ("[overlays.shop]\nhost = \"a.example\"\ncopies = \"2\"\n", vec!["5:10", "remove the quotes"]),
        ("[overlays.shop]\nhost = \"a.example\"\nmode = \"fats\"\n", vec!["5:8", "did you mean \"fast\"?"]),
        ("[overlays.shop]\nhost = \"a.example\"\ncache = \"yes\"\n", vec!["true or false"]),
        ("[overlays.shop]\nhost = \"a.example\"\npassword = { file = \"none.txt\" }\n", vec!["none.txt"]),
        ("[overlays.shop]\nhost = \"a.example\"\npassword = [\"hunter2\"]\n", vec!["password"]),
    ] {
        let said = shop(DEFINITION, &[("manifests/a.yaml", NAMESPACE)], tables);
        if let Err(said) = &said {
            assert!(!said.contains("hunter2"), "{said}");
        }
        refused(said, &words);
    }
}

#[test]
fn a_definition_that_is_wrong_is_told_with_file_line_and_column() {
    for (definition, words) in [
        ("about = 1\n", vec!["overlay.toml", "line 1, column 9"]),
        (
            "about = \"x\"\n[parameters.a]\ntype = \"sting\"\nhelp = \"x\"\n",
            vec!["line 3, column 8", "sting"],
        ),
        ("about = \"x\"\nimagess = 1\n", vec!["line 2", "imagess"]),
        ("about = \"x\"\n[parameters.A_b]\ntype = \"text\"\nhelp = \"x\"\n", vec!["A_b", "lowercase"]),
        ("about = \"x\"\n[parameters.cluster]\ntype = \"text\"\nhelp = \"x\"\n", vec!["cluster"]),
        ("about = \"x\"\nneeds = [\"shop\"]\n", vec!["needs itself"]),
        ("about = \"x\"\n[[images]]\nname = \"nginx\"\n", vec!["image nginx", "no fixed version"]),
        ("about = \"x\"\n[[images]]\nname = \"NGINX:1\"\n", vec!["NGINX:1"]),
        ("about = \"x\"\n[[images]]\nname = \"a/b:{{ tag }}\"\n", vec!["undefined", "tag"]),
        ("about = \"x\"\n[[images]]\nname = \"a/b:1\"\nwhen = \"1 +\"\n", vec!["when"]),
        ("about = \"x\"\n[[k3s]]\ndisable = [\"treafik\"]\n", vec!["treafik"]),
        ("about = \"x\"\n[[k3s]]\nserver = { token = \"x\" }\n", vec!["token"]),
        ("about = \"x\"\n[[k3s]]\nagent = { etcd-arg = [\"x\"] }\n", vec!["etcd-arg"]),
        (
            "about = \"x\"\n[[directories]]\npath = \"../etc\"\nuid = 0\ngid = 0\nmode = \"0700\"\n",
            vec!["../etc"],
        ),
        (
            "about = \"x\"\n[[charts]]\nname = \"a\"\nrepo = \"http://x.example\"\nversion = \"1.0.0\"\nnamespace = \"a\"\n",
            vec!["chart a"],
        ),
        (
            "about = \"x\"\n[parameters.a]\ntype = \"switch\"\nhelp = \"x\"\ndefault = \"false\"\n",
            vec!["[parameters.a]: its default"],
        ),
        (
            "about = \"x\"\n[parameters.a]\ntype = \"number\"\nhelp = \"x\"\ndefault = 9\nmaximum = 5\n",
            vec!["its default"],
        ),
        (
            "about = \"x\"\n[parameters.a]\ntype = \"text\"\nhelp = \"x\"\nexample = \"c\"\nchoices = [\"a\"]\n",
            vec!["its example"],
        ),
        (
            "about = \"x\"\n[parameters.file]\ntype = \"text\"\nhelp = \"x\"\n",
            vec!["file is used twice, or has a meaning"],
        ),
        (
            "about = \"x\"\n[secrets.a]\nhelp = \"x\"\noptional = true\n",
            vec!["optional is for secrets that are given"],
        ),
        (
            "about = \"x\"\n[[ready]]\nkind = \"deployment\"\nname = \"web\"\n",
            vec!["deployment web", "namespace/name"],
        ),
        ("about = \"x\"\n[[images]]\nname = \"a/b:1\"\nwhen = \"cahce\"\n", vec!["when", "cahce"]),
        ("about = \"x\"\n[[images]]\nname = \"a/b:1\"\nwhen = \"secret.token\"\n", vec!["when"]),
        ("about = \"x\"\n[[files]]\npath = \"/etc/../root/x\"\ntemplate = \"files/x\"\n", vec!["below /etc"]),
        ("about = \"x\"\n[[files]]\npath = \"/root/x\"\ntemplate = \"files/x\"\n", vec!["below /etc"]),
        ("about = \"x\"\nneeds = [\"nowhere\"]\n", vec!["shop needs the overlay nowhere"]),
    ] {
        refused(shop(definition, &[("manifests/a.yaml", NAMESPACE)], "[overlays.shop]\n"), &words);
    }
}

#[test]
fn a_template_that_fails_is_told_with_file_line_and_name() {
    for (template, words) in [
        ("a: {{ hots | tojson }}\n", vec!["manifests/a.yaml", "line 1", "not known"]),
        ("a: {{ cluster.nme | upper }}\n", vec!["line 1", "cluster.nme"]),
        ("a: {{ secret.passwrod }}\n", vec!["line 1", "secret.passwrod"]),
        ("a: {{ hots }}\n", vec!["manifests/a.yaml", "line 1", "undefined", "hots"]),
        ("\n\nb: {{ host.port }}\n", vec!["line 3"]),
        ("\n{{ fail(\"no such shop\") }}\n", vec!["line 2", "no such shop"]),
        ("{% for a in host %}\n", vec!["line", "manifests/a.yaml"]),
        ("{{ file(\"../overlay.toml\") }}\n", vec!["no files/../overlay.toml"]),
        ("{{ render(\"none\") }}\n", vec!["no files/none"]),
        (
            "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}\n",
            vec!["manifests/a.yaml"],
        ),
        ("a: [\n", vec!["manifests/a.yaml", "invalid YAML"]),
        ("- a\n", vec!["apiVersion"]),
        ("apiVersion: v1\nkind: Namespace\n", vec!["metadata.name"]),
    ] {
        refused(shop(DEFINITION, &[("manifests/a.yaml", template)], TABLE), &words);
    }
    refused(shop(DEFINITION, &[("manifests/A b.yaml", NAMESPACE)], TABLE), &["file name"]);
}

#[test]
fn an_overlay_reaches_nothing_outside_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "shop", DEFINITION, &[("manifests/a.yaml", NAMESPACE)]);
    let secret = dir.path().join("secret.txt");
    fs::write(&secret, "hunter2").unwrap();
    let link = dir.path().join("shop/files");
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path(), &link).unwrap();
    let said = load(dir.path(), TABLE, ONE).unwrap_err().to_string();
    assert!(said.contains("shop/files") && said.contains("it is a link"), "{said}");
    fs::remove_file(&link).unwrap();
    fs::write(dir.path().join("shop/large"), vec![b'x'; (1 << 20) + 1]).unwrap();
    assert!(load(dir.path(), TABLE, ONE).unwrap_err().to_string().contains("shop/large"));
    fs::write(dir.path().join("shop/large"), [0xff, 0xfe, 0]).unwrap();
    assert!(load(dir.path(), TABLE, ONE).unwrap_err().to_string().contains("shop/large"));
    fs::remove_file(dir.path().join("shop/large")).unwrap();
    fs::create_dir_all(dir.path().join("shop/a/b/c/d/e")).unwrap();
    assert!(load(dir.path(), TABLE, ONE).unwrap_err().to_string().contains("deep"));
    fs::remove_dir_all(dir.path().join("shop/a")).unwrap();
    assert!(load(dir.path(), TABLE, ONE).is_ok());
    fs::rename(dir.path().join("shop"), dir.path().join("elsewhere")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("elsewhere", dir.path().join("shop")).unwrap();
    assert!(load(dir.path(), TABLE, ONE).unwrap_err().to_string().contains("it is a link"));
}

#[test]
fn needs_are_drawn_in_once_and_circles_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "shop", "about = \"A shop\"\nneeds = [\"base\", \"other\"]\n", &[]);
    overlay(dir.path(), "other", "about = \"Other\"\nneeds = [\"base\"]\n", &[]);
    overlay(dir.path(), "base", "about = \"Base\"\n", &[("manifests/a.yaml", NAMESPACE)]);
    let checked = load(dir.path(), "[overlays.shop]\n", FOUR).unwrap();
    let overlays: Vec<_> = checked
        .cluster
        .overlays
        .iter()
        .map(|active| (active.name().to_string(), active.asked_by.clone().map(|name| name.to_string())))
        .collect();
    assert_eq!(
        overlays,
        [("base".into(), Some("shop".into())), ("other".into(), Some("shop".into())), ("shop".into(), None)]
    );

    overlay(dir.path(), "base", "about = \"Base\"\nneeds = [\"shop\"]\n", &[]);
    let said = load(dir.path(), "[overlays.shop]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("in a circle: base, shop"), "{said}");

    overlay(dir.path(), "base", "about = \"Base\"\n[parameters.host]\ntype = \"host\"\nhelp = \"x\"\n", &[]);
    let said = load(dir.path(), "[overlays.shop]\n", ONE).unwrap_err().to_string();
    assert!(
        said.contains("shop needs base, which needs `host`") && said.contains("[overlays.base]"),
        "{said}"
    );
}

#[test]
fn two_that_are_the_same_thing_are_refused_by_both_names() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "one", "about = \"One\"\nprovides = [\"pod network\"]\n", &[]);
    overlay(dir.path(), "two", "about = \"Two\"\nprovides = [\"pod network\"]\n", &[]);
    overlay(dir.path(), "app", "about = \"App\"\nneeds = [\"two\"]\n", &[]);
    let said = load(dir.path(), "[overlays.one]\n[overlays.app]\n", ONE).unwrap_err().to_string();
    assert!(
        said.contains("two (which app needs) and one are each a pod network")
            || said.contains("one and two (which app needs) are each a pod network"),
        "{said}"
    );
}

#[test]
fn what_overlays_ask_of_k3s_adds_up_or_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let k3s = |more: &str| format!("about = \"x\"\n[[k3s]]\n{more}\n");
    overlay(
        dir.path(),
        "one",
        &k3s("server = { kubelet-arg = [\"a=1\"] }\ndisable = [\"servicelb\"]\nflannel-backend = \"none\""),
        &[],
    );
    overlay(
        dir.path(),
        "two",
        &k3s("server = { kubelet-arg = [\"a=1\", \"b=2\"] }\ntls-san = [\"vip.example.org\"]"),
        &[],
    );
    let checked =
        load(dir.path(), "[overlays.one]\n[overlays.two]\n[k3s]\ndisable = [\"servicelb\"]\n", ONE).unwrap();
    assert_eq!(checked.cluster.k3s.disable.len(), 1);
    assert_eq!(checked.cluster.k3s.flannel_backend.as_str(), "none");
    assert!(checked.cluster.tls_san.iter().any(|host| host.to_string() == "vip.example.org"));
    let said = load(dir.path(), "[overlays.one]\n[k3s]\nflannel-backend = \"vxlan\"\n", ONE)
        .unwrap_err()
        .to_string();
    assert!(said.contains("the overlay one needs flannel-backend = \"none\""), "{said}");
    // Two tables of one overlay add up, too.
    let twice = k3s("server = { kubelet-arg = [\"a=1\"] }\n[[k3s]]\nserver = { kubelet-arg = [\"b=2\"] }");
    overlay(dir.path(), "three", &twice, &[]);
    let checked = load(dir.path(), "[overlays.three]\n", ONE).unwrap();
    let Setting::List(arguments) = &checked.cluster.k3s.server.0["kubelet-arg"] else { panic!("no list") };
    assert_eq!(arguments, &["a=1", "b=2"]);
    overlay(dir.path(), "two", &k3s("server = { kube-proxy-arg = \"x\" }"), &[]);
    overlay(dir.path(), "one", &k3s("server = { kube-proxy-arg = \"y\" }"), &[]);
    let said = load(dir.path(), "[overlays.one]\n[overlays.two]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("another value of the k3s key kube-proxy-arg"), "{said}");
}

#[test]
fn templates_know_what_the_file_says_of_k3s() {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\ndata:\n  \
                    a: {{ cluster.k3s_version ~ ' ' ~ cluster.datastore ~ ' ' ~ cluster.secrets_encryption }}\n";
    for (k3s, said) in [
        ("", "stable sqlite False"),
        (
            "[k3s]\nversion = \"v1.36.4+k3s1\"\ndatastore = \"etcd\"\nsecrets-encryption = true\n",
            "v1.36.4+k3s1 etcd True",
        ),
    ] {
        let tables = format!("[overlays.shop]\n{k3s}");
        let checked = shop("about = \"x\"", &[("manifests/a.yaml", manifest)], &tables).unwrap();
        let text = &checked.cluster.overlays[0].shown.files[0].text;
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn a_parameter_for_a_node_is_one_of_the_cluster_and_by_default_the_first_server() {
    let dir = tempfile::tempdir().unwrap();
    let definition = "about = \"x\"\n[parameters.node]\ntype = \"node\"\nhelp = \"x\"\noptional = true\n\
                      [[directories]]\npath = \"data\"\nuid = 33\ngid = 33\nmode = \"0750\"\nnode = \"{{ node }}\"\n";
    overlay(dir.path(), "shop", definition, &[]);
    let on = |checked: &Checked| -> Vec<String> {
        let nodes = checked.cluster.nodes.iter();
        let has = nodes.filter(|node| node.data_disk.as_ref().is_some_and(|disk| !disk.dirs.is_empty()));
        has.map(|node| node.name.to_string()).collect()
    };
    assert_eq!(on(&load(dir.path(), "[overlays.shop]\n", FOUR).unwrap()), ["pi-1"]);
    assert_eq!(on(&load(dir.path(), "[overlays.shop]\nnode = \"pi-3\"\n", FOUR).unwrap()), ["pi-3"]);
    let said = load(dir.path(), "[overlays.shop]\nnode = \"pi-9\"\n", FOUR).unwrap_err().to_string();
    assert!(said.contains("no node is named pi-9"), "{said}");
    let said =
        load(dir.path(), "[overlays.shop]\n", &ONE.replace("pi4\"", "pi4\"\ndata-disk = false")).unwrap_err();
    assert!(said.to_string().contains("data-disk = false"), "{said}");
}

/// What only fits together when it runs.
#[test]
fn names_that_lead_nowhere_are_found() {
    let pod = |more: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: \
             web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec:\n      {more}\n"
        )
    };
    let container = "{name: c, image: 'a/b:1', ports: [{name: http, containerPort: 80}], readinessProbe: {httpGet: {path: /, port: \
                     http}}, resources: {requests: {memory: 1Mi}, limits: {memory: 2Mi}}, MORE}";
    let with = |more: &str| pod(&format!("containers: [{}]", container.replace("MORE", more)));
    let in_shop = |kind: &str, api: &str, more: &str| {
        format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: web, namespace: shop}}\n{more}\n")
    };
    for (object, problem) in [
        (with("env: [{name: A, valueFrom: {secretKeyRef: {name: none, key: a}}}]"), "no Secret shop/none"),
        (with("env: [{name: A, valueFrom: {configMapKeyRef: {name: conf, key: b}}}]"), "ConfigMap conf has no key b"),
        (with("envFrom: [{configMapRef: {name: none}}]"), "no ConfigMap shop/none"),
        (with("volumeMounts: [{name: data, mountPath: /d}]"), "mounts data"),
        (pod("volumes: [{name: a, persistentVolumeClaim: {claimName: none}}]"), "no PersistentVolumeClaim shop/none"),
        (pod("volumes: [{name: a, secret: {secretName: none}}]"), "no Secret shop/none"),
        (pod("volumes: [{name: a, configMap: {name: conf, items: [{key: z, path: z}]}}]"), "no key z"),
        (pod("serviceAccountName: none"), "no ServiceAccount shop/none"),
        (with("livenessProbe: {tcpSocket: {port: htpt}}"), "asks the port htpt"),
        (with("a: 1").replace("matchLabels: {app: web}", "matchLabels: {app: wbe}"), "its selector does not select"),
        (in_shop("Service", "v1", "spec: {selector: {app: none}, ports: [{port: 80}]}"), "selects no pod"),
        (in_shop("Ingress", "networking.k8s.io/v1", "spec: {rules: [{http: {paths: [{backend: {service: {name: none, port: {number: 80}}}}]}}]}"), "no Service shop/none"),
        (in_shop("Ingress", "networking.k8s.io/v1", "spec: {tls: [{secretName: none}]}"), "no Secret shop/none"),
        ("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop, annotations: {traefik.ingress.kubernetes.io/router.middlewares: shop-none@kubernetescrd}}\nspec: {}\n".to_owned(), "no Middleware"),
        (in_shop("RoleBinding", "rbac.authorization.k8s.io/v1", "roleRef: {kind: Role, name: none}"), "no Role none"),
        (in_shop("Deploymnet", "apps/v1", "spec: {}"), "apps/v1 has no kind Deploymnet"),
        (in_shop("Deployment", "apps/v1beta1", "spec: {}"), "not served"),
        (in_shop("ConfigMap", "v1", "data: {}").replace("namespace: shop", "namespace: shp"), "no manifest makes the namespace shp"),
        (in_shop("PersistentVolumeClaim", "v1", "spec: {storageClassName: fast}"), "no storage class fast"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\n".to_owned(), "an object belongs into one manifest"),
    ] {
        let config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata: {a: '1'}\n";
        let text = format!("{NAMESPACE}{config}---\n{object}");
        refused(shop(DEFINITION, &[("manifests/a.yaml", &text)], TABLE), &[problem, "overlay shop, manifests/a.yaml"]);
    }
    let good = with("env: [{name: A, valueFrom: {secretKeyRef: {name: none, key: a, optional: true}}}]");
    let service = in_shop(
        "Service",
        "v1",
        "spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}",
    );
    let ingress = in_shop(
        "Ingress",
        "networking.k8s.io/v1",
        "spec: {rules: [{http: {paths: [{backend: {service: {name: web, port: {name: http}}}}]}}]}",
    );
    let text = format!("{NAMESPACE}---\n{good}---\n{service}---\n{ingress}");
    let checked = shop(DEFINITION, &[("manifests/a.yaml", &text)], TABLE).unwrap();
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    let bare = pod("containers: [{name: c, image: 'a/b:1'}]");
    let checked =
        shop(DEFINITION, &[("manifests/a.yaml", &format!("{NAMESPACE}---\n{bare}"))], TABLE).unwrap();
    let said = checked.warnings.to_string();
    assert!(said.contains("no resources.limits.memory") && said.contains("no readinessProbe"), "{said}");
}

#[test]
fn two_overlays_with_one_object_or_the_users_own_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "one", "about = \"One\"\n", &[("manifests/a.yaml", NAMESPACE)]);
    overlay(dir.path(), "two", "about = \"Two\"\n", &[("manifests/b.yaml", NAMESPACE)]);
    let said = load(dir.path(), "[overlays.one]\n[overlays.two]\n", ONE).unwrap_err().to_string();
    assert!(
        said.contains(
            "overlay one, manifests/a.yaml: Namespace shop: it is in overlay two, manifests/b.yaml, too"
        ),
        "{said}"
    );
    fs::write(dir.path().join("mine.yaml"), NAMESPACE).unwrap();
    let said =
        load(dir.path(), "manifests = [\"mine.yaml\"]\n[overlays.one]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("it is in mine.yaml, too"), "{said}");
}

#[test]
fn secrets_are_masked_and_stay_out_of_what_anybody_may_read() {
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\nstringData:\n  a: {{ secret.password }}\n  b: {{ secret.password | bcrypt }}\n";
    let tables = format!("{TABLE}password = \"hunter2\"\n");
    let checked = shop(DEFINITION, &[("manifests/a.yaml", manifest)], &tables).unwrap();
    let shown = &checked.cluster.overlays[0].shown.files[0].text;
    assert!(shown.contains("a: \"<secret password of shop>\"") && !shown.contains("hunter2"), "{shown}");
    assert!(!format!("{:?}", checked.cluster).contains("hunter2"));
    let chart = format!(
        "{DEFINITION}[[charts]]\nname = \"c\"\nrepo = \"https://x.example\"\nversion = \"1.0.0\"\nnamespace = \"c\"\nvalues = \"values.yaml\"\n"
    );
    for values in ["{{ secret.password }}", "{{ secret.password | tojson }}", "{{ secret.password | upper }}"]
    {
        let values = format!("a: {values}\n");
        refused(shop(&chart, &[("values.yaml", &values)], &tables), &["values.yaml", "undefined"]);
    }
    refused(shop(&chart, &[("values.yaml", "a: [\n")], &tables), &["values.yaml", "line"]);
    let image = format!("{DEFINITION}[[images]]\nname = \"a/b:{{{{ secret.password }}}}\"\n");
    refused(shop(&image, &[], &tables), &["image a/b", "undefined"]);
}

#[test]
fn nodes_that_join_a_cluster_made_elsewhere_take_no_overlays() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "shop", "about = \"A shop\"\n", &[]);
    let join = format!(
        "[join]\nserver = \"https://192.168.1.9:6443\"\ntoken = \"K10{}::server:hunter2\"\n",
        "0".repeat(64)
    );
    let nodes = ONE.replace("server", "agent");
    let said = load(dir.path(), &format!("{join}[overlays.shop]\n"), &nodes).unwrap_err().to_string();
    assert!(said.contains("a cluster made elsewhere"), "{said}");
}

#[test]
fn what_overlays_ask_for_is_compared_with_the_memory_of_the_boards() {
    let dir = tempfile::tempdir().unwrap();
    let workload = |kind: &str, more: &str| {
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {0}, namespace: default}}\nspec:\n  selector: {{matchLabels: {{app: {0}}}}}\n  \
             template:\n    metadata: {{labels: {{app: {0}}}}}\n    spec:\n      {more}\n      containers: [{{name: c, image: 'a/b:1', \
             readinessProbe: {{tcpSocket: {{port: 80}}}}, resources: {{requests: {{memory: 3Gi}}, limits: {{memory: 3Gi}}}}}}]\n",
            kind.to_lowercase()
        )
    };
    let shop = |text: &str, nodes: &str| {
        overlay(dir.path(), "shop", "about = \"A shop\"\n", &[("manifests/a.yaml", text)]);
        load(dir.path(), "[overlays.shop]\n", nodes).unwrap().warnings.to_string()
    };
    let small = |nodes: &str| nodes.replace("role =", "memory = \"2Gi\"\nrole =");
    let deployment = workload("Deployment", "");
    assert_eq!(shop(&deployment, ONE), "");
    let said = shop(&deployment, &small(ONE));
    assert!(
        said.contains(
            "pi-1 has 2Gi of memory, and 3872 MiB are asked for: k3s takes about 800 MiB, shop 3072 MiB"
        ),
        "{said}"
    );
    // It may run on any of them, and the scheduler finds one; a daemon set runs on all.
    assert_eq!(shop(&deployment, &small(FOUR)), "");
    let said = shop(&workload("DaemonSet", ""), &small(FOUR));
    assert_eq!(said.matches("are asked for").count(), 4, "{said}");
    let said = shop(&workload("Deployment", "nodeSelector: {kubernetes.io/hostname: pi-3}"), &small(FOUR));
    assert!(said.contains("pi-3 has") && said.matches("are asked for").count() == 1, "{said}");
    // The boards themselves: nothing of that fits a Pi 3.
    assert!(shop(&deployment, &ONE.replace("pi4", "pi3")).contains("pi-1 has 1Gi"));
}

#[test]
fn what_the_pods_of_a_chart_ask_for_is_what_its_overlay_says() {
    let dir = tempfile::tempdir().unwrap();
    let small = |nodes: &str| nodes.replace("role =", "memory = \"2Gi\"\nrole =");
    let about = "about = \"A shop\"\n[parameters.large]\ntype = \"switch\"\nhelp = \"Whether it is large.\"\ndefault = true\n\
                 [[charts]]\nname = \"shop\"\nrepo = \"https://shop.example/charts\"\nversion = \"1.0.0\"\nnamespace = \"shop\"\n\
                 memory = \"1Gi\"\nmemory-each-node = \"{{ 2 if large else 1 }}Gi\"\n";
    overlay(dir.path(), "shop", about, &[]);
    let warned = |table: &str, nodes: &str| load(dir.path(), table, nodes).unwrap().warnings.to_string();
    let said = warned("[overlays.shop]\n", &small(ONE));
    assert!(said.contains("k3s takes about 800 MiB, shop 3072 MiB"), "{said}");
    let said = warned("[overlays.shop]\n", &small(FOUR));
    assert!(said.matches("shop 2048 MiB").count() == 4, "{said}");
    assert_eq!(warned("[overlays.shop]\nlarge = false\n", &small(FOUR)), "");
    overlay(dir.path(), "shop", &about.replace("1Gi", "plenty"), &[]);
    let said = load(dir.path(), "[overlays.shop]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("chart shop") && said.contains("plenty"), "{said}");
}

#[test]
fn names_that_k3s_would_confuse_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "metrics", "about = \"x\"\n", &[("manifests/server.yaml", NAMESPACE)]);
    let said = load(dir.path(), "[overlays.metrics]\n[k3s]\ndisable = [\"metrics-server\"]\n", ONE)
        .unwrap_err()
        .to_string();
    assert!(said.contains("manifests/server.yaml has the name of a disabled component"), "{said}");
    overlay(dir.path(), "local", "about = \"x\"\n", &[("manifests/storage.yaml", NAMESPACE)]);
    let said = load(dir.path(), "[overlays.local]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("is reserved"), "{said}");
    overlay(dir.path(), "shop", "about = \"x\"\n", &[("manifests/a.yaml", NAMESPACE)]);
    fs::write(dir.path().join("shop-a.yaml"), NAMESPACE.replace("shop", "other")).unwrap();
    let said =
        load(dir.path(), "manifests = [\"shop-a.yaml\"]\n[overlays.shop]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("another manifest is named shop-a"), "{said}");
}

/// None of them takes memory or time that anybody notices.
#[test]
fn a_template_has_bounds() {
    for template in [
        "{{ \"x\" * 3000000000 }}",
        "{{ \"x\" | indent(3000000000) }}",
        "{{ \"%3000000000s\" | format(1) }}",
        "{{ [1] * 3000000000 }}",
        "{{ (\"x\" * 900000) | replace(\"x\", \"y\" * 900000) }}",
        "{{ 2 ** 1000000000 }}",
        "{{ \"x\" * 2000000 }}",
        "{% set ns = namespace(a=\"xxxxxxxxxx\") %}{% for i in range(40) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a }}",
        &format!("{{{{ {}1 }}}}", "-".repeat(60_000)),
        &format!("{{{{ 1{} }}}}", "+1".repeat(30_000)),
        &format!("{{{{ host{} }}}}", ".a".repeat(30_000)),
        &format!("{{{{ {}host }}}}", "not ".repeat(15_000)),
        &format!("{{{{ host{} }}}}", "|upper".repeat(10_000)),
        &"x".repeat(70_000),
        "{% for i in range(60) %}{{ secret.password | bcrypt }}{% endfor %}",
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
    ] {
        refused(shop(DEFINITION, &[("manifests/a.yaml", template)], TABLE), &["manifests/a.yaml"]);
        let definition =
            format!("{DEFINITION}[[images]]\nname = {}\n", toml::Value::String(format!("a/b:{template}")));
        refused(shop(&definition, &[], TABLE), &["overlay.toml"]);
    }
}

/// What is looked at with masks is what is built.
#[test]
fn objects_that_depend_on_a_secret_are_refused_when_they_are_filled_in() {
    let manifest = "{% if secret.password | length > 20 %}apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n{% else %}apiVersion: \
                    v1\nkind: Namespace\nmetadata: {name: b}\n{% endif %}";
    let checked = shop(DEFINITION, &[("manifests/a.yaml", manifest)], TABLE).unwrap();
    let fill = |password: &str| {
        let values = [("password".to_owned(), Secret::new(password))].into();
        checked.cluster.overlays[0].render(SecretValues::Real { values, salt: None })
    };
    let said = fill("hunter2").unwrap_err().to_string();
    assert!(said.contains("depend on what is in a secret"), "{said}");
    assert!(fill("hunter2hunter2hunter2hunter2").is_ok());
}

/// A controller, and no manifest, makes what is named.
#[test]
fn what_controllers_make_is_no_mistake() {
    let pod = |name: &str, spec: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{containers: [{{name: c, image: 'a/b:1', \
             resources: {{requests: {{memory: 1Mi}}, limits: {{memory: 1Mi}}}}}}], {spec}}}\n"
        )
    };
    let certificate = "---\napiVersion: cert-manager.io/v1\nkind: Certificate\nmetadata: {name: tls, namespace: shop}\nspec: {secretName: tls}\n";
    let set = "---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec: {selector: {matchLabels: {app: db}}, \
               template: {metadata: {labels: {app: db}}, spec: {containers: []}}, volumeClaimTemplates: [{metadata: {name: data}, spec: {}}]}\n";
    let token = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: token, namespace: shop}\ntype: kubernetes.io/service-account-token\n";
    for (objects, spec) in [
        (certificate, "volumes: [{name: a, secret: {secretName: tls}}]"),
        (set, "volumes: [{name: a, persistentVolumeClaim: {claimName: data-db-0}}]"),
        (token, "volumes: [{name: a, secret: {secretName: token, items: [{key: token, path: t}]}}]"),
        ("", "volumes: [{name: a, configMap: {name: kube-root-ca.crt}}]"),
    ] {
        let text = format!("{NAMESPACE}{objects}{}", pod("web", spec));
        let checked = shop(DEFINITION, &[("manifests/a.yaml", &text)], TABLE);
        let checked = checked.unwrap_or_else(|said| panic!("{spec}: {said}"));
        assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    }
    let claim = "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v}\nspec: {storageClassName: manual}\n---\napiVersion: \
                 v1\nkind: PersistentVolumeClaim\nmetadata: {name: c, namespace: shop}\nspec: {storageClassName: manual}\n";
    shop(DEFINITION, &[("manifests/a.yaml", &format!("{NAMESPACE}{claim}"))], TABLE).unwrap();
}

#[test]
fn a_component_that_an_overlay_disables_takes_no_manifest_of_the_user_with_it() {
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "lb", "about = \"x\"\n[[k3s]]\ndisable = [\"servicelb\"]\n", &[]);
    fs::write(dir.path().join("servicelb.yaml"), NAMESPACE).unwrap();
    let said =
        load(dir.path(), "manifests = [\"servicelb.yaml\"]\n[overlays.lb]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("the overlay lb disables servicelb"), "{said}");
}

#[test]
fn what_there_is_one_of_is_set_by_one_overlay() {
    let dir = tempfile::tempdir().unwrap();
    for (name, backend) in [("one", "none"), ("two", "host-gw")] {
        let definition = format!(
            "about = \"x\"\n[[k3s]]\nflannel-backend = \"{backend}\"\n[[files]]\npath = \"/etc/shop.conf\"\ntemplate = \"files/a\"\n"
        );
        overlay(dir.path(), name, &definition, &[("files/a", "x\n")]);
    }
    let said = load(dir.path(), "[overlays.one]\n[overlays.two]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("and the overlay one needs \"none\""), "{said}");
    assert!(said.contains("the file /etc/shop.conf is written twice, by one, too"), "{said}");
}

#[test]
fn an_overlay_of_a_thousand_objects_is_enough() {
    let many = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c{{ i }}, namespace: default}\n"
        .replace("{{ i }}", "X");
    let many: String = (0..1001).map(|number| many.replace('X', &number.to_string())).collect();
    let parts: Vec<(String, String)> = many
        .split_inclusive("---\n")
        .collect::<Vec<_>>()
        .chunks(400)
        .enumerate()
        .map(|(number, part)| (format!("manifests/{number}.yaml"), part.concat()))
        .collect();
    let parts: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    refused(shop(DEFINITION, &parts, TABLE), &["1001 objects, expected at most 1000"]);
}

/// What each may unfold to, all of them together may not.
#[test]
fn aliases_in_many_manifests_are_bounded_together() {
    let aliases = "*a, ".repeat(4000);
    let bomb = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cX, namespace: default}}\nx: &a [{}]\ny: [{aliases}]\n",
        "1, ".repeat(60)
    );
    let parts: Vec<(String, String)> = (0..40)
        .map(|number| (format!("manifests/m{number}.yaml"), bomb.replace('X', &number.to_string())))
        .collect();
    let parts: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    shop(DEFINITION, &parts[..1], TABLE).unwrap();
    refused(shop(DEFINITION, &parts, TABLE), &["all of them together"]);
}

/// Whatever its needs are, they end.
#[test]
fn a_long_chain_of_needs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..200 {
        overlay(
            dir.path(),
            &format!("n{number}"),
            &format!("about = \"x\"\nneeds = [\"n{}\"]\n", number + 1),
            &[],
        );
    }
    let said = load(dir.path(), "[overlays.n0]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("more than 100 overlays"), "{said}");
}

/// As JSON, but for what YAML does not print; and what is JSON already stays as it is.
#[test]
fn values_are_written_so_that_yaml_reads_the_same_text() {
    let text = "a: b # \" ' \\ \u{7f}\u{85}\u{2028} ü {{ 1 }}";
    let manifest = "apiVersion: a.example/v1\nkind: Thing\nmetadata: {name: c, namespace: default}\ndata:\n  a: {{ t }}\n  b: {{ t | tojson }}\n  c: {{ (t | tojson) | tojson }}\n  d: {{ 7 }}\n  e: {{ [1, true, \"x\"] }}\n";
    let definition = "about = \"x\"\n[parameters.t]\ntype = \"lines\"\nhelp = \"x\"\n";
    let tables = format!("[overlays.shop]\nt = {}\n", toml::Value::String(text.to_owned()));
    let checked = shop(definition, &[("manifests/a.yaml", manifest)], &tables).unwrap();
    let documents = yaml_load::load(&checked.cluster.overlays[0].shown.files[0].text).unwrap();
    let data = &documents[0]["data"];
    assert_eq!(data["a"].as_str(), Some(text));
    assert_eq!(data["b"].as_str(), Some(text));
    let quoted: String = serde_json::from_str(data["c"].as_str().unwrap()).unwrap();
    assert_eq!(quoted, text);
    assert_eq!((data["d"].as_i64(), data["e"][1].as_bool()), (Some(7), Some(true)));
}

/// What a template can ask of the cluster: which other overlays are on, those that are only needed too, and the datastore.
#[test]
fn templates_know_the_other_overlays_and_the_datastore() {
    let dir = tempfile::tempdir().unwrap();
    let asks = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n\
                data: {overlays: {{ cluster.overlays | join(\",\") }}, store: {{ cluster.datastore }}}\n";
    let about = |needs: &str| format!("about = \"One\"\n{needs}");
    overlay(dir.path(), "shop", &about("needs = [\"till\"]\n"), &[("manifests/a.yaml", asks)]);
    overlay(dir.path(), "till", &about(""), &[]);
    overlay(dir.path(), "bank", &about(""), &[]);
    let said = |tables: &str| {
        let checked = load(dir.path(), tables, ONE).unwrap_or_else(|report| panic!("{report}"));
        let shop = checked.cluster.overlays.iter().find(|active| active.name().as_str() == "shop").unwrap();
        let object = yaml_load::load(&shop.shown.files[0].text).unwrap().remove(0);
        ["overlays", "store"].map(|key| object["data"][key].as_str().unwrap().to_owned())
    };
    assert_eq!(said("[overlays.shop]\n"), ["shop,till", "sqlite"]);
    let etcd = "[k3s]\ndatastore = \"etcd\"\n[overlays.shop]\n[overlays.bank]\n";
    assert_eq!(said(etcd), ["bank,shop,till", "etcd"]);
}

#[test]
fn lists_of_settings_of_one_overlay_add_up() {
    let definition = "about = \"A shop\"\n[parameters.more]\ntype = \"switch\"\nhelp = \"Whether.\"\ndefault = false\n\
                      [[k3s]]\nserver = { kube-apiserver-arg = [\"a=1\"] }\n\
                      [[k3s]]\nserver = { kube-apiserver-arg = [\"b=2\"] }\nwhen = \"more\"\n";
    for (table, expected) in
        [("[overlays.shop]\n", vec!["a=1"]), ("[overlays.shop]\nmore = true\n", vec!["a=1", "b=2"])]
    {
        let checked = shop(definition, &[], table).unwrap();
        let given = &checked.cluster.overlays[0].needs.server["kube-apiserver-arg"];
        let given: Vec<&str> = given.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
        assert_eq!(given, expected);
    }
}

/// A file and a package of one node, and what is known of nodes.
#[test]
fn what_is_for_one_node_is_on_that_one_alone() {
    let definition = "about = \"x\"\n[parameters.node]\ntype = \"node\"\nhelp = \"x.\"\noptional = true\n\
                      [[packages]]\nname = \"tftpd\"\nnode = \"{{ node }}\"\n[[packages]]\nname = \"curl\"\n\
                      [[files]]\npath = \"/etc/a.conf\"\ntemplate = \"files/a\"\nnode = \"{{ node }}\"\n\
                      [[files]]\npath = \"/etc/b.conf\"\ntemplate = \"files/a\"\n";
    let dir = tempfile::tempdir().unwrap();
    let text = "{% for node in cluster.nodes %}{{ node.name }}={{ node.memory }} {% endfor %}";
    overlay(dir.path(), "shop", definition, &[("files/a", text)]);
    let nodes = FOUR.replacen("192.168.1.12\"", "192.168.1.12\"\nmemory = \"4Gi\"", 1);
    let checked = load(dir.path(), "[overlays.shop]\nnode = \"pi-3\"\n", &nodes).unwrap();
    let packages = checked.cluster.packages.iter().map(|package| {
        let names: Vec<String> = package.nodes.names.iter().map(ToString::to_string).collect();
        (package.request.name.to_string(), names.join(" "))
    });
    let expected = [("tftpd", "pi-3"), ("curl", "")].map(|(name, node)| (name.to_owned(), node.to_owned()));
    assert_eq!(packages.collect::<Vec<_>>(), expected);
    let files = &checked.cluster.overlays[0].needs.files;
    assert_eq!(files[0].node.as_ref().unwrap().to_string(), "pi-3");
    assert!(files[1].node.is_none());
    assert_eq!(files[0].text, "pi-1=8192 pi-2=4096 pi-3=8192 pi-4=8192 ");
    let unknown = definition.replacen("{{ node }}", "no node", 1);
    overlay(dir.path(), "shop", &unknown, &[("files/a", text)]);
    let said = load(dir.path(), "[overlays.shop]\n", ONE).unwrap_err().to_string();
    assert!(said.contains("package tftpd"), "{said}");
}

#[test]
fn a_list_of_names_is_checked_name_by_name() {
    let definition =
        "about = \"x\"\n[parameters.databases]\ntype = \"names\"\nhelp = \"x.\"\nexample = [\"wiki\"]\n";
    let dir = tempfile::tempdir().unwrap();
    overlay(dir.path(), "shop", definition, &[]);
    load(dir.path(), "[overlays.shop]\ndatabases = [\"wiki\", \"my-shop\"]\n", ONE).unwrap();
    for bad in ["Wiki", "a b", "", "-a", "a.b"] {
        let said = load(dir.path(), &format!("[overlays.shop]\ndatabases = [\"wiki\", {bad:?}]\n"), ONE);
        let said = said.unwrap_err().to_string();
        assert!(said.contains("4:22"), "{bad}: {said}");
    }
}

#[test]
fn a_secret_has_the_form_that_its_server_wants() {
    let definition = "about = \"x\"\n[secrets.key]\nhelp = \"x.\"\nprefix = \"GK\"\ndigits = 24\n[secrets.any]\nhelp = \"x.\"\n";
    let key = format!("GK{}", "0123456789ab".repeat(2));
    shop(definition, &[], &format!("[overlays.shop]\nkey = \"{key}\"\nany = \"what I like\"\n")).unwrap();
    for bad in [&key[1..], &key[..25], &key.replace('b', "g"), &key.to_uppercase(), &format!("{key}0")] {
        let table = format!("[overlays.shop]\nkey = \"{bad}\"\n");
        refused(shop(definition, &[], &table), &["4:7", "`key`: expected GK and 24 digits"]);
    }
    for (digits, is_taken) in [(15, false), (16, true), (128, true), (129, false)] {
        let definition = definition.replace("24", &digits.to_string());
        let made = shop(&definition, &[], "[overlays.shop]\n");
        assert_eq!(made.is_ok(), is_taken, "{digits}: {:?}", made.err());
    }
}

#[test]
fn each_name_has_a_password_of_its_own_that_tells_nothing_of_the_secret() {
    let manifest = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\nstringData:\n  \
                    a: {{ secret.password | derive(\"wiki\") }}\n  b: {{ secret.password | derive(\"shop\") }}\n";
    let definition = "about = \"x\"\n[secrets.password]\nhelp = \"x.\"\n";
    let checked = shop(definition, &[("manifests/a.yaml", manifest)], "[overlays.shop]\n").unwrap();
    let active = &checked.cluster.overlays[0];
    assert!(active.shown.files[0].text.contains("a: \"<secret wiki from <secret password of shop>>\""));
    let made = |secret: &str| {
        let values = [("password".to_owned(), Secret::new(secret))].into();
        let filled = active.render(SecretValues::Real { values, salt: None }).unwrap();
        let document = yaml_load::load(&filled.files[0].text).unwrap().remove(0);
        let text = |key: &str| document["stringData"][key].as_str().unwrap().to_owned();
        (text("a"), text("b"))
    };
    let (wiki, shop_) = made("hunter2");
    assert!(wiki != shop_ && wiki.len() == 32 && wiki.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(made("hunter2"), (wiki.clone(), shop_), "a rebuild gives the same");
    assert_ne!(made("hunter3").0, wiki);
    let open = manifest.replace("secret.password | derive(\"wiki\")", "\"text\" | derive(\"wiki\")");
    refused(
        shop(definition, &[("manifests/a.yaml", &open)], "[overlays.shop]\n"),
        &["derive is for secrets"],
    );
}

/// Disks that an overlay takes whole are known to the first boot of their nodes.
#[test]
fn disks_are_of_nodes_of_the_cluster_and_taken_once() {
    let definition = "about = \"x\"\n[parameters.devices]\ntype = \"disks\"\nhelp = \"x.\"\nexample = [\"pi-1:/dev/sda\"]\n";
    let dir = tempfile::tempdir().unwrap();
    for name in ["shop", "other"] {
        overlay(dir.path(), name, definition, &[]);
    }
    let with = |disks: &str| load(dir.path(), &format!("[overlays.shop]\ndevices = [{disks}]\n"), FOUR);
    let checked = with("\"pi-1:/dev/sda\", \"pi-3:/dev/disk/by-id/a:b\", \"pi-3:/dev/sda\"").unwrap();
    let found: Vec<&[String]> = checked.cluster.nodes.iter().map(|node| node.raw_disks.as_slice()).collect();
    let third = ["/dev/disk/by-id/a:b".to_owned(), "/dev/sda".to_owned()];
    assert_eq!(found, [&["/dev/sda".to_owned()][..], &[], &third, &[]]);
    for (disks, words) in [
        ("\"/dev/sda\"", "expected NODE:/dev/"),
        ("\"pi-1:sda\"", "expected NODE:/dev/"),
        ("\"pi-1:/dev/../etc\"", "expected NODE:/dev/"),
        ("\"pi-1:/dev/\"", "expected NODE:/dev/"),
        ("\"pi-9:/dev/sda\"", "no node of this name"),
        ("\"pi-1:/dev/sda\", \"pi-1:/dev/sda\"", "taken already"),
    ] {
        let said = with(disks).unwrap_err().to_string();
        assert!(said.contains(words), "{disks}: {said}");
    }
    let both =
        "[overlays.shop]\ndevices = [\"pi-2:/dev/sda\"]\n[overlays.other]\ndevices = [\"pi-2:/dev/sda\"]\n";
    let said = load(dir.path(), both, FOUR).unwrap_err().to_string();
    assert!(said.contains("taken already"), "{said}");
}
