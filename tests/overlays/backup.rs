//! The overlay `backup`: its scripts as the cluster gets them, run by busybox with Debian's borg against a repository behind a real
//! sshd, with a MariaDB and a PostgreSQL. Borg is 1.2 here and 1.4 in the image; what the scripts ask of it is the same in both.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use hcimage::formats::yaml_load;
use hcimage::overlays::SecretValues;
use hcimage::value::Secret;
use yaml_rust2::Yaml;

use super::servers::{
    MariaDb, Postgres, Programs, Running, free_port, give, is_root, log_to, user, wait, wait_for_port,
};
use super::{ONE, load};
use hcimage_testkit::external_tool::user_namespaces;
use hcimage_testkit::proof::{OverlayLevel, Proof};
use hcimage_testkit::unpacked;

const PACKAGES: [&str; 7] = [
    "borgbackup",
    "python3-msgpack",
    "python3-packaging",
    "libxxhash0",
    "openssh-server",
    "libwrap0",
    "libnss-wrapper",
];

/// Debian's borg is for Debian's Python.
const PYTHON: &str = "/usr/bin/python3";

/// A node with a data disk, and a host that keeps its backups.
struct Bench {
    dir: tempfile::TempDir,
    programs: Programs,
    objects: Vec<Yaml>,
    /// Of the repository, as the node reaches it.
    address: String,
    _sshd: Option<Running>,
}

