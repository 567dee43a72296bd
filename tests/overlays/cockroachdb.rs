//! The script of the overlay `cockroachdb`, run by bash with a client of the tests' own that keeps what it is asked: CockroachDB itself
//! is not run.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::ONE;
use super::programs::{Running, container, object, objects, texts, volume};

#[test]
fn users_get_their_passwords_and_the_key_is_set_by_what_the_client_reads() {
    let tables = "[overlays.cockroachdb]\ndatabases = [\"wiki\", \"shop\"]\norganization = \"Kim's home\"\nlicense = \"crl-0-it's\"\n";
    let objects = objects(tables, ONE, |name| format!("hunter2 of {name}"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    volume(object(&objects, "ConfigMap", "setup"), "data", &path("script"));
    volume(object(&objects, "Secret", "setup"), "stringData", &path("secrets"));
    for name in ["certs", "tmp", "bin"] {
        fs::create_dir(path(name)).unwrap();
    }
    fs::write(path("certs/client.root.key"), "key").unwrap();
    // It fails once, as where the server has not started yet, and says what the statement was.
    let client = format!(
        "#!/bin/sh\ncd {0}; printf '%s\\n' \"$*\" >>arguments; stat -c %a tmp/certs/client.root.key >mode; cat >asked\n\
         [ -e second ] || {{ : >second; echo 'ERROR: cannot dial server'; echo \"DETAIL: $(cat asked)\"; exit 1; }}\n",
        dir.path().display()
    );
    fs::write(path("bin/cockroach"), client).unwrap();
    fs::set_permissions(path("bin/cockroach"), fs::Permissions::from_mode(0o755)).unwrap();
    let script = fs::read_to_string(path("script/setup.sh")).unwrap();
    let here = script
        .replace("/tmp", &path("tmp").display().to_string())
        .replace(" /certs", &format!(" {}", path("certs").display()));
    fs::write(path("script/setup.sh"), here.replace("sleep 5", "sleep 0.1")).unwrap();
    let command = texts(&container(&objects, "Deployment", "setup", "setup")["command"]);
    assert_eq!(command, ["/bin/bash", "/etc/setup/setup.sh"]);
    let log = fs::File::create(path("log")).unwrap();
    let child = Command::new(&command[0])
        .arg(path("script/setup.sh"))
        .env("PATH", format!("{}:{}", path("bin").display(), std::env::var("PATH").unwrap()))
        .env("SECRETS", path("secrets"))
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let _running = Running(child);
    let began = Instant::now();
    while !path("tmp/done").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", fs::read_to_string(path("log")).unwrap());
        std::thread::sleep(Duration::from_millis(50));
    }
    let password = |database: &str| {
        let key = format!("database-{database}");
        object(&objects, "Secret", "setup")["stringData"][key.as_str()].as_str().unwrap().to_owned()
    };
    let of = |name: &str| {
        let password = password(name);
        format!(
            "CREATE USER IF NOT EXISTS {name};\nALTER USER {name} WITH PASSWORD '{password}';\n\
             CREATE DATABASE IF NOT EXISTS {name};\nALTER DATABASE {name} OWNER TO {name};\n"
        )
    };
    let asked = fs::read_to_string(path("asked")).unwrap();
    let settings = "SET CLUSTER SETTING cluster.organization = 'Kim''s home';\nSET CLUSTER SETTING enterprise.license = 'crl-0-it''s';\n";
    assert_eq!(asked, format!("{settings}{}{}", of("shop"), of("wiki")));
    assert_eq!(fs::read_to_string(path("mode")).unwrap(), "600\n");
    let told = fs::read_to_string(path("arguments")).unwrap() + &fs::read_to_string(path("log")).unwrap();
    assert!(told.contains("cannot dial server") && told.contains("users and databases are there"), "{told}");
    for secret in [password("wiki"), password("shop"), "crl-0".to_owned()] {
        assert!(!told.contains(&secret), "{told}");
    }
}
