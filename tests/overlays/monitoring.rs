//! What the overlay `monitoring` brings, by Debian's Prometheus and Alertmanager: its rules, its queries, and an alert that arrives by
//! mail and at a webhook of the tests' own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hcimage::formats::yaml_load;
use hcimage::overlays::SecretValues;
use hcimage::value::Secret;
use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked;
use serde_json::{Value, json};
use yaml_rust2::{Yaml, YamlEmitter};

use super::{FOUR, ONE, load};

/// All objects of the overlay, with the secrets that the tables give it.
fn objects(tables: &str) -> Vec<Yaml> {
    let checked = load(Path::new("/nowhere"), tables, ONE).unwrap_or_else(|report| panic!("{report}"));
    let mut all = checked.cluster.overlays.iter();
    let active = all.find(|active| active.name().as_str() == "monitoring").unwrap();
    let given = |name: &String| active.given.get(name).cloned();
    let names = active.overlay.secrets.iter();
    let values = names
        .filter_map(|(name, of)| {
            Some((name.clone(), given(name).or((!of.given).then(|| Secret::new("made")))?))
        })
        .collect();
    let filled = active.render(SecretValues::Real { values, salt: Some(Secret::new("salt")) }).unwrap();
    filled.files.iter().flat_map(|file| yaml_load::load(&file.text).unwrap()).collect()
}

fn object<'a>(objects: &'a [Yaml], kind: &str, name: &str) -> &'a Yaml {
    let is_it = |object: &&Yaml| {
        object["kind"].as_str() == Some(kind) && object["metadata"]["name"].as_str() == Some(name)
    };
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn program(name: &str) -> Command {
    Command::new(unpacked::packages(&["prometheus", "prometheus-alertmanager"]).join("usr/bin").join(name))
}

fn text_of(yaml: &Yaml) -> String {
    let mut text = String::new();
    YamlEmitter::new(&mut text).dump(yaml).unwrap();
    text
}

const ALL: &str = "[overlays.monitoring]\n[overlays.cert-manager]\n[overlays.longhorn]\n[overlays.logging]\n\
                   [overlays.nextcloud]\nhost = \"cloud.example.org\"\n";

