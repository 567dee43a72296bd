//! What the overlay `nextcloud` brings, run by the real programs: its database and redis by Debian's, its hooks by a shell. Nextcloud
//! itself is played by a script of the tests' own named `php`, which keeps what it is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use yaml_rust2::Yaml;

use super::ONE;
use super::programs::{self, Running, container, free_port, is_root, object, program, texts, wait_for};
use super::servers::{MARIADB, mariadb_tables};
use hcimage_testkit::proof::{OverlayLevel, Proof};

const TABLES: &str = "[overlays.nextcloud]\nhost = \"cloud.example.org\"\nmore-hosts = [\"cloud.home.lan\"]\nphone-region = \"DE\"\n";

/// All objects, with this text for each secret.
fn objects(secret: &str) -> Vec<Yaml> {
    programs::objects(TABLES, ONE, |_| secret.to_owned())
}

/// Debian's MariaDB is 10.11, one of those that Nextcloud supports; the image has 11.8.
#[test]
fn a_real_mariadb_takes_its_arguments_and_the_probe_tells_when_it_answers() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "nextcloud");
    let objects = objects("hunter2");
    let mariadb = container(&objects, "Deployment", "db", "mariadb");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let (mut server, root) = program(&MARIADB, "usr/sbin/mariadbd");
    let share = format!("--lc-messages-dir={}", root.join("usr/share/mysql").display());
    let common = ["--no-defaults".to_owned(), format!("--datadir={}", data.display()), share];
    // As the image's entry script does it before the first start: a server that fills the directory and ends.
    let (mut bootstrap, _) = program(&MARIADB, "usr/sbin/mariadbd");
    let input = dir.path().join("bootstrap.sql");
    fs::write(&input, mariadb_tables(&root.join("usr/share/mysql"))).unwrap();
    let log = dir.path().join("log");
    let to_log = || Stdio::from(fs::File::options().create(true).append(true).open(&log).unwrap());
    let as_root = is_root().then(|| "--user=root".to_owned());
    let made = bootstrap
        .args(&common)
        .args(&as_root)
        .args(["--bootstrap", "--skip-grant-tables"])
        .stdin(fs::File::open(&input).unwrap())
        .stderr(to_log())
        .status()
        .unwrap();
    assert!(made.success(), "{}", fs::read_to_string(&log).unwrap());

    let port = free_port();
    let socket = dir.path().join("socket");
    let child = server
        .args(&common)
        .args(&as_root)
        .args(texts(&mariadb["args"]))
        .args([
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--socket={}", socket.display()),
        ])
        .stderr(to_log())
        .spawn()
        .unwrap();
    let _running = Running(child);
    wait_for(port, &log);
    let probe = texts(&mariadb["readinessProbe"]["exec"]["command"]);
    assert_eq!(probe[0], "mariadb-admin");
    let ask = |port: u16| {
        let (mut admin, _) = program(&MARIADB, "usr/bin/mariadb-admin");
        admin.arg("--no-defaults").args(&probe[1..]).arg(format!("--port={port}")).output().unwrap()
    };
    assert!(ask(port).status.success(), "{:?}", ask(port));
    assert!(!ask(free_port()).status.success(), "nobody listens there");
    proof.holds();
}

#[test]
fn a_real_redis_takes_its_configuration_and_wants_the_password() {
    let objects = objects("hunter2hunter2");
    let config = object(&objects, "Secret", "redis")["stringData"]["redis.conf"].as_str().unwrap();
    let command = texts(&container(&objects, "Deployment", "redis", "redis")["command"]);
    assert_eq!(command[0], "redis-server");
    assert!(!command.iter().any(|argument| argument.contains("hunter2")));
    let dir = tempfile::tempdir().unwrap();
    let (path, port, log) = (dir.path().join("redis.conf"), free_port(), dir.path().join("log"));
    fs::write(&path, format!("{config}port {port}\nbind 127.0.0.1\ndir {}\n", dir.path().display())).unwrap();
    let packages = [
        "redis-server",
        "redis-tools",
        "libatomic1",
        "libjemalloc2",
        "liblua5.1-0",
        "liblzf1",
        "libhiredis0.14",
        "lua-cjson",
        "lua-bitop",
    ];
    let (mut server, _) = program(&packages, "usr/bin/redis-server");
    let _running = Running(server.arg(&path).stdout(fs::File::create(&log).unwrap()).spawn().unwrap());
    wait_for(port, &log);
    let ask = |password: Option<&str>| {
        let (mut client, _) = program(&packages, "usr/bin/redis-cli");
        if let Some(password) = password {
            client.env("REDISCLI_AUTH", password);
        }
        let said = client.args(["-p", &port.to_string(), "ping"]).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    assert!(ask(Some("hunter2hunter2")).contains("PONG"), "{}", fs::read_to_string(&log).unwrap());
    assert!(ask(None).contains("NOAUTH"));
}

/// Runs the hook as the image does at each start, with these words of the environment. Returns what `occ` was asked.
fn hook(domains: &str, region: &str, known: usize, installed: bool) -> Vec<String> {
    let objects = objects("x");
    let script =
        object(&objects, "ConfigMap", "hooks")["data"]["before-starting.sh"].as_str().unwrap().to_owned();
    let dir = tempfile::tempdir().unwrap();
    let php = format!(
        "#!/bin/sh\nshift 3\nif [ \"$1\" = status ]; then echo '  - installed: {installed}'; exit 0; fi\n\
         if [ \"$1 $2\" = 'config:system:get trusted_domains' ]; then [ \"$3\" -lt $(cat {dir}/known) ]; exit; fi\n\
         if [ \"$1 $2\" = 'config:system:delete trusted_domains' ]; then echo $3 > {dir}/deleted; [ \"$3\" -lt 9 ] || exit 1; fi\n\
         if [ \"$1 $2 $3\" = 'config:system:delete trusted_domains '$(( $(cat {dir}/known) - 1 )) ]; then echo 0 > {dir}/known; fi\n\
         echo \"$*\" >> {dir}/asked\n",
        dir = dir.path().display()
    );
    fs::write(dir.path().join("php"), php).unwrap();
    fs::write(dir.path().join("known"), known.to_string()).unwrap();
    fs::write(dir.path().join("hook.sh"), script).unwrap();
    fs::set_permissions(dir.path().join("php"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let said = Command::new("sh")
        .arg(dir.path().join("hook.sh"))
        .env("PATH", path)
        .env("HC_TRUSTED_DOMAINS", domains)
        .env("HC_PHONE_REGION", region)
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    fs::read_to_string(dir.path().join("asked")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn each_start_sets_the_names_of_the_cluster_file_and_takes_away_others() {
    let asked = hook("a.example b.example", "DE", 4, true);
    let has = |words: &str| asked.iter().any(|line| line.contains(words));
    assert!(has("config:system:set trusted_domains 0 --value=a.example"), "{asked:?}");
    assert!(has("config:system:set trusted_domains 1 --value=b.example"), "{asked:?}");
    assert!(
        has("config:system:delete trusted_domains 2") && has("config:system:delete trusted_domains 3"),
        "{asked:?}"
    );
    assert!(has("background:cron") && has("default_phone_region --value=DE"), "{asked:?}");
    let asked = hook("a.example", "", 1, true);
    assert!(!asked.iter().any(|line| line.contains("phone") || line.contains("delete")), "{asked:?}");
    assert_eq!(hook("a.example", "", 0, false), [""; 0], "before it is installed nothing is set");
}