impl Bench {
    /// Backups by ssh, with more lines in the overlay's table, more tables, and overlays of a folder.
    fn by_ssh(more: &str, tables: &str, overlays: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let programs = Programs::new(dir.path(), &PACKAGES);
        let host = dir.path().join("host");
        fs::create_dir_all(host.join("backup")).unwrap();
        for name in ["host-key", "client-key"] {
            key(&host.join(name));
        }
        let port = free_port();
        let public = |name: &str| fs::read_to_string(host.join(format!("{name}.pub"))).unwrap();
        let borg = format!(
            "env PYTHONPATH={} LD_LIBRARY_PATH={} {PYTHON} {} serve --restrict-to-path {}",
            programs.root.join("usr/lib/python3/dist-packages").display(),
            programs.libraries(),
            programs.root.join("usr/bin/borg").display(),
            host.join("backup").display()
        );
        // As the overlay's README has it.
        fs::write(
            host.join("authorized_keys"),
            format!("command=\"{borg}\",restrict {}", public("client-key")),
        )
        .unwrap();
        fs::write(
            host.join("sshd_config"),
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/host-key\nPidFile none\nUsePAM no\nStrictModes no\n\
                 AuthorizedKeysFile {dir}/authorized_keys\nPasswordAuthentication no\n",
                dir = host.display()
            ),
        )
        .unwrap();
        give(&host);
        let users = format!("borg:x:{id}:{id}::{}:/bin/sh\n", host.display(), id = user());
        let mut sshd = programs.server_with_users("usr/sbin/sshd", &users, dir.path());
        let log = dir.path().join("sshd.log");
        log_to(&mut sshd, &log);
        sshd.arg("-D").arg("-e").arg("-f").arg(host.join("sshd_config"));
        let running = Running(sshd.spawn().unwrap());
        wait_for_port(port, &log);
        let host_key = public("host-key");
        let known: Vec<&str> = host_key.split(' ').take(2).collect();
        let address = format!("ssh://borg@127.0.0.1:{port}{}", host.join("backup").display());
        let ssh_key = toml::Value::String(fs::read_to_string(host.join("client-key")).unwrap());
        let tables = format!(
            "[overlays.backup]\nrepository = \"{address}\"\nhost-keys = [\"[127.0.0.1]:{port} {}\"]\nssh-key = {ssh_key}\n\
             {more}\n{tables}",
            known.join(" ")
        );
        Self::new(dir, programs, &tables, overlays, &address, Some(running))
    }

    /// Backups to a folder, as an export is one for the pod.
    fn by_folder(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let programs = Programs::new(dir.path(), &PACKAGES);
        let address = dir.path().join("repository").display().to_string();
        let tables = format!("[overlays.backup]\nrepository = \"nfs://nas.home.lan/backup\"\n{more}");
        Self::new(dir, programs, &tables, Path::new("/nowhere"), &address, None)
    }

    fn new(
        dir: tempfile::TempDir,
        programs: Programs,
        tables: &str,
        overlays: &Path,
        address: &str,
        sshd: Option<Running>,
    ) -> Self {
        let objects = objects(overlays, tables);
        let bench = Self { dir, programs, objects, address: address.to_owned(), _sshd: sshd };
        for folder in ["config", "secrets", "disk", "state", "bin", "tmp"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        for (kind, part, into) in [("ConfigMap", "data", "config"), ("Secret", "stringData", "secrets")] {
            let data = &object(&bench.objects, kind, "backup")[part];
            for (name, text) in data.as_hash().unwrap() {
                let file = bench.path(into).join(name.as_str().unwrap());
                fs::write(&file, text.as_str().unwrap()).unwrap();
                fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        bench.tools();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn disk(&self) -> PathBuf {
        self.path("disk")
    }

    /// What is on the path of the pod: borg and ssh, and the programs of busybox.
    fn tools(&self) {
        let busybox = unpacked::packages(&["busybox-static"]).join("bin/busybox");
        let bin = self.path("bin");
        for applet in [
            "cat", "cp", "cut", "date", "find", "grep", "ls", "mkdir", "mv", "rm", "rmdir", "sed", "sh",
            "sort", "sync", "tail", "touch", "tr", "wc",
        ] {
            symlink(&busybox, bin.join(applet)).unwrap();
        }
        let borg = format!(
            "#!/bin/sh\nPYTHONPATH={} LD_LIBRARY_PATH={} exec {PYTHON} {} \"$@\"\n",
            self.programs.root.join("usr/lib/python3/dist-packages").display(),
            self.programs.libraries(),
            self.programs.root.join("usr/bin/borg").display()
        );
        script(&bin.join("borg"), &borg);
        // Debian's busybox has no flock; Alpine's has.
        for (name, at) in [("ssh", "/usr/bin/ssh"), ("curl", "/usr/bin/curl"), ("flock", "/usr/bin/flock")] {
            script(&bin.join(name), &format!("#!/bin/sh\nexec {at} \"$@\"\n"));
        }
    }

    /// The job of a cron job, as its pod would be started.
    fn job(&self, task: &str) -> Command {
        let (_, container) = self.container("backup", &format!("{task}-pi-1"));
        let mut command = Command::new(self.path("bin/sh"));
        command.arg(self.path("config").join(format!("{task}.sh")));
        self.environment(&mut command, container);
        command.env("REPOSITORY", format!("{}/pi-1", self.address));
        for (name, at) in [
            ("DATA", "disk"),
            ("STATE", "state"),
            ("SECRETS", "secrets"),
            ("CONFIG", "config"),
            ("TMPDIR", "tmp"),
        ] {
            command.env(name, self.path(at));
        }
        command.env("PATH", self.path("bin")).env("HOME", self.path("tmp"));
        command.stdin(Stdio::null());
        command
    }

    fn container(&self, namespace: &str, cron_job: &str) -> (&Yaml, &Yaml) {
        let is_it = |object: &&Yaml| {
            object["kind"].as_str() == Some("CronJob")
                && object["metadata"]["name"].as_str() == Some(cron_job)
                && object["metadata"]["namespace"].as_str() == Some(namespace)
        };
        let found = self.objects.iter().find(is_it).unwrap_or_else(|| panic!("no {cron_job}"));
        let pod = &found["spec"]["jobTemplate"]["spec"]["template"]["spec"];
        (pod, &pod["containers"][0])
    }

    fn environment(&self, command: &mut Command, container: &Yaml) {
        command.env_clear();
        for variable in container["env"].as_vec().unwrap() {
            if let Some(value) = variable["value"].as_str() {
                command.env(variable["name"].as_str().unwrap(), value);
            }
        }
    }

    fn run(&self, task: &str) -> (bool, String) {
        said(&mut self.job(task))
    }

    /// Runs a backup that must succeed.
    fn backup(&self) -> String {
        let (good, text) = self.run("backup");
        assert!(good && text.contains("done"), "{text}");
        text
    }

    /// borg itself, as somebody who has the passphrase.
    fn borg(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(". \"$CONFIG/common.sh\"; exec borg \"$@\"").arg("borg").args(arguments);
        let job = self.job("backup");
        command.envs(job.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (good, text) = said(&mut command);
        assert!(good, "{arguments:?}: {text}");
        text
    }

    /// `dump` or `load`, by the clients of a server.
    fn database(
        &self,
        task: &str,
        namespace: &str,
        database: &str,
        port: u16,
        clients: (PathBuf, String),
    ) -> (bool, String) {
        let (_, container) = self.container(namespace, &format!("{task}-{database}"));
        let config = self.objects.iter().find(|object| {
            object["kind"].as_str() == Some("ConfigMap")
                && object["metadata"]["namespace"].as_str() == Some(namespace)
                && !object["data"]["dump.sh"].is_badvalue()
        });
        let text = config.unwrap()["data"][format!("{task}.sh").as_str()].as_str().unwrap();
        fs::write(self.path("tmp/script"), text).unwrap();
        // The images have Debian's shell and tools.
        let mut command = Command::new("/bin/sh");
        command.arg(self.path("tmp/script"));
        self.environment(&mut command, container);
        let key =
            &container["env"].as_vec().unwrap().iter().find(|one| one["name"].as_str() == Some("PASSWORD"));
        assert!(!key.unwrap()["valueFrom"]["secretKeyRef"].is_badvalue(), "the password is in a Secret");
        fs::create_dir_all(self.disk().join("dumps")).unwrap();
        command.env("DUMPS", self.disk().join("dumps")).env("PASSWORD", PASSWORD);
        command.env("SERVICE", "127.0.0.1").env("PORT", port.to_string());
        let (dir, libraries) = clients;
        command.env("PATH", format!("{}:/usr/bin:/bin", dir.display())).env("LD_LIBRARY_PATH", libraries);
        let (good, text) = said(&mut command);
        assert!(!text.contains(PASSWORD), "{text}");
        (good, text)
    }
}

const PASSWORD: &str = "pa$$ w'ord\"x";

/// All objects, with real secrets.
fn objects(overlays: &Path, tables: &str) -> Vec<Yaml> {
    let checked = load(overlays, tables, ONE).unwrap_or_else(|report| panic!("{report}"));
    let mut found = Vec::new();
    for active in &checked.cluster.overlays {
        let mut values: BTreeMap<_, _> =
            active.overlay.secrets.keys().map(|name| (name.clone(), Secret::new(PASSWORD))).collect();
        values.retain(|name, _| !active.overlay.secrets[name].optional);
        values.extend(active.given.clone());
        let filled = active.render(SecretValues::Real { values, salt: Some(Secret::new("salt")) }).unwrap();
        found.extend(filled.files.iter().flat_map(|file| yaml_load::load(&file.text).unwrap()));
    }
    found
}

fn object<'a>(objects: &'a [Yaml], kind: &str, name: &str) -> &'a Yaml {
    let is_it = |object: &&Yaml| {
        object["kind"].as_str() == Some(kind) && object["metadata"]["name"].as_str() == Some(name)
    };
    objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn key(path: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]).arg(path);
    assert!(command.status().unwrap().success());
}

/// Every file below a directory: kind, mode, owners, time, size, where a link leads, and what is in it.
fn tree(dir: &Path) -> String {
    let list = "find . -mindepth 1 ! -path './backup*' -printf '%P %y %m %U %G %T@ %l %n\\n' | LC_ALL=C sort; \
                find . -type f ! -path './backup*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum";
    let (good, text) = said(Command::new("/bin/sh").arg("-c").arg(list).current_dir(dir));
    assert!(good, "{text}");
    text
}

/// Files as applications have them.
fn fill(disk: &Path) {
    let put = |name: &str, text: &str, mode: u32| {
        let path = disk.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    put("nextcloud/config/config.php", "<?php $CONFIG = ['a' => 1];", 0o640);
    put("nextcloud/data/kim/files/Über uns & co.txt", "text\n", 0o644);
    put("nextcloud/data/kim/files/empty", "", 0o600);
    put("two words/program", "#!/bin/sh\n", 0o4755);
    put("db/ibdata1", "a running database", 0o660);
    put("backup/of borg", "x", 0o600);
    symlink("config/config.php", disk.join("nextcloud/link")).unwrap();
    symlink("/nowhere/at all", disk.join("nextcloud/dangling")).unwrap();
    fs::hard_link(disk.join("nextcloud/config/config.php"), disk.join("nextcloud/again")).unwrap();
    fs::create_dir(disk.join("nextcloud/nothing")).unwrap();
    fs::set_permissions(disk.join("nextcloud"), fs::Permissions::from_mode(0o750)).unwrap();
    let (good, text) = said(
        Command::new("/bin/sh")
            .args(["-c", "touch -h -d '2001-02-03 04:05:06.123456' nextcloud/config/config.php nextcloud/data nextcloud/link nextcloud/nothing"])
            .current_dir(disk),
    );
    assert!(good, "{text}");
    if is_root() {
        let (good, text) = said(
            Command::new("/bin/sh")
                .args(["-c", "chown -hR 33:33 nextcloud && chown 999:998 'two words/program' && chmod 4755 'two words/program'"])
                .current_dir(disk),
        );
        assert!(good, "{text}");
    }
}

/// A big file that cannot be compressed.
fn fill_big(disk: &Path, mib: u64) {
    fs::create_dir_all(disk.join("big")).unwrap();
    let mut from = std::io::Read::take(fs::File::open("/dev/urandom").unwrap(), mib << 20);
    std::io::copy(&mut from, &mut fs::File::create(disk.join("big/file")).unwrap()).unwrap();
}

/// A namespace with the Secret of a database of one's own.
const SHOP: &str = "\
apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: pg, namespace: shop}\n\
stringData: {password: x}\n";

#[test]
fn all_is_lost_and_comes_back() {
    let proof = Proof::of_overlay(OverlayLevel::Programs, "backup");
    let dir = tempfile::tempdir().unwrap();
    let (maria_dir, pg_dir) = (dir.path().join("maria"), dir.path().join("pg"));
    for one in [&maria_dir, &pg_dir] {
        fs::create_dir(one).unwrap();
    }
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let sql_password = PASSWORD.replace('\'', "''");
    let maria = MariaDb::start(&maria_dir, "nextcloud", "nextcloud", &sql_password);
    let pg = Postgres::start(&pg_dir, "my_shop", "shop", PASSWORD);

    let own = tempfile::tempdir().unwrap();
    let shop = own.path().join("shop/manifests");
    fs::create_dir_all(&shop).unwrap();
    fs::write(own.path().join("shop/overlay.toml"), "about = \"A shop\"\n").unwrap();
    fs::write(shop.join("a.yaml"), SHOP).unwrap();
    let bench = Bench::by_ssh(
        "databases = [\"postgresql:shop/pg/my_shop/shop/pg/password\"]",
        "[overlays.nextcloud]\nhost = \"cloud.example.org\"\n[overlays.shop]\n",
        own.path(),
    );
    fill(&bench.disk());

    // Rows that are easily spoilt.
    let ask = |sql: &str| {
        let (bin, libraries) = maria.clients();
        let mut command = Command::new(bin.join("mariadb"));
        command.env("LD_LIBRARY_PATH", libraries).env("MYSQL_PWD", PASSWORD);
        command.args(["--no-defaults", "-h", "127.0.0.1", "-P", &maria.port.to_string(), "-u", "nextcloud"]);
        let (good, text) =
            said(command.args(["--default-character-set=utf8mb4", "-BN", "nextcloud", "-e", sql]));
        assert!(good, "{sql}: {text}");
        text
    };
    ask(
        "CREATE TABLE oc_files (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(200) CHARACTER SET utf8mb4, body LONGBLOB, at DATETIME(6)); \
         INSERT INTO oc_files (name, body, at) VALUES ('Größe 🥧 ''quoted'' \\\\', UNHEX('00ff0a0d1a275c'), '2026-03-29 02:30:00.123456'), (NULL, NULL, NULL); \
         CREATE TRIGGER one BEFORE INSERT ON oc_files FOR EACH ROW SET NEW.name = CONCAT(NEW.name, ''); \
         CREATE VIEW names AS SELECT name FROM oc_files",
    );
    let rows = "SELECT id, name, HEX(body), at FROM oc_files ORDER BY id; SELECT COUNT(*) FROM names; \
                SELECT trigger_name, action_statement FROM information_schema.triggers";
    let psql = |sql: &str| pg.psql("shop", PASSWORD, "my_shop", sql).unwrap();
    psql(
        "CREATE TABLE items (id serial PRIMARY KEY, name text, body bytea, doc jsonb); \
          INSERT INTO items (name, body, doc) VALUES (E'Größe 🥧 ''q'' \\\\ \\t', '\\x00ff27', '{\"a\": [1, null]}'), (NULL, NULL, NULL); \
          CREATE INDEX by_name ON items (name)",
    );
    let pg_rows = "SELECT id, name, encode(body, 'hex'), doc FROM items ORDER BY id; SELECT last_value FROM items_id_seq";
    let pg_rows =
        |psql: &dyn Fn(&str) -> String| pg_rows.split("; ").map(psql).collect::<Vec<_>>().join("\n");
    let (before, pg_before) = (ask(rows), pg_rows(&psql));

    for (namespace, database, port, clients) in
        [("nextcloud", "nextcloud", maria.port, maria.clients()), ("shop", "my-shop", pg.port, pg.clients())]
    {
        let (good, text) = bench.database("dump", namespace, database, port, clients);
        assert!(good && text.contains("dumped"), "{text}");
    }
    let whole = tree(&bench.disk());
    let without_db: Vec<&str> =
        whole.lines().filter(|line| !line.starts_with("db") && !line.contains("./db/")).collect();
    let log = bench.backup();
    assert!(log.contains("making the repository") && log.contains("checking the repository"), "{log}");
    let log = bench.backup();
    assert!(!log.contains("making the repository") && !log.contains("checking the repository"), "{log}");

    // The disk is a new one, and so is what borg knew of the repository. Folders are there, as a new node has them.
    for folder in ["disk", "state"] {
        fs::remove_dir_all(bench.path(folder)).unwrap();
        fs::create_dir(bench.path(folder)).unwrap();
    }
    fs::create_dir_all(bench.disk().join("nextcloud")).unwrap();
    ask("DROP VIEW names; DROP TABLE oc_files");
    psql("DROP TABLE items");

    let (good, text) = bench.run("restore");
    assert!(good && text.contains("restored /k8s-data/nextcloud"), "{text}");
    assert_eq!(tree(&bench.disk()).lines().collect::<Vec<_>>(), without_db, "files");
    assert!(!bench.disk().join("db").exists() && !bench.disk().join("backup").exists());
    for (namespace, database, port, clients) in
        [("nextcloud", "nextcloud", maria.port, maria.clients()), ("shop", "my-shop", pg.port, pg.clients())]
    {
        let load = || bench.database("load", namespace, database, port, clients.clone());
        let (good, text) = load();
        assert!(good && text.contains("loaded"), "{text}");
        // A second time would double rows.
        let (good, text) = load();
        assert!(!good && text.contains("nothing was loaded"), "{text}");
    }
    assert_eq!(ask(rows), before);
    assert_eq!(pg_rows(&psql), pg_before);

    // What is there is not overwritten, and nothing is restored by halves.
    fs::write(bench.disk().join("nextcloud/new"), "precious").unwrap();
    fs::remove_dir_all(bench.disk().join("two words")).unwrap();
    let (good, text) = bench.run("restore");
    assert!(!good && text.contains("/k8s-data/nextcloud has something in it"), "{text}");
    assert!(!bench.disk().join("two words").exists());
    assert_eq!(fs::read_to_string(bench.disk().join("nextcloud/new")).unwrap(), "precious");
    // One folder of an older backup; what an interrupted restore has left does not matter.
    fs::remove_dir_all(bench.disk().join("nextcloud")).unwrap();
    fs::create_dir_all(bench.disk().join(".restore/nextcloud")).unwrap();
    let first = bench.borg(&["list", "--short", "--first", "1"]);
    let mut command = bench.job("restore");
    let (good, text) = said(command.env("FOLDERS", "nextcloud").env("ARCHIVE", first.trim()));
    assert!(good && text.contains(first.trim()), "{text}");
    assert!(bench.disk().join("nextcloud/again").exists() && !bench.disk().join(".restore").exists());
    let mut command = bench.job("restore");
    let (good, text) = said(command.env("FOLDERS", "nextclout"));
    assert!(!good && text.contains("the backup has no nextclout"), "{text}");
    proof.holds();
}

#[test]
fn another_host_under_the_same_address_gets_nothing() {
    let bench = Bench::by_ssh("", "", Path::new("/nowhere"));
    fill(&bench.disk());
    let known = bench.path("config/known_hosts");
    let right = fs::read_to_string(&known).unwrap();
    key(&bench.path("other"));
    let other = fs::read_to_string(bench.path("other.pub")).unwrap();
    let host = right.split(' ').next().unwrap();
    fs::write(&known, format!("{host} {}", other.trim())).unwrap();
    for task in ["backup", "restore"] {
        let (good, text) = bench.run(task);
        assert!(!good && text.contains("Host key verification failed"), "{text}");
    }
    assert_eq!(fs::read_dir(bench.path("host/backup")).unwrap().count(), 0, "something was sent");
    // Nor is a host taken that is not known at all, nor somebody with another key.
    fs::write(&known, "").unwrap();
    let (good, text) = bench.run("backup");
    assert!(!good && text.contains("Host key verification failed"), "{text}");
    fs::write(&known, right).unwrap();
    let secret = bench.path("secrets/ssh-key");
    let mine = fs::read(&secret).unwrap();
    fs::copy(bench.path("other"), &secret).unwrap();
    let (good, text) = bench.run("backup");
    assert!(!good && text.contains("Permission denied"), "{text}");
    fs::write(&secret, mine).unwrap();
    bench.backup();
}

#[test]
fn a_backup_that_was_killed_does_not_stop_the_next_one() {
    let bench = Bench::by_ssh("", "", Path::new("/nowhere"));
    fill(&bench.disk());
    bench.backup();
    fill_big(&bench.disk(), 48);
    let repository = bench.path("host/backup/pi-1");
    let log = bench.path("killed.log");
    let mut job = bench.job("backup");
    log_to(&mut job, &log);
    let mut running = Running(job.process_group(0).spawn().unwrap());
    // Some of it has arrived.
    let size = || {
        let (_, text) = said(Command::new("du").arg("-sm").arg(&repository));
        text.split_whitespace().next().and_then(|size| size.parse::<u64>().ok()).unwrap_or(0)
    };
    wait(|| size() > 8, &log);
    // Meanwhile no other one begins.
    for task in ["backup", "restore"] {
        let (good, text) = bench.run(task);
        assert!(!good && text.contains("another backup or restore of this node is running"), "{text}");
    }
    running.kill();
    // The last of its processes are gone, as where a pod is.
    let lock = bench.path("state/lock");
    wait(|| said(Command::new("flock").arg("-n").arg(&lock).arg("true")).0, &log);
    assert!(!fs::read_to_string(&log).unwrap().contains("done"), "it was too quick to be killed");
    // The server's borg removes its lock where it learns of the end in time, and leaves it where the NAS is switched off too. It must
    // have the name of a host, its number, and a process that is no more.
    let lock = repository.join("lock.exclusive");
    if !lock.exists() {
        fs::create_dir(&lock).unwrap();
        fs::write(lock.join("pi-1@123456789.4194304-0"), "").unwrap();
        // The server's borg is another user's.
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o777)).unwrap();
    }
    bench.backup();
    let list = bench.borg(&["list", "--short"]);
    assert_eq!(list.lines().count(), 2, "{list}");
}

