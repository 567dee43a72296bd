//! A chart and an overlay of the tests' own that do not fit together: all of that is found, with the real Helm and the real schemas.

use hcimage_testkit::desk::Desk;

use super::Run;
use crate::{ONE, load};

const OVERLAY: &str = r#"
about = "A shop that does not fit"
[parameters.cache]
type = "switch"
help = "Whether."
default = false
[[charts]]
name = "shop"
repo = "https://charts.example.org"
version = "1.0.0"
namespace = "default"
values = "values.yaml"
[[images]]
name = "registry.example.org/shop:1.0.0"
[[images]]
name = "registry.example.org/cache:1.0.0"
when = "cache"
[[charts]]
name = "gone"
repo = "https://charts.example.org"
version = "1.0.0"
namespace = "default"
when = "{{ with_gone }}"
"#;

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: default}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      securityContext: {{ toJson .Values.securityContext }}
      containers:
        - name: shop
          image: registry.example.org/shop:{{ .Values.tag }}
          imagePullPolicy: {{ .Values.policy }}
          args: ['--helper=registry.example.org/helper:1.0.0']
";

const DEFINITION: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: goods.shop.example.org}
spec:
  group: shop.example.org
  names: {kind: Goods, plural: goods}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {price: {type: integer}}}}
";

/// What a run over the overlay finds; whether all charts were there.
fn found(desk: &Desk, values: &str, with_gone: bool) -> (Vec<String>, bool) {
    let definition = OVERLAY.replace("{{ with_gone }}", if with_gone { "true" } else { "false" });
    desk.write("overlays/shop/overlay.toml", definition);
    desk.write("overlays/shop/values.yaml", values);
    let overlays = desk.path("overlays");
    let checked = load(&overlays, "[overlays.shop]\n", ONE).unwrap_or_else(|report| panic!("{report}"));
    let mut run = Run::new(&desk.path("charts"), &overlays);
    let is_whole = run.overlay(&checked.cluster.overlays[0].overlay);
    run.schemas();
    (run.findings.0.into_keys().collect(), is_whole)
}

fn desk(version: &str, more: &str) -> Desk {
    let desk = Desk::new();
    let about = format!("apiVersion: v2\nname: shop\nversion: {version}\n");
    desk.write("charts/shop/Chart.yaml", about);
    let values = "tag: 1.0.0\npolicy: IfNotPresent\nsecurityContext: {runAsUser: 1}\nports: {web: 80}\n";
    desk.write("charts/shop/values.yaml", values);
    desk.write("charts/shop/templates/app.yaml", DEPLOYMENT);
    desk.write("charts/shop/templates/more.yaml", more);
    desk.write("charts/shop/crds/goods.yaml", DEFINITION);
    desk
}

#[test]
#[ignore = "needs Helm: make real-charts"]
fn faults_of_every_kind_are_found() {
    let goods = "apiVersion: shop.example.org/v1\nkind: Goods\nmetadata: {name: tea}\nspec: {prize: 3}\n---\n\
                 apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {port: 80}\n---\n\
                 apiVersion: v1\nkind: Service\nmetadata: {name: a, name: b}\nspec: {}\n";
    let desk = desk("1.0.0", goods);
    let values =
        "tag: 1.0.1\ntga: 1\npolicy: Always\nsecurityContext: {fsGroup: 1, runAsGruop: 1}\nports: 80\n";
    let (found, is_whole) = found(&desk, values, false);
    assert!(is_whole);
    let expected = [
        "Kubernetes refuses ConfigMap a: data.port: 80 is not of type 'string'",
        "Kubernetes refuses Deployment shop: spec.template.spec.securityContext: Additional properties",
        "Kubernetes refuses Goods tea: spec: Additional properties are not allowed ('prize' was unexpected)",
        "Kubernetes refuses a document: the key 'name' is there twice",
        "shop: Deployment default/shop, container shop pulls its image at each start",
        "shop: Deployment default/shop, container shop runs registry.example.org/shop:1.0.1, which is not listed",
        "shop: Deployment shop names registry.example.org/helper:1.0.0, which is not listed",
        "shop: chart shop 1.0.0: ports is no mapping, and the chart has one there",
        "shop: chart shop 1.0.0: tga is no key of the chart",
        "shop: registry.example.org/cache:1.0.0 is listed, and nothing runs or names it",
        "shop: registry.example.org/shop:1.0.0 is listed, and nothing runs or names it",
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nexpected {expected}");
    }
}

#[test]
#[ignore = "needs Helm: make real-charts"]
fn a_chart_that_helm_refuses_or_that_is_not_there_is_told() {
    let desk = desk("1.0.2", "{{ fail \"these values are not enough\" }}\n");
    let (found, is_whole) = found(&desk, "tag: 1.0.0\n", true);
    assert!(!is_whole);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("Helm refuses: ") && found[0].contains("these values are not enough"),
        "{found:#?}"
    );
}