/// What each rule is to say, on series of which it is known what is wrong.
const TESTS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 1m
tests:
  # All is well.
  - interval: 1m
    input_series: &sound
      - {series: 'up{job="node-exporter", instance="pi-1"}', values: '1x60'}
      - {series: 'node_hwmon_in_lcrit_alarm_volts{instance="pi-1", chip="soc:firmware_raspberrypi_hwmon"}', values: '0x60'}
      - {series: 'node_thermal_zone_temp{instance="pi-1", zone="0"}', values: '62x60'}
      - {series: 'node_filesystem_readonly{instance="pi-1", fstype="ext4", mountpoint="/", device="/dev/mmcblk0p2"}', values: '0x60'}
      - {series: 'node_filesystem_readonly{instance="pi-1", fstype="ext4", mountpoint="/boot", device="/dev/mmcblk0p1"}', values: '1x60'}
      - {series: 'node_filesystem_avail_bytes{instance="pi-1", fstype="ext4", mountpoint="/"}', values: '40x60'}
      - {series: 'node_filesystem_size_bytes{instance="pi-1", fstype="ext4", mountpoint="/"}', values: '100x60'}
      - {series: 'node_vmstat_oom_kill{instance="pi-1"}', values: '3x60'}
      - {series: 'longhorn_volume_robustness{volume="pvc-1", state="healthy"}', values: '1x60'}
      - {series: 'longhorn_volume_robustness{volume="pvc-1", state="degraded"}', values: '0x60'}
      - {series: 'certmanager_certificate_ready_status{name="shop", exported_namespace="shop", condition="False"}', values: '0x60'}
      - {series: 'certmanager_certificate_expiration_timestamp_seconds{name="shop", exported_namespace="shop"}', values: '7776000x60'}
    promql_expr_test:
      - {expr: 'count(ALERTS)', eval_time: 59m, exp_samples: []}
  # Everything is wrong at once; the voltage was low for a minute.
  - interval: 1m
    input_series:
      - {series: 'up{job="node-exporter", instance="pi-1"}', values: '0x90'}
      - {series: 'node_hwmon_in_lcrit_alarm_volts{instance="pi-1", chip="soc:firmware_raspberrypi_hwmon"}', values: '0x55 1 0x34'}
      - {series: 'node_thermal_zone_temp{instance="pi-1", zone="0"}', values: '83x90'}
      - {series: 'node_filesystem_readonly{instance="pi-1", fstype="ext4", mountpoint="/", device="/dev/mmcblk0p2"}', values: '1x90'}
      - {series: 'node_filesystem_avail_bytes{instance="pi-1", fstype="ext4", mountpoint="/"}', values: '9x90'}
      - {series: 'node_filesystem_size_bytes{instance="pi-1", fstype="ext4", mountpoint="/"}', values: '100x90'}
      - {series: 'node_vmstat_oom_kill{instance="pi-1"}', values: '3x55 4x40'}
      - {series: 'longhorn_volume_robustness{volume="pvc-1", state="degraded"}', values: '1x90'}
      - {series: 'certmanager_certificate_ready_status{name="shop", exported_namespace="shop", condition="False"}', values: '1x90'}
      - {series: 'certmanager_certificate_expiration_timestamp_seconds{name="shop", exported_namespace="shop"}', values: '86400x90'}
    promql_expr_test:
      - expr: 'count by (alertname) (ALERTS{alertstate="firing"})'
        eval_time: 61m
        exp_samples:
          - {labels: '{alertname="CertificateExpires"}', value: 1}
          - {labels: '{alertname="CertificateNotReady"}', value: 1}
          - {labels: '{alertname="DiskFull"}', value: 1}
          - {labels: '{alertname="DiskReadOnly"}', value: 1}
          - {labels: '{alertname="Hot"}', value: 1}
          - {labels: '{alertname="NodeDown"}', value: 1}
          - {labels: '{alertname="OutOfMemory"}', value: 1}
          - {labels: '{alertname="UnderVoltage"}', value: 1}
          - {labels: '{alertname="VolumeDegraded"}', value: 1}
    # The texts are what a person reads at night.
    alert_rule_test:
      - eval_time: 61m
        alertname: DiskFull
        exp_alerts:
          - exp_labels: {severity: critical, instance: pi-1, fstype: ext4, mountpoint: /}
            exp_annotations:
              summary: "/ of pi-1 is full: 9% are left"
              description: "At 5 % Kubernetes removes container images and pods from the node."
      - eval_time: 61m
        alertname: CertificateExpires
        exp_alerts:
          - exp_labels: {severity: critical, exported_namespace: shop, name: shop}
            exp_annotations:
              summary: "the certificate shop/shop expires in 22h 59m 0s"
              description: "It was not renewed: `kubectl describe challenge -A` has the reason."
  # Days in which a job was started and did not succeed, and another one did.
  - interval: 1h
    input_series:
      - {series: 'kube_cronjob_status_last_schedule_time{namespace="backup", cronjob="borg"}', values: '3600+3600x240'}
      - {series: 'kube_cronjob_status_last_successful_time{namespace="backup", cronjob="borg"}', values: '3600x240'}
      - {series: 'kube_cronjob_status_last_schedule_time{namespace="shop", cronjob="report"}', values: '3600x240'}
      - {series: 'kube_cronjob_status_last_successful_time{namespace="shop", cronjob="report"}', values: '3700x240'}
    promql_expr_test:
      - expr: 'ALERTS{alertstate="firing"}'
        eval_time: 3d
        exp_samples:
          - {labels: 'ALERTS{alertname="CronJobFails", alertstate="firing", severity="warning", namespace="backup", cronjob="borg"}', value: 1}
      - expr: 'ALERTS{alertstate="firing"}'
        eval_time: 9d
        exp_samples:
          - {labels: 'ALERTS{alertname="CronJobFails", alertstate="firing", severity="warning", namespace="backup", cronjob="borg"}', value: 1}
          - {labels: 'ALERTS{alertname="BackupOld", alertstate="firing", severity="critical", namespace="backup", cronjob="borg"}', value: 1}
"#;

#[test]
fn each_rule_fires_when_something_is_wrong_and_none_when_all_is_well() {
    let objects = objects(ALL);
    let rules = text_of(&object(&objects, "PrometheusRule", "hcimage")["spec"]);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("rules.yml"), &rules).unwrap();
    fs::write(dir.path().join("tests.yml"), TESTS).unwrap();
    run(program("promtool").current_dir(&dir).args(["check", "rules", "rules.yml"]));
    run(program("promtool").current_dir(&dir).args(["test", "rules", "tests.yml"]));
    // The same tests find a rule that is broken.
    fs::write(dir.path().join("rules.yml"), rules.replace("> 80", "> 90")).unwrap();
    let broken = program("promtool").current_dir(&dir).args(["test", "rules", "tests.yml"]).output().unwrap();
    assert!(!broken.status.success());
}

