//! Servers for other pods: PostgreSQL and MQTT, with their accounts, and data that outlives their processes and pods.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;

use crate::applications::delete_pods;
use crate::apply::run_pod;
use crate::card::Card;
use crate::lan::Lan;
use crate::node::{self, Node};
use crate::{LIMIT, certificates, told, wait};

const POSTGRES: &str = "docker.io/library/postgres:18.6-trixie";
const MOSQUITTO: &str = "docker.io/library/eclipse-mosquitto:2.1.2-alpine";

pub(crate) fn judge(node: &Node, lan: &Lan, card: &Card) {
    for (path, id) in [("postgresql", 999), ("mosquitto", 1883)] {
        let found = std::fs::metadata(Path::new("/srv/k8s-data").join(path)).unwrap();
        assert_eq!((found.uid(), found.gid()), (id, id), "{path}");
    }
    postgresql(node);
    mosquitto(node, lan, card);
}

/// As the application of a namespace, with the Secret that the overlay puts there.
fn asks(node: &Node, more: &str, sql: &str) -> (bool, String) {
    let account = json!([{"name": "account", "secret": {"secretName": "postgresql"}}]);
    let script = retried(&format!(
        "psql \"$(cat /account/uri){more}\" --no-psqlrc --tuples-only --no-align --command=\"{sql}\""
    ));
    run_pod(node, "shop", &json!({}), POSTGRES, &script, &account)
}

/// Rules for a new pod come a moment after its start.
fn retried(command: &str) -> String {
    format!("for try in 1 2 3 4 5; do PGCONNECT_TIMEOUT=5 {command} 2>&1 && exit 0; sleep 1; done; exit 1")
}

fn postgresql(node: &Node) {
    let restarts = told("postgresql: made by its init container, probes pass", || running(node, 0));
    let (done, said) = asks(
        node,
        "",
        "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('before'); SELECT text FROM notes",
    );
    assert!(done && said.ends_with("before\n"), "{said}");
    let (done, said) = asks(node, "?dbname=postgres", "SELECT 1");
    assert!(!done && said.contains("pg_hba.conf"), "another's database: {said}");
    println!("  postgresql: an application gets its database by its Secret, and no other one");

    let reaches = retried("pg_isready --host=postgresql.postgresql.svc --timeout=3");
    for (namespace, may) in [("shop", true), ("default", false)] {
        let (reached, said) = run_pod(node, namespace, &json!({}), POSTGRES, &reaches, &json!([]));
        assert_eq!(reached, may, "from {namespace}: {said}");
    }
    println!("  postgresql: its network policy lets that namespace in, and no other one");

    told("postgresql: data outlives kill -9 of all its processes, and its pod", || {
        node::end_all("postgres");
        running(node, restarts + 1);
        delete_pods(node, "postgresql", "app.kubernetes.io/name=postgresql");
        running(node, 0);
        let (done, said) = asks(node, "", "SELECT text FROM notes");
        assert!(done && said.ends_with("before\n"), "{said}");
    });
}

/// Waits until the server is ready, which was started again so often at least; says how often.
fn running(node: &Node, restarts: u64) -> u64 {
    wait("PostgreSQL", LIMIT, || {
        let pods = node.api.list("/api/v1/namespaces/postgresql/pods");
        let status = &pods.first().ok_or("no pod")?["status"]["containerStatuses"][0];
        let count = status["restartCount"].as_u64().filter(|count| *count >= restarts);
        count.filter(|_| status["ready"] == true).ok_or_else(|| node.why("postgresql"))
    })
}

fn mosquitto(node: &Node, lan: &Lan, card: &Card) {
    told("mosquitto: Available", || node.deployment("mosquitto", "mosquitto"));
    let password = card.secret("mosquitto", "password");
    let as_client = |account: &str, command: &str| {
        let (program, rest) = command.split_once(' ').unwrap();
        let script = format!("{program} -h mosquitto.mosquitto.svc {account} {rest} 2>&1");
        run_pod(node, "default", &json!({}), MOSQUITTO, &script, &json!([]))
    };
    let (home, sensor) = (format!("-u home -P {password}"), "-u sensor -P hunter3");
    let kept = || {
        let (done, said) = as_client(&home, "mosquitto_sub -t room/light -C 1 -W 60");
        assert!(done && said == "on\n", "{said}");
    };
    let (done, said) = as_client(&home, "mosquitto_pub -t room/light -m on -r -q 1");
    assert!(done, "{said}");
    kept();
    let (done, said) = as_client("-u home -P wrong", "mosquitto_pub -t room/light -m off -r -q 1");
    assert!(!done && said.contains("not authorised"), "{said}");
    let (done, said) = as_client(sensor, "mosquitto_pub -t sensors/1 -m 20 -r -q 1");
    assert!(done, "{said}");
    let (done, said) = as_client(sensor, "mosquitto_sub -t sensors/# -C 1 -W 5");
    assert!(!done && said.contains("Timed out"), "what may only write has read: {said}");
    println!("  mosquitto: accounts and rules of the cluster file, from a pod");
    told("mosquitto: what is retained outlives its pod", || {
        delete_pods(node, "mosquitto", "app.kubernetes.io/name=mosquitto");
        node.deployment("mosquitto", "mosquitto");
        kept();
    });
    certificates::ready(node, lan, "mosquitto", "mosquitto-tls");
    let service = node.api.get("/api/v1/namespaces/mosquitto/services/mosquitto-lan").unwrap();
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    let root = lan.acme_root();
    wait("the broker to take its certificate", LIMIT, || {
        let said = hcimage_testkit::external_tool::outcome(
            std::process::Command::new("openssl")
                .args(["s_client", "-verify_return_error", "-verify_hostname", "mqtt.home.lan"])
                .args(["-servername", "mqtt.home.lan", "-connect", &format!("{address}:8883"), "-CAfile"])
                .arg(&root)
                .stdin(std::process::Stdio::null()),
        );
        if said.stdout.contains("Verify return code: 0 (ok)") { Ok(()) } else { Err(said.both()) }
    });
    println!("  mosquitto: TLS by a certificate that pebble's root verifies, taken without a new pod");
}