#[test]
fn a_repository_without_room_is_told_and_keeps_what_it_has() {
    if !user_namespaces() {
        return;
    }
    let bench = Bench::by_folder("");
    fs::create_dir_all(bench.disk().join("small")).unwrap();
    fs::write(bench.disk().join("small/file"), "kept").unwrap();
    let place = PathBuf::from(&bench.address);
    fs::create_dir(&place).unwrap();
    // A disk of 12 MB, in a namespace of its own, that takes one backup and not the next.
    let steps = format!(
        "mount -t tmpfs -o size=12m none {at} && \"$@\" && cp -r {disk}/small {disk}/more && \
         head -c 16000000 /dev/urandom > {disk}/more/big && ! \"$@\" && rm {disk}/more/big && \
         . \"$CONFIG/common.sh\" && unlock && borg check && borg list --short && echo all right",
        at = place.display(),
        disk = bench.disk().display()
    );
    let job = bench.job("backup");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", &steps, "sh"]);
    command.arg(job.get_program()).args(job.get_args());
    command.env_clear().envs(job.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bench.path("bin").display()));
    let (good, text) = said(&mut command);
    assert!(good && text.contains("all right"), "{text}");
    assert!(text.contains("No space left on device") && text.contains("the backup failed"), "{text}");
}