#[test]
fn a_real_prometheus_reads_every_query_of_the_dashboard() {
    let objects = objects(ALL);
    let text = object(&objects, "ConfigMap", "dashboard-home")["data"]["home.json"].as_str().unwrap();
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut rules = Vec::new();
    let mut places = Vec::new();
    for panel in panels {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        places.push((at("y"), at("x")));
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
            rules.push(json!({"record": format!("query_{}", rules.len()), "expr": query}));
        }
    }
    assert!(rules.len() > 20, "{}", rules.len());
    let mut sorted = places.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, places, "panels lie on each other");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("queries.yml");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    run(program("promtool").args(["check", "rules"]).arg(&file));
}

/// What else there is to measure stands in the dashboard where it is switched on, and nowhere else.
#[test]
fn the_dashboard_and_the_monitors_are_for_the_overlays_that_are_on() {
    let alone = format!("{:?}", objects("[overlays.monitoring]\n"));
    let all = format!("{:?}", objects(ALL));
    for word in ["longhorn_volume", "certmanager_", "loki_distributor", "nextcloud", "longhorn-system"] {
        assert!(all.contains(word) && !alone.contains(word), "{word}");
    }
}

#[test]
fn a_real_prometheus_takes_how_etcd_is_found_and_it_is_only_looked_for_where_it_is() {
    let values = |tables: &str, nodes: &str| {
        let checked = load(Path::new("/nowhere"), tables, nodes).unwrap_or_else(|report| panic!("{report}"));
        let active = &checked.cluster.overlays[0];
        let exposes = active.needs.server.contains_key("etcd-expose-metrics");
        (yaml_load::load(&active.shown.values["values.yaml"]).unwrap().remove(0), exposes)
    };
    let (sqlite, exposes) = values("[overlays.monitoring]\n", FOUR);
    assert!(!exposes && sqlite["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"].is_badvalue());
    assert_eq!(sqlite["kubeEtcd"]["enabled"].as_bool(), Some(false));
    let three = FOUR.replacen("\"agent\"", "\"server\"", 2);
    let (etcd, exposes) = values("[k3s]\ndatastore = \"etcd\"\n[overlays.monitoring]\n", &three);
    assert!(exposes && etcd["kubeEtcd"]["enabled"].as_bool() == Some(true));
    let mut config = yaml_rust2::yaml::Hash::new();
    let jobs = etcd["prometheus"]["prometheusSpec"]["additionalScrapeConfigs"].clone();
    assert_eq!(jobs[0]["kubernetes_sd_configs"][0]["role"].as_str(), Some("node"));
    config.insert(Yaml::String("scrape_configs".to_owned()), jobs);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("prometheus.yml");
    // Debian's is built without Kubernetes: it reads the rest.
    let text = text_of(&Yaml::Hash(config)).replace("kubernetes_sd_configs", "static_configs");
    fs::write(&file, text.replace("- role: node", "- targets: [a]")).unwrap();
    run(program("promtool").args(["check", "config", "--syntax-only"]).arg(&file));
}

/// The configuration of Alertmanager.
fn config(tables: &str) -> String {
    let objects = objects(tables);
    let secret = object(&objects, "Secret", "alertmanager");
    secret["stringData"]["alertmanager.yaml"].as_str().unwrap().to_owned()
}

const MAIL: &str =
    "mail-to = \"kim@example.org\"\nsmtp-server = \"127.0.0.1:PORT\"\nsmtp-from = \"cluster@example.org\"\n";

#[test]
fn a_real_alertmanager_takes_every_choice_of_receivers() {
    let dir = tempfile::tempdir().unwrap();
    let hostile = "smtp-user = \"a: b # \\\" {{ 1 }}\"\nsmtp-password = \"x: 'y' \\\\ \\\" #\"\n";
    for (number, choice) in [
        String::new(),
        MAIL.replace("PORT", "587"),
        MAIL.replace("PORT", "465") + hostile,
        "webhook = \"https://chat.example.org/hook?a=b#c\"\n".to_owned(),
        MAIL.replace("PORT", "25")
            + "smtp-tls = false\nwebhook = \"http://ha.home.lan:8123/api/webhook/x\"\n",
    ]
    .iter()
    .enumerate()
    {
        let file = dir.path().join(format!("{number}.yml"));
        fs::write(&file, config(&format!("[overlays.monitoring]\n{choice}"))).unwrap();
        run(program("amtool").arg("check-config").arg(&file));
    }
    for (choice, words) in [
        ("mail-to = \"kim@example.org\"\n", "smtp-server and smtp-from are missing"),
        ("smtp-user = \"kim\"\n", "smtp-password is missing"),
        ("issuer = \"default\"\n", "host is missing"),
    ] {
        let table = format!("[overlays.monitoring]\n{choice}");
        let said = load(Path::new("/nowhere"), &table, ONE).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

/// What arrived.
type Arrived = Arc<Mutex<Vec<String>>>;

/// A server that takes each connection by `talk`, which returns what arrived.
fn server(talk: fn(TcpStream) -> Option<String>) -> (u16, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrived = Arrived::default();
    let into = Arc::clone(&arrived);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if let Some(text) = talk(stream) {
                into.lock().unwrap().push(text);
            }
        }
    });
    (port, arrived)
}

