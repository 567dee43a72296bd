//! Programs of Debian packages that are not installed, run on free ports of loopback by somebody who is not root.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hcimage_testkit::unpacked;

pub(crate) use super::programs::{free_port, is_root, wait_for as wait_for_port};

/// Nobody, where the tests run as root: many servers refuse that.
const NOBODY: u32 = 65534;

fn whoami() -> u32 {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim().parse().unwrap()
}

/// Who the servers of the tests run as.
pub(crate) fn user() -> u32 {
    if is_root() { NOBODY } else { whoami() }
}

/// Files of packages where that user can read them: the cache may be in a directory of root alone.
pub(crate) struct Programs {
    pub(crate) root: PathBuf,
}

impl Programs {
    pub(crate) fn new(into: &Path, packages: &[&str]) -> Self {
        let from = unpacked::packages(packages);
        let root = into.join("programs");
        let copied = Command::new("cp").arg("-a").arg(&from).arg(&root).status().unwrap();
        assert!(copied.success());
        for dir in [into, root.as_path()] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { root }
    }

    pub(crate) fn libraries(&self) -> String {
        unpacked::libraries(&self.root)
    }

    /// One of them, run by that user, in a group of its own.
    pub(crate) fn server(&self, path: &str) -> Command {
        let program = self.root.join(path);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let id = user().to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.env("LD_LIBRARY_PATH", self.libraries()).stdin(Stdio::null()).process_group(0);
        command
    }

    /// The same, which finds no users but those of a file of passwd.
    pub(crate) fn server_with_users(&self, path: &str, users: &str, dir: &Path) -> Command {
        let (passwd, group) = (dir.join("passwd"), dir.join("group"));
        fs::write(&passwd, users).unwrap();
        let groups: String = users
            .lines()
            .map(|line| {
                let parts: Vec<&str> = line.split(':').collect();
                format!("{}:x:{}:\n", parts[0], parts[3])
            })
            .collect();
        fs::write(&group, groups).unwrap();
        let wrapper = self.libraries();
        let found =
            wrapper.split(':').map(|dir| Path::new(dir).join("libnss_wrapper.so")).find(|so| so.exists());
        let mut command = self.server(path);
        command.env("NSS_WRAPPER_PASSWD", passwd).env("NSS_WRAPPER_GROUP", group);
        command.env("LD_PRELOAD", found.unwrap());
        command
    }
}

/// Gives a directory and what is in it to the servers' user.
pub(crate) fn give(path: &Path) {
    if is_root() {
        let id = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").arg("-R").arg(id).arg(path).status().unwrap().success());
    }
}

