//! Programs of Debian packages that are not installed, run on free ports of loopback by somebody who is not root.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{processes, unpacked};

/// Nobody, where the tests run as root: many servers refuse that.
const NOBODY: u32 = 65534;

pub fn is_root() -> bool {
    whoami() == 0
}

fn whoami() -> u32 {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim().parse().unwrap()
}

/// Who the servers of the tests run as.
pub fn user() -> u32 {
    if is_root() { NOBODY } else { whoami() }
}

/// Files of packages where that user can read them: the cache may be in a directory of root alone.
pub struct Programs {
    pub root: PathBuf,
}

impl Programs {
    pub fn new(into: &Path, packages: &[&str]) -> Self {
        let from = unpacked::packages(packages);
        let root = into.join("programs");
        let copied = Command::new("cp").arg("-a").arg(&from).arg(&root).status().unwrap();
        assert!(copied.success());
        for dir in [into, root.as_path()] {
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self { root }
    }

    pub fn libraries(&self) -> String {
        unpacked::libraries(&self.root)
    }

    /// One of them, run by that user, in a group of its own.
    pub fn server(&self, path: &str) -> Command {
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
    pub fn server_with_users(&self, path: &str, users: &str, dir: &Path) -> Command {
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
pub fn give(path: &Path) {
    if is_root() {
        let id = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").arg("-R").arg(id).arg(path).status().unwrap().success());
    }
}

/// A process with its children, which ends with the test.
pub struct Running(pub Child);

impl Running {
    /// Ends it as the power going would, all at once.
    pub fn kill(&mut self) {
        let signal = |name: &str, whom: &[String]| {
            let _ = Command::new("kill").args([name, "--"]).args(whom).stderr(Stdio::null()).status();
        };
        let mut all = Vec::new();
        if let Ok(None) = self.0.try_wait() {
            // Stopped, it starts no more. PostgreSQL's own processes are in groups of their own, and where one is left no other server
            // starts.
            signal("-STOP", &[self.0.id().to_string()]);
            all = processes::children(&self.0);
        }
        signal("-KILL", &[vec![format!("-{}", self.0.id())], all.clone()].concat());
        let _ = self.0.kill();
        let _ = self.0.wait();
        processes::wait_for_end(&all);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Far more than a start takes: only a hang gets there.
const LIMIT: Duration = Duration::from_secs(90);

pub fn wait(mut done: impl FnMut() -> bool, log: &Path) {
    let began = Instant::now();
    while !done() {
        let said = fs::read_to_string(log).unwrap_or_default();
        assert!(began.elapsed() < LIMIT, "{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until somebody listens on loopback.
pub fn wait_for_port(port: u16, log: &Path) {
    wait_for_listener("127.0.0.1", port, log);
}

fn wait_for_listener(address: &str, port: u16, log: &Path) {
    wait(|| TcpStream::connect((address, port)).is_ok(), log);
}

pub fn log_to(command: &mut Command, log: &Path) {
    let open = || Stdio::from(fs::File::options().create(true).append(true).open(log).unwrap());
    command.stdout(open()).stderr(open());
}

/// Debian's packages with MariaDB and its clients.
pub const MARIADB: [&str; 16] = [
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
pub fn mariadb_tables(share: &Path) -> String {
    let files = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"];
    let texts = files.map(|file| fs::read_to_string(share.join(file)).unwrap());
    format!("CREATE DATABASE mysql;\nUSE mysql;\n{}", texts.concat())
}

/// Where a database listens, and its arguments beside the usual ones.
#[derive(Clone)]
pub struct Place {
    pub address: &'static str,
    pub port: u16,
    pub more: Vec<String>,
}

impl Place {
    /// A free port of loopback.
    pub fn loopback() -> Self {
        Self { address: "127.0.0.1", port: free_port(), more: Vec::new() }
    }
}

/// A MariaDB with one database and its user.
pub struct MariaDb {
    pub port: u16,
    place: Place,
    programs: Programs,
    dir: PathBuf,
    running: Option<Running>,
}

impl MariaDb {
    pub fn start(dir: &Path, database: &str, user: &str, password: &str) -> Self {
        let sql = format!(
            "CREATE DATABASE {database};\nCREATE USER '{user}'@'%' IDENTIFIED BY '{password}';\n\
             GRANT ALL ON {database}.* TO '{user}'@'%';\n"
        );
        Self::start_at(Place::loopback(), dir, &sql)
    }

    /// With what these statements make.
    pub fn start_at(place: Place, dir: &Path, statements: &str) -> Self {
        let mut made = Self {
            port: place.port,
            place,
            programs: Programs::new(dir, &MARIADB),
            dir: dir.to_owned(),
            running: None,
        };
        let (data, log) = (dir.join("data"), dir.join("log"));
        fs::create_dir(&data).unwrap();
        let mut sql = mariadb_tables(&made.programs.root.join("usr/share/mysql"));
        sql.push_str("FLUSH PRIVILEGES;\n");
        sql.push_str(statements);
        let input = dir.join("bootstrap.sql");
        fs::write(&input, sql).unwrap();
        give(&data);
        let mut bootstrap = made.program();
        bootstrap.args(["--bootstrap", "--skip-grant-tables"]);
        let done = bootstrap.stdin(fs::File::open(&input).unwrap()).status().unwrap();
        assert!(done.success(), "{}", fs::read_to_string(&log).unwrap());
        made.serve();
        made
    }

    fn program(&self) -> Command {
        let mut command = self.programs.server("usr/sbin/mariadbd");
        log_to(&mut command, &self.dir.join("log"));
        command.args([
            "--no-defaults".to_owned(),
            format!("--datadir={}", self.dir.join("data").display()),
            format!("--lc-messages-dir={}", self.programs.root.join("usr/share/mysql").display()),
        ]);
        command
    }

    /// Starts it, again where it was killed.
    pub fn serve(&mut self) {
        let mut server = self.program();
        server.args(&self.place.more).args([
            format!("--port={}", self.port),
            format!("--bind-address={}", self.place.address),
            format!("--socket={}", self.dir.join("data/socket").display()),
        ]);
        self.running = Some(Running(server.spawn().unwrap()));
        wait_for_listener(self.place.address, self.port, &self.dir.join("log"));
    }

    /// Ends it as the power going would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Where its clients are, and the libraries that they need.
    pub fn clients(&self) -> (PathBuf, String) {
        (self.programs.root.join("usr/bin"), self.programs.libraries())
    }
}

/// Debian's packages with PostgreSQL and its clients.
pub const POSTGRES: [&str; 3] = ["postgresql-15", "postgresql-client-15", "libpq5"];

/// A PostgreSQL with one database and its user.
pub struct Postgres {
    pub port: u16,
    place: Place,
    programs: Programs,
    dir: PathBuf,
    running: Option<Running>,
}

impl Postgres {
    pub fn start(dir: &Path, database: &str, user: &str, password: &str) -> Self {
        Self::start_at(Place::loopback(), dir, database, user, password)
    }

    pub fn start_at(place: Place, dir: &Path, database: &str, user: &str, password: &str) -> Self {
        let programs = Programs::new(dir, &POSTGRES);
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
        let mut made = Self { port: place.port, place, programs, dir: dir.to_owned(), running: None };
        made.serve();
        let ask = || made.psql(user, password, "postgres", &format!("CREATE DATABASE {database}"));
        // It answers before it is ready.
        wait(|| ask().is_ok(), &log);
        made
    }

    /// Starts it, again where it was killed.
    pub fn serve(&mut self) {
        let (data, log) = (self.dir.join("data"), self.dir.join("log"));
        let mut server = self.programs.server("usr/lib/postgresql/15/bin/postgres");
        log_to(&mut server, &log);
        server
            .arg("-D")
            .arg(&data)
            .args(["-h", self.place.address, "-p", &self.port.to_string(), "-k"])
            .arg(&data);
        server.args(&self.place.more);
        self.running = Some(Running(server.spawn().unwrap()));
        wait_for_listener(self.place.address, self.port, &log);
    }

    /// Ends it as the power going would.
    pub fn kill(&mut self) {
        self.running = None;
        // Of a process that is no more; another may have its number by now.
        let _ = fs::remove_file(self.dir.join("data/postmaster.pid"));
    }

    pub fn psql(&self, user: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
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
                self.place.address,
                "-p",
                &self.port.to_string(),
            ])
            .args(["-U", user, "-d", database, "-c", sql])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    pub fn clients(&self) -> (PathBuf, String) {
        (self.programs.root.join("usr/lib/postgresql/15/bin"), self.programs.libraries())
    }
}
