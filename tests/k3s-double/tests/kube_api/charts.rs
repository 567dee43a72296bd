//! The objects that install a chart, as the definition of helm-controller has them.

use std::fs;

use hcimage::formats::helm_chart::{FailurePolicy, HelmChart, Source, render};
use serde_json::json;

use super::control_plane::ControlPlane;

#[test]
#[ignore = "needs a real kube-apiserver: make api-test"]
fn the_objects_of_a_chart_are_what_their_definition_says() {
    let definition =
        std::env::var_os("HCIMAGE_HELM_CRD").expect("HCIMAGE_HELM_CRD is not set: run make api-test");
    let mut plane = ControlPlane::new();
    plane.start();
    let yaml = "application/yaml";
    let definition = fs::read_to_string(definition).unwrap();
    plane.write_text("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml, &definition);
    let charts = "/apis/helm.cattle.io/v1/namespaces/kube-system/helmcharts";
    plane.wait_for(charts);
    let least = HelmChart {
        release: "web",
        source: Source::Served("web-0123456789ab.tgz"),
        namespace: "shop",
        values: None,
        secret_values: None,
        failure_policy: None,
        bootstrap: false,
    };
    let most = HelmChart {
        release: "more",
        values: Some("title: A shop\nlist:\n- a\n"),
        secret_values: Some("password: \"1\"\n"),
        failure_policy: Some(FailurePolicy::Retry),
        bootstrap: true,
        ..least
    };
    for chart in [least, most] {
        for object in render(&chart).split("---\n") {
            let path = if object.contains("kind: Secret") {
                "/api/v1/namespaces/kube-system/secrets"
            } else {
                charts
            };
            // What the definition does not know is an error.
            plane.write_text("POST", &format!("{path}?fieldValidation=Strict"), yaml, object);
        }
    }
    let (status, found) = plane.asker().ask("admin", &format!("{charts}/more"));
    assert_eq!(status, 200);
    assert_eq!(found["spec"]["failurePolicy"], json!("retry"));
    assert_eq!(
        found["spec"]["valuesSecrets"],
        json!([{"name": "more-chart-values", "keys": ["values.yaml"]}])
    );
    let (_, secret) = plane.asker().ask("admin", "/api/v1/namespaces/kube-system/secrets/more-chart-values");
    assert!(secret["data"]["values.yaml"].is_string());
    let wrong = render(&most).replace("failurePolicy", "failurePolice");
    let wrong = wrong.split("---\n").last().unwrap();
    let (status, said) = plane.try_write("POST", &format!("{charts}?fieldValidation=Strict"), yaml, wrong);
    assert!(status == 400 && said.contains("failurePolice"), "{status} {said}");
}
