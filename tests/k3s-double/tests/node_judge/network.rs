//! Network policies, kept by kube-router as in k3s, and the tunnel.

use serde_json::{Value, json};

use crate::applications::CURL;
use crate::apply::run_pod;
use crate::lan::{ADDRESS, Lan};
use crate::node::Node;
use crate::{LIMIT, told, wait};

pub(crate) fn judge(node: &Node, lan: &Lan) {
    for (target, port) in [("db", 3306), ("redis", 6379)] {
        let script = tries(&format!("telnet://{target}.nextcloud.svc:{port}"));
        let reaches =
            |namespace: &str, labels: Value| run_pod(node, namespace, &labels, CURL, &script, &json!([]));
        let as_page = || json!({"app.kubernetes.io/name": "nextcloud", "by": "test"});
        let (allowed, said) = reaches("nextcloud", as_page());
        assert!(allowed, "{target}: {said}");
        for (namespace, labels) in [("nextcloud", json!({"by": "test"})), ("default", as_page())] {
            let (reached, said) = reaches(namespace, labels);
            assert!(!reached, "{target}, from {namespace}: {said}");
        }
        println!(
            "  network policy of {target}: a pod with the page's label gets in, another of its namespace and one of another do not"
        );
    }
    let page = "curl --silent --max-time 10 --output /dev/null --write-out '%{http_code}' http://nextcloud.nextcloud.svc/status.php";
    let (_, said) = run_pod(node, "default", &json!({}), CURL, page, &json!([]));
    assert_eq!(said, "200", "what no policy is for, answers");

    told("tunnel: frpc's deployment Available, a page through frps on the other host", || {
        node.deployment("tunnel", "frpc");
        for (url, more) in [
            (format!("http://{ADDRESS}:8080/status.php"), vec!["--header", "Host: cloud.home.lan"]),
            (
                "https://cloud.home.lan:8443/status.php".to_owned(),
                vec!["--insecure", "--connect-to", "cloud.home.lan:8443:10.0.2.2:8443"],
            ),
        ] {
            wait("the page through the tunnel", LIMIT, || {
                let (status, body) = lan.curl(&more, &url);
                if status == 200 {
                    Ok(())
                } else {
                    Err(format!("{url}: {status} {body} {} {}", lan.log("frps"), node.why("tunnel")))
                }
            });
        }
    });
    let pods = node.api.list("/api/v1/namespaces/tunnel/pods");
    let address = pods[0]["status"]["podIP"].as_str().unwrap();
    let (reached, said) =
        run_pod(node, "default", &json!({}), CURL, &tries(&format!("http://{address}:7400/")), &json!([]));
    assert!(!reached, "{said}");
    println!("  tunnel: nothing in the cluster reaches its pod");
}

/// Tries for some seconds to connect: rules for a new pod come a moment after its start.
fn tries(url: &str) -> String {
    format!(
        "for try in 1 2 3 4 5 6 7 8; do time=$(curl --silent --max-time 3 --output /dev/null --write-out '%{{time_connect}}' {url} \
         </dev/null); [ \"$time\" != 0.000000 ] && exit 0; sleep 1; done; exit 1"
    )
}
