//! The overlay `drupal`: its scripts by a shell, and its settings by Debian's PHP. Drupal itself cannot be had here: what `install.php` and
//! `cron.php` ask of it is not run, and a script named `php` plays both.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use yaml_rust2::Yaml;

use super::ONE;
use super::programs::{Running, object, objects, php, to_log, until, volume};

const TABLES: &str = "[overlays.drupal]\nhost = \"www.example.org\"\nmore-hosts = [\"home.lan\"]\nadmin-email = \"kim@example.org\"\n";

struct Pod {
    dir: tempfile::TempDir,
    objects: Vec<Yaml>,
}

impl Pod {
    fn new() -> Self {
        let (dir, objects) = (tempfile::tempdir().unwrap(), objects(TABLES, ONE, |_| "hunter2".to_owned()));
        volume(object(&objects, "ConfigMap", "scripts"), "data", &dir.path().join("scripts"));
        for (file, text) in [
            ("sites/default/default.settings.php", "<?php"),
            ("sites/default/default.services.yml", "parameters: {}\n"),
            ("sites/development.services.yml", "x"),
            ("modules/README.txt", "modules"),
            ("themes/README.txt", "themes"),
        ] {
            let path = dir.path().join("web").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for folder in ["sites", "modules", "themes", "private"] {
            fs::create_dir_all(dir.path().join("data").join(folder)).unwrap();
        }
        fs::create_dir(dir.path().join("state")).unwrap();
        Self { dir, objects }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn script(&self, name: &str) -> Command {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("/bin/sh");
        command
            .arg(self.path("scripts").join(name))
            .env("PATH", path)
            .env("SOURCE", self.path("web"))
            .env("TARGET", self.path("data"))
            .env("SETTINGS", self.path("scripts/settings.php"))
            .env("SCRIPTS", self.path("scripts"))
            .env("STATE", self.path("state"))
            .env("PAUSE", "0.2");
        command
    }

    fn prepare(&self) -> String {
        let said = self.script("prepare.sh").output().unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    }
}

#[test]
fn folders_get_what_they_hide_and_the_settings_are_those_of_the_cluster_file() {
    let pod = Pod::new();
    let said = pod.prepare();
    assert!(
        ["sites", "modules", "themes"].iter().all(|name| said.contains(&format!("{name} is copied"))),
        "{said}"
    );
    let read = |name: &str| fs::read_to_string(pod.path("data").join(name)).unwrap();
    assert_eq!(read("modules/README.txt"), "modules");
    assert_eq!(read("sites/default/services.yml"), "parameters: {}\n");
    assert!(pod.path("data/private/config").is_dir() && pod.path("data/sites/default/files").is_dir());

    // What the user has there stays, and Drupal's own modes are no hindrance.
    fs::write(pod.path("data/modules/README.txt"), "mine").unwrap();
    fs::write(pod.path("data/sites/default/services.yml"), "mine").unwrap();
    fs::set_permissions(pod.path("data/sites/default"), fs::Permissions::from_mode(0o555)).unwrap();
    fs::write(pod.path("scripts/settings.php"), "<?php // new").unwrap();
    assert_eq!(pod.prepare(), "");
    assert_eq!(
        (read("modules/README.txt"), read("sites/default/services.yml")),
        ("mine".into(), "mine".into())
    );
    assert_eq!(read("sites/default/settings.php"), "<?php // new");
    let mode = fs::metadata(pod.path("data/sites/default/settings.php")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o440);

    // What a power cut leaves behind.
    fs::write(pod.path("data/themes/.hcimage-copying"), "").unwrap();
    fs::remove_file(pod.path("data/themes/README.txt")).unwrap();
    assert_eq!(pod.prepare(), "themes is copied\n");
    assert_eq!(read("themes/README.txt"), "themes");
}

#[test]
fn php_takes_the_settings_and_knows_the_names_of_the_site_alone() {
    let pod = Pod::new();
    php(&pod.path("bin"));
    for file in ["settings.php", "install.php", "cron.php"] {
        let said =
            Command::new(pod.path("bin/php")).arg("-l").arg(pod.path("scripts").join(file)).output().unwrap();
        assert!(said.status.success(), "{file}: {said:?}");
    }
    let settings = fs::read_to_string(pod.path("scripts/settings.php")).unwrap();
    assert!(!settings.contains("hunter2"), "secrets are in files of their own");
    for (file, text) in [("db-password", "it's \"secret\"\n"), ("hash-salt", "salt")] {
        fs::write(pod.path(file), text).unwrap();
    }
    let settings = settings.replace("/run/secrets/drupal", &pod.dir.path().display().to_string());
    fs::write(pod.path("settings.php"), settings).unwrap();
    // What Drupal gives the file, as far as it asks for it; values are those of Symfony.
    let play = "<?php namespace Symfony\\Component\\HttpFoundation { class Request {
            const HEADER_X_FORWARDED_FOR = 2; const HEADER_X_FORWARDED_PROTO = 8; const HEADER_X_FORWARDED_PORT = 16; } }
        namespace { $app_root = '/nowhere'; $site_path = 'sites/default'; $settings = ['container_yamls' => []];
            include $argv[1];
            foreach (['www.example.org', 'home.lan', 'wwwxexample.org', 'www.example.org.evil.net', 'evil.net'] as $host) {
                $is_known = array_filter($settings['trusted_host_patterns'], fn($of) => preg_match('{' . $of . '}i', $host));
                echo $host, ' ', $is_known ? 'yes' : 'no', \"\\n\";
            }
            echo $databases['default']['default']['password'], ' ', $settings['hash_salt'], ' ',
                implode(',', $settings['reverse_proxy_addresses']), ' ', $settings['reverse_proxy_trusted_headers'], \"\\n\"; }";
    fs::write(pod.path("play.php"), play).unwrap();
    let said = Command::new(pod.path("bin/php"))
        .args([pod.path("play.php"), pod.path("settings.php")])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout),
        "www.example.org yes\nhome.lan yes\nwwwxexample.org no\nwww.example.org.evil.net no\nevil.net no\n\
         it's \"secret\" salt 10.42.0.0/16 26\n",
        "{said:?}"
    );
    let users = object(&pod.objects, "Secret", "drupal")["stringData"].as_hash().unwrap();
    assert_eq!(users.len(), 3);
}

#[test]
fn the_installation_is_tried_until_it_is_done_and_cron_follows() {
    let pod = Pod::new();
    fs::create_dir(pod.path("bin")).unwrap();
    // It fails, then says that all is well and has done nothing, then installs.
    let php = format!(
        "#!/bin/sh\necho $1 >> {dir}/asked\ncase $1 in\n*install.php) case $(grep -c install {dir}/asked) in\n1) exit 255 ;;\n2) exit 0 ;;\n\
         *) touch $STATE/installed ;;\nesac ;;\nesac\n",
        dir = pod.dir.path().display()
    );
    fs::write(pod.path("bin/php"), php).unwrap();
    fs::set_permissions(pod.path("bin/php"), fs::Permissions::from_mode(0o755)).unwrap();
    let log = pod.path("log");
    let mut jobs = pod.script("jobs.sh");
    let mut jobs = Running(jobs.stdout(to_log(&log)).stderr(to_log(&log)).spawn().unwrap());
    let asked = || fs::read_to_string(pod.path("asked")).unwrap_or_default();
    until("cron runs", asked, || asked().contains("cron.php"));
    assert_eq!((asked().matches("install.php").count(), asked().matches("cron.php").count()), (3, 1));
    assert!(jobs.end().success());
}