/// A process with its children, which ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    /// Ends it as the power going would.
    pub(crate) fn kill(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Far more than a start takes: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn wait(mut done: impl FnMut() -> bool, log: &Path) {
    let began = Instant::now();
    while !done() {
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(began.elapsed() < LIMIT, "{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn log_to(command: &mut Command, log: &Path) {
    let open = || Stdio::from(fs::File::options().create(true).append(true).open(log).unwrap());
    command.stdout(open()).stderr(open());
}

/// Debian's packages with MariaDB and its clients.
pub(crate) const MARIADB: [&str; 16] = [
    "mariadb-server-core",
    "mariadb-client-core",
    "mariadb-client",
    "mariadb-server",
    "liburing2",
    "libaio1",
    "libsnappy1v5",
    "liblz4-1",
    "libncurses6",
    "libtinfo6",
    "libedit2",
    "libbsd0",
    "libmd0",
    "libpmem1",
    "libdaxctl1",
    "libndctl6",
];

/// What MariaDB's own tables are made of, from the folder with its shared files.
pub(crate) fn mariadb_tables(share: &Path) -> String {
    let files = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"];
    let texts = files.map(|file| fs::read_to_string(share.join(file)).unwrap());
    format!("CREATE DATABASE mysql;\nUSE mysql;\n{}", texts.concat())
}

/// A MariaDB with one database and its user.
pub(crate) struct MariaDb {
    pub(crate) port: u16,
    programs: Programs,
    _running: Running,
}

impl MariaDb {
    pub(crate) fn start(dir: &Path, database: &str, user: &str, password: &str) -> Self {
        let programs = Programs::new(dir, &MARIADB);
        let (data, log) = (dir.join("data"), dir.join("log"));
        fs::create_dir(&data).unwrap();
        let share = programs.root.join("usr/share/mysql");
        let mut sql = mariadb_tables(&share);
        sql.push_str(&format!(
            "FLUSH PRIVILEGES;\nCREATE DATABASE {database};\nCREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON {database}.* TO '{user}'@'%';\n"
        ));
        let input = dir.join("bootstrap.sql");
        fs::write(&input, sql).unwrap();
        give(&data);
        let common = [
            "--no-defaults".to_owned(),
            format!("--datadir={}", data.display()),
            format!("--lc-messages-dir={}", share.display()),
        ];
        let mut bootstrap = programs.server("usr/sbin/mariadbd");
        log_to(&mut bootstrap, &log);
        bootstrap.args(&common).args(["--bootstrap", "--skip-grant-tables"]);
        let made = bootstrap.stdin(fs::File::open(&input).unwrap()).status().unwrap();
        assert!(made.success(), "{}", fs::read_to_string(&log).unwrap());
        let port = free_port();
        let mut server = programs.server("usr/sbin/mariadbd");
        log_to(&mut server, &log);
        server.args(&common).args([
            format!("--port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--socket={}", data.join("socket").display()),
        ]);
        let running = Running(server.spawn().unwrap());
        wait_for_port(port, &log);
        Self { port, programs, _running: running }
    }

    /// Where its clients are, and the libraries that they need.
    pub(crate) fn clients(&self) -> (PathBuf, String) {
        (self.programs.root.join("usr/bin"), self.programs.libraries())
    }
}

/// A PostgreSQL with one database and its user.
pub(crate) struct Postgres {
    pub(crate) port: u16,
    programs: Programs,
    dir: PathBuf,
    running: Option<Running>,
}

impl Postgres {
    pub(crate) fn start(dir: &Path, database: &str, user: &str, password: &str) -> Self {
        let programs = Programs::new(dir, &["postgresql-15", "postgresql-client-15", "libpq5"]);
        let (data, log, secret) = (dir.join("data"), dir.join("log"), dir.join("secret"));
        fs::create_dir(&data).unwrap();
        fs::write(&secret, format!("{password}\n")).unwrap();
        give(&data);
        give(&secret);
        let mut init = programs.server("usr/lib/postgresql/15/bin/initdb");
        log_to(&mut init, &log);
        let share = programs.root.join("usr/share/postgresql/15");
        init.arg("-D").arg(&data).arg("-L").arg(&share).args([
            "-U",
            user,
            "-A",
            "scram-sha-256",
            "--no-sync",
            "-E",
            "UTF8",
        ]);
        init.arg("--locale=C").arg("--pwfile").arg(&secret);
        assert!(init.status().unwrap().success(), "{}", fs::read_to_string(&log).unwrap());
        let mut made = Self { port: free_port(), programs, dir: dir.to_owned(), running: None };
        made.serve();
        let ask = || made.psql(user, password, "postgres", &format!("CREATE DATABASE {database}"));
        // It answers before it is ready.
        wait(|| ask().is_ok(), &log);
        made
    }

    /// Starts it, again where it was killed.
    pub(crate) fn serve(&mut self) {
        let (data, log) = (self.dir.join("data"), self.dir.join("log"));
        let mut server = self.programs.server("usr/lib/postgresql/15/bin/postgres");
        log_to(&mut server, &log);
        server.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k"]).arg(&data);
        self.running = Some(Running(server.spawn().unwrap()));
        wait_for_port(self.port, &log);
    }

    /// Ends it as the power going would.
    pub(crate) fn kill(&mut self) {
        self.running = None;
        // Of a process that is no more; another may have its number by now.
        let _ = fs::remove_file(self.dir.join("data/postmaster.pid"));
    }

    pub(crate) fn psql(
        &self,
        user: &str,
        password: &str,
        database: &str,
        sql: &str,
    ) -> Result<String, String> {
        let (dir, libraries) = self.clients();
        let output = Command::new(dir.join("psql"))
            .env("LD_LIBRARY_PATH", libraries)
            .env("PGPASSWORD", password)
            .args([
                "-X",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
            ])
            .args(["-U", user, "-d", database, "-c", sql])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub(crate) fn clients(&self) -> (PathBuf, String) {
        (self.programs.root.join("usr/lib/postgresql/15/bin"), self.programs.libraries())
    }
}