#[test]
fn old_backups_go_and_what_is_missing_or_damaged_is_told() {
    let bench = Bench::by_folder(
        "keep-daily = 3\nkeep-weekly = 0\nkeep-monthly = 2\nfolders = [\"nextcloud\", \"not there\"]\nexclude = [\"nextcloud/data/*/files\"]\n",
    );
    fill(&bench.disk());
    let (good, text) = bench.run("backup");
    assert!(!good && text.contains("the backup lacks something; there is no folder not there"), "{text}");
    fs::create_dir(bench.disk().join("not there")).unwrap();
    bench.backup();
    let last = bench.borg(&["list", "--last", "1", "--short"]);
    let files = bench.borg(&["list", "--short", &format!("::{}", last.trim())]);
    assert!(files.contains("nextcloud/config/config.php") && files.contains("not there"), "{files}");
    assert!(!files.contains("two words") && !files.contains("kim/files"), "{files}");
    for day in
        ["2026-01-01", "2026-02-10", "2026-02-11", "2026-03-05", "2026-03-06", "2026-03-07", "2026-03-08"]
    {
        let (name, time) = (format!("::pi-1-{day}"), format!("{day}T03:00:00"));
        bench.borg(&[
            "create",
            "--timestamp",
            &time,
            &name,
            bench.disk().join("nextcloud").to_str().unwrap(),
        ]);
    }
    bench.borg(&[
        "create",
        "--timestamp",
        "2026-01-01T03:00:00",
        "::by-hand",
        bench.disk().to_str().unwrap(),
    ]);
    bench.backup();
    let left = bench.borg(&["list", "--short"]);
    // Today's, the two days before it that have one, and the last of the two months before theirs.
    let old: Vec<&str> = left.lines().filter(|name| name.contains("-2026-0")).collect();
    assert_eq!(old, ["pi-1-2026-01-01", "pi-1-2026-02-11", "pi-1-2026-03-07", "pi-1-2026-03-08"], "{left}");
    assert!(left.contains("by-hand"), "{left}");

    // A byte of the repository changes; the check of the month finds it.
    let mut files: Vec<_> = walk(&Path::new(&bench.address).join("pi-1/data"));
    files.sort_by_key(|path| fs::metadata(path).unwrap().len());
    let largest = files.last().unwrap();
    let good_bytes = fs::read(largest).unwrap();
    let mut bytes = good_bytes.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(largest, bytes).unwrap();
    fs::remove_file(bench.path("state/checked")).unwrap();
    let (good, text) = bench.run("backup");
    assert!(!good, "{text}");
    assert!(!bench.path("state/checked").exists(), "{text}");
    fs::write(largest, good_bytes).unwrap();
    bench.backup();

    // The place is there, and the repository is not: as where a disk is not mounted.
    fs::rename(&bench.address, bench.path("elsewhere")).unwrap();
    let (good, text) = bench.run("backup");
    assert!(!good && text.contains("is gone") && text.contains("/k8s-data/backup/repository"), "{text}");
    assert!(!Path::new(&bench.address).exists());
}

