//! What websites run on: Debian's MariaDB and PHP.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::unpacked;

use super::programs::{Running, free_port, is_root, program, to_log, wait_for};

/// PHP of Debian as `php` in the folder `dir`, without the settings of any system, as both images have its extensions.
pub(crate) fn php(dir: &Path) -> PathBuf {
    const EXTENSIONS: [&str; 12] = [
        "mysqlnd",
        "mysqli",
        "pdo",
        "pdo_mysql",
        "tokenizer",
        "ctype",
        "iconv",
        "dom",
        "simplexml",
        "xml",
        "fileinfo",
        "mbstring",
    ];
    let root = unpacked::packages(&[
        "php8.2-cli",
        "php8.2-common",
        "php8.2-mysql",
        "php8.2-xml",
        "php8.2-mbstring",
        "libargon2-1",
        "libsodium23",
        "libpcre2-8-0",
        "libedit2",
        "libbsd0",
        "libmd0",
        "libonig5",
        "libxml2",
    ]);
    let loaded: String = EXTENSIONS.iter().map(|name| format!(" -d extension={name}")).collect();
    let (place, libraries) = (root.display(), unpacked::libraries(&root));
    let text = format!(
        "#!/bin/sh\nexport LD_LIBRARY_PATH={libraries}\n\
         exec {place}/usr/bin/php8.2 -n -d extension_dir={place}/usr/lib/php/20220829{loaded} \"$@\"\n"
    );
    fs::create_dir_all(dir).unwrap();
    let path = dir.join("php");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// All that Debian's MariaDB needs.
const MARIADB: [&str; 16] = [
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

/// Debian's MariaDB, 10.11, with the arguments of an overlay, on loopback; `sql` has a statement a line.
pub(crate) struct MariaDb {
    pub(crate) port: u16,
    _running: Running,
    _dir: tempfile::TempDir,
}

impl MariaDb {
    pub(crate) fn start(arguments: &[String], sql: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        let (mut server, root) = program(&MARIADB, "usr/sbin/mariadbd");
        let share = format!("--lc-messages-dir={}", root.join("usr/share/mysql").display());
        let common = ["--no-defaults".to_owned(), format!("--datadir={}", data.display()), share];
        // As the image's entry script does it before the first start: a server that fills the directory and ends.
        let (mut bootstrap, _) = program(&MARIADB, "usr/sbin/mariadbd");
        let mut tables = "CREATE DATABASE mysql;\nUSE mysql;\n".to_owned();
        for file in ["mysql_system_tables.sql", "mysql_system_tables_data.sql"] {
            tables.push_str(&fs::read_to_string(root.join("usr/share/mysql").join(file)).unwrap());
        }
        let (input, begin, log) =
            (dir.path().join("bootstrap.sql"), dir.path().join("begin.sql"), dir.path().join("log"));
        fs::write(&input, tables).unwrap();
        fs::write(&begin, sql).unwrap();
        let as_root = is_root().then(|| "--user=root".to_owned());
        let made = bootstrap
            .args(&common)
            .args(&as_root)
            .args(["--bootstrap", "--skip-grant-tables"])
            .stdin(fs::File::open(&input).unwrap())
            .stderr(to_log(&log))
            .status()
            .unwrap();
        assert!(made.success(), "{}", fs::read_to_string(&log).unwrap());
        let port = free_port();
        let child = server
            .args(&common)
            .args(&as_root)
            .args(arguments)
            .args([
                format!("--port={port}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--socket={}", dir.path().join("socket").display()),
                format!("--init-file={}", begin.display()),
            ])
            .stderr(to_log(&log))
            .spawn()
            .unwrap();
        let database = Self { port, _running: Running(child), _dir: dir };
        wait_for(port, &log);
        database
    }

    /// Its client's program for administrators.
    pub(crate) fn admin() -> Command {
        let (mut admin, _) = program(&MARIADB, "usr/bin/mariadb-admin");
        admin.arg("--no-defaults");
        admin
    }
}