/// A mail server: what it is told, commands and mail.
fn mail(stream: TcpStream) -> Option<String> {
    let mut said = String::new();
    write!(&stream, "220 sink\r\n").ok()?;
    let mut in_mail = false;
    for line in BufReader::new(&stream).lines().map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
        let answer = match line.split(' ').next()? {
            "." => "250 taken",
            _ if in_mail => continue,
            "EHLO" => "250-sink\r\n250 AUTH PLAIN",
            "AUTH" => "235 you are",
            "DATA" => "354 go on",
            "QUIT" => break,
            _ => "250 yes",
        };
        in_mail = line == "DATA";
        write!(&stream, "{answer}\r\n").ok()?;
    }
    Some(said)
}

/// A web server: the body of a request.
fn hook(stream: TcpStream) -> Option<String> {
    let mut reader = BufReader::new(&stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    write!(&stream, "HTTP/1.1 200 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    String::from_utf8(body).ok()
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Far more than anything takes: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(120);

fn wait(what: &str, log: &Path, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < LIMIT, "{what}: {}", fs::read_to_string(log).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_real_alertmanager_sends_an_alert_by_mail_and_to_the_webhook_and_keeps_the_heartbeat() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "monitoring");
    let (smtp, mails) = server(mail);
    let (http, hooks) = server(hook);
    let table = format!(
        "[overlays.monitoring]\n{}smtp-tls = false\nsmtp-user = \"kim\"\nsmtp-password = \"hunter2\"\n\
         webhook = \"http://127.0.0.1:{http}/alerts\"\n",
        MAIL.replace("PORT", &smtp.to_string())
    );
    let dir = tempfile::tempdir().unwrap();
    let (file, log) = (dir.path().join("alertmanager.yaml"), dir.path().join("log"));
    fs::write(&file, config(&table)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // Debian's has its templates of messages below /usr/share, where it is not installed.
    let root = unpacked::packages(&["prometheus", "prometheus-alertmanager"]);
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c"]);
    command.arg(
        "mount --bind \"$0/usr/share\" /usr/share && exec \"$0/usr/bin/prometheus-alertmanager\" \"$@\"",
    );
    command.arg(root).arg("--config.file").arg(&file).arg("--storage.path").arg(dir.path().join("data"));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--cluster.listen-address=");
    let child = command.stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let _running = Running(child);
    wait("it answers", &log, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    for (alert, severity) in [("Watchdog", "none"), ("InfoInhibitor", "none"), ("UnderVoltage", "critical")] {
        let mut add = program("amtool");
        add.args(["alert", "add", &format!("--alertmanager.url=http://127.0.0.1:{port}")]);
        run(add
            .args([&format!("alertname={alert}"), &format!("severity={severity}"), "instance=pi-1"])
            .arg("--annotation=summary=pi-1 gets too little power"));
    }
    let has = |arrived: &Arrived| !arrived.lock().unwrap().is_empty();
    wait("mail and webhook", &log, || has(&mails) && has(&hooks));
    let (mails, hooks) = (mails.lock().unwrap().join("\n"), hooks.lock().unwrap().join("\n"));
    // "\0kim\0hunter2" in base64.
    for words in
        ["MAIL FROM:<cluster@example.org>", "RCPT TO:<kim@example.org>", "AUTH PLAIN AGtpbQBodW50ZXIy"]
    {
        assert!(mails.contains(words), "{words}: {mails}");
    }
    assert!(mails.contains("UnderVoltage") && mails.contains("pi-1"), "{mails}");
    let sent: Value = serde_json::from_str(hooks.lines().next().unwrap()).unwrap();
    assert_eq!(sent["alerts"][0]["labels"]["alertname"], "UnderVoltage");
    assert_eq!(sent["alerts"][0]["annotations"]["summary"], "pi-1 gets too little power");
    for silent in ["Watchdog", "InfoInhibitor"] {
        assert!(!mails.contains(silent) && !hooks.contains(silent), "{silent}: {mails}{hooks}");
    }
    proof.holds();
}