/// Counts who asks for what; the answer is always yes.
fn listener() -> (u16, Arc<Mutex<Vec<String>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, asked) = (socket.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let shared = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in socket.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            shared.lock().unwrap().push(line);
            let _ = (&stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, asked)
}

#[test]
fn a_dump_that_is_missing_or_old_is_told_and_the_rest_is_backed_up() {
    let (port, asked) = listener();
    let bench = Bench::by_folder(&format!(
        "ping-url = \"http://127.0.0.1:{port}/ping/secret\"\n\
         [overlays.nextcloud]\nhost = \"cloud.example.org\"\n"
    ));
    fill(&bench.disk());
    let dump = bench.disk().join("dumps/nextcloud-nextcloud.sql");
    fs::create_dir_all(dump.parent().unwrap()).unwrap();
    let lacking = || {
        let (good, text) = bench.run("backup");
        assert!(!good && text.contains("there is no dump of nextcloud-nextcloud from this night"), "{text}");
    };
    lacking();
    fs::write(&dump, "x").unwrap();
    let (good, text) = said(Command::new("touch").args(["-d", "2 days ago"]).arg(&dump));
    assert!(good, "{text}");
    lacking();
    let list = bench.borg(&["list", "--short"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    fs::write(&dump, "y").unwrap();
    assert_eq!(asked.lock().unwrap().len(), 0, "a backup that lacks something is no good news");
    bench.backup();
    assert_eq!(*asked.lock().unwrap(), ["GET /ping/secret HTTP/1.1\r\n"]);
    // Nobody answers: no dump, and the old one stays.
    let (good, text) = bench.database("dump", "nextcloud", "nextcloud", free_port(), clients_of_mariadb());
    assert!(!good, "{text}");
    assert_eq!(fs::read_to_string(&dump).unwrap(), "y");
    // Nor is one taken that ends too early.
    let bin = bench.path("tmp/clients");
    fs::create_dir(&bin).unwrap();
    script(&bin.join("mariadb-dump"), "#!/bin/sh\necho '-- MariaDB dump'\n");
    let (good, text) = bench.database("dump", "nextcloud", "nextcloud", 1, (bin, String::new()));
    assert!(!good && text.contains("is not whole"), "{text}");
    assert_eq!(fs::read_to_string(&dump).unwrap(), "y");
}

fn clients_of_mariadb() -> (PathBuf, String) {
    let root = unpacked::packages(&["mariadb-client", "mariadb-client-core", "libncurses6", "libtinfo6"]);
    (root.join("usr/bin"), unpacked::libraries(&root))
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
