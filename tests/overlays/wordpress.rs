//! The overlay `wordpress`, with Debian's WordPress 6.1, PHP 8.2 and MariaDB 10.11: its scripts copy it, install it, do its jobs, and its
//! administrator logs in. Its `wp-config.php` is the tests' own, which reads the variables that the image's does; Apache is not run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;
use yaml_rust2::Yaml;

use super::ONE;
use super::programs::{
    Running, container, free_port, object, objects, php, to_log, until, variable, volume, wait_for,
};
use super::servers::MariaDb;

const TABLES: &str = "[overlays.wordpress]\nhost = \"blog.example.org\"\nissuer = \"lab\"\nadmin-email = \"kim@example.org\"\n\
     title = \"Kim's \\\"garden\\\" $HOME\"\nupload-limit-mib = 100\n";
const PASSWORD: &str = "0123456789abcdef";

/// As the image has it: what is empty in the environment is asked for in a file.
const CONFIG: &str = "<?php
function from_environment($name) {
    $file = getenv($name . '_FILE');
    return $file ? rtrim(file_get_contents($file), \"\\r\\n\") : getenv($name);
}
define('DB_NAME', from_environment('WORDPRESS_DB_NAME'));
define('DB_USER', from_environment('WORDPRESS_DB_USER'));
define('DB_PASSWORD', from_environment('WORDPRESS_DB_PASSWORD'));
define('DB_HOST', from_environment('WORDPRESS_DB_HOST'));
define('DB_CHARSET', from_environment('WORDPRESS_DB_CHARSET'));
define('DB_COLLATE', '');
foreach (['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'] as $name) {
    define($name, 'of the test');
}
$table_prefix = 'wp_';
if (strpos($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '', 'https') !== false) {
    $_SERVER['HTTPS'] = 'on';
}
eval(from_environment('WORDPRESS_CONFIG_EXTRA'));
if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
";

struct Pod {
    dir: tempfile::TempDir,
    objects: Vec<Yaml>,
}

impl Pod {
    fn new() -> Self {
        let (dir, objects) = (tempfile::tempdir().unwrap(), objects(TABLES, ONE, |_| PASSWORD.to_owned()));
        volume(object(&objects, "ConfigMap", "scripts"), "data", &dir.path().join("scripts"));
        for folder in ["html", "state", "secrets"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("secrets/password"), PASSWORD).unwrap();
        php(&dir.path().join("bin"));
        source(&dir.path().join("source"));
        Self { dir, objects }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program with the variables of the container `jobs`, but for places.
    fn command(&self, program: &str, port: u16) -> Command {
        let jobs = container(&self.objects, "Deployment", "wordpress", "jobs");
        let mut command = Command::new(program);
        for variable in jobs["env"].as_vec().unwrap() {
            command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        command
            .env("PATH", path)
            .env("WORDPRESS_DB_HOST", format!("127.0.0.1:{port}"))
            .env("WORDPRESS_DB_PASSWORD_FILE", self.path("secrets/password"))
            .env("HC_PASSWORD_FILE", self.path("secrets/password"))
            .env("WORDPRESS_ROOT", self.path("html"))
            .env("SCRIPTS", self.path("scripts"))
            .env("STATE", self.path("state"))
            .env("SOURCE", self.path("source"))
            .env("TARGET", self.path("html"))
            .env("PAUSE", "1");
        command
    }

    fn copy(&self) -> String {
        let said = self.command("/bin/sh", 1).arg(self.path("scripts/copy.sh")).output().unwrap();
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    }
}

/// Debian's WordPress with what its links lead to, as the one in the image is.
fn source(target: &Path) {
    let root = unpacked::packages(&["wordpress", "php-getid3", "wordpress-theme-twentytwentythree"]);
    let from = root.join("usr/share/wordpress");
    copy(&root, &from, target);
    fs::remove_file(target.join("wp-config.php")).unwrap();
}

fn copy(root: &Path, from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let mut path = entry.path();
        while let Ok(target) = fs::read_link(&path) {
            path = match target.strip_prefix("/") {
                Ok(below) => root.join(below),
                Err(_) => path.parent().unwrap().join(target),
            };
        }
        let to = to.join(entry.file_name());
        if path.is_dir() {
            copy(root, &path, &to);
        } else if path.is_file() {
            // Scripts of the page, which Debian has in packages of their own, are not needed.
            fs::copy(path, to).unwrap();
        }
    }
}

#[test]
fn half_a_copy_is_made_whole_and_a_whole_one_is_left_alone() {
    let pod = Pod::new();
    assert!(pod.copy().contains("is copied"));
    let (version, post) = (pod.path("html/wp-includes/version.php"), pod.path("html/wp-includes/post.php"));
    assert!(version.is_file() && post.is_file());
    fs::write(&post, "changed by an update").unwrap();
    assert_eq!(pod.copy(), "");
    assert_eq!(fs::read_to_string(&post).unwrap(), "changed by an update");
    // What a power cut leaves behind.
    fs::write(pod.path("html/.hcimage-copying"), "").unwrap();
    fs::remove_file(&post).unwrap();
    assert!(pod.copy().contains("is copied"));
    assert!(post.is_file() && !pod.path("html/.hcimage-copying").exists());
}

#[test]
fn it_is_installed_once_the_database_is_there_and_the_administrator_logs_in() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "wordpress");
    let pod = Pod::new();
    pod.copy();
    fs::write(pod.path("html/wp-config.php"), CONFIG).unwrap();
    let install = |port: u16| pod.command("php", port).arg(pod.path("scripts/install.php")).output().unwrap();
    // Without a database WordPress ends with a page, and says that all is well.
    let away = install(free_port());
    assert!(away.status.success(), "a control: if it says that it failed, the file is not needed: {away:?}");
    assert!(!pod.path("state/installed").exists());

    let of_database = tempfile::tempdir().unwrap();
    let database = MariaDb::start(of_database.path(), "wordpress", "wordpress", PASSWORD);
    let log = pod.path("log");
    let said = || fs::read_to_string(&log).unwrap_or_default();
    let mut jobs = pod.command("/bin/sh", database.port);
    let jobs =
        jobs.arg(pod.path("scripts/jobs.sh")).stdout(to_log(&log)).stderr(to_log(&log)).spawn().unwrap();
    let mut jobs = Running(jobs);
    until("it is installed", said, || pod.path("state/installed").exists());
    assert!(said().contains("WordPress is installed"), "{}", said());
    assert!(jobs.end().success());
    assert!(!said().contains(PASSWORD) && !said().contains("failed"), "{}", said());
    let again = install(database.port);
    assert!(String::from_utf8_lossy(&again.stderr).contains("WordPress is there"), "{again:?}");
    let cron = pod.command("php", database.port).arg(pod.path("html/wp-cron.php")).output().unwrap();
    assert!(cron.status.success() && cron.stdout.is_empty(), "{cron:?}");

    let (port, log) = (free_port(), pod.path("server.log"));
    let mut server = pod.command(&pod.path("bin/php").display().to_string(), database.port);
    // The variables of a shell are not those of Apache.
    server.env_remove("HTTP_HOST").args(["-S", &format!("127.0.0.1:{port}"), "-t"]).arg(pod.path("html"));
    let _server = Running(server.stderr(to_log(&log)).spawn().unwrap());
    wait_for(port, &log);
    let ask = |path: &str, more: &[&str]| {
        let Output { stdout, .. } = Command::new("curl")
            .args(["-s", "-i", "-H", "Host: blog.example.org"])
            .args(more)
            .arg(format!("http://127.0.0.1:{port}{path}"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&stdout).into_owned()
    };
    let https = ["-H", "X-Forwarded-Proto: https"];
    let home = ask("/", &https);
    assert!(home.contains("200 OK") && home.contains("Kim&#039;s &quot;garden&quot; $HOME"), "{home}");
    assert!(
        home.contains("https://blog.example.org/") && !home.contains("http://blog.example.org/"),
        "{home}"
    );
    let installer = ask("/wp-admin/install.php", &https);
    assert!(installer.contains("already installed") && !installer.contains("admin_password"), "{installer}");
    // As the probe asks.
    assert!(ask("/wp-login.php", &https).contains("200 OK"));
    assert!(ask("/wp-login.php", &[]).contains("Location: https://blog.example.org/wp-login.php"));
    let login = |password: &str| {
        let form = format!("log=admin&pwd={password}");
        ask(
            "/wp-login.php",
            &[
                "-H",
                "X-Forwarded-Proto: https",
                "-H",
                "Cookie: wordpress_test_cookie=WP%20Cookie%20check",
                "-d",
                &form,
            ],
        )
    };
    assert!(login(PASSWORD).contains("wordpress_logged_in_"), "{}", login(PASSWORD));
    assert!(!login("wrong").contains("wordpress_logged_in_"));
    proof.holds();
}

#[test]
fn limits_of_the_cluster_file_are_those_of_php() {
    let pod = Pod::new();
    let asked = |name: &str| {
        let code = format!("echo ini_get('{name}');");
        let ini = pod.path("scripts/hcimage.ini");
        let said = pod.command("php", 1).arg("-c").arg(ini).args(["-r", &code]).output().unwrap();
        String::from_utf8(said.stdout).unwrap()
    };
    for (name, value) in
        [("upload_max_filesize", "100M"), ("post_max_size", "108M"), ("memory_limit", "256M")]
    {
        assert_eq!(asked(name), value, "{name}");
    }
    let extra =
        variable(container(&pod.objects, "Deployment", "wordpress", "wordpress"), "WORDPRESS_CONFIG_EXTRA")
            .to_owned();
    for (tables, words) in
        [("", "define('WP_HOME', 'https://blog.example.org');"), ("", "define('DISABLE_WP_CRON', true);")]
    {
        assert!(extra.contains(words), "{tables}: {extra}");
    }
    let tunnel = TABLES.replace("issuer = \"lab\"", "https = true");
    let objects = objects(&tunnel, ONE, |_| PASSWORD.to_owned());
    let extra =
        variable(container(&objects, "Deployment", "wordpress", "wordpress"), "WORDPRESS_CONFIG_EXTRA")
            .to_owned();
    assert!(extra.contains("$_SERVER['HTTPS'] = 'on';"), "{extra}");
    fs::write(pod.path("extra.php"), format!("<?php\n{extra}")).unwrap();
    let said = pod.command("php", 1).arg("-l").arg(pod.path("extra.php")).output().unwrap();
    assert!(said.status.success(), "{said:?}");
}
