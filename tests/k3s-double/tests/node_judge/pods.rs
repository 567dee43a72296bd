//! What is in the containers: Debian's programs, and scripts of the tests' own that play the entry scripts of published images.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use hcimage_testkit::base;

/// The root directory that `tests/bases/make.sh --pods` makes.
pub(crate) fn root() -> PathBuf {
    let mut command = Command::new(base::root().join("tests/bases/make.sh"));
    let output = command.arg("--pods").stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "tests/bases/make.sh --pods failed");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

const START_MARIADB: &str = include_str!("pods/start-mariadb.sh");
const START_NEXTCLOUD: &str = include_str!("pods/start-nextcloud.sh");
const STATUS: &str = include_str!("pods/status.php");
const OCC: &str = include_str!("pods/occ.php");
const APACHE: &str = include_str!("pods/apache.conf");

/// What installs a chart where k3s has its own job.
pub(crate) const INSTALL_CHART: &str = include_str!("pods/install-chart.sh");

const PASSWD: &str =
    "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/var/www:/bin/sh\nmysql:x:999:999::/:/bin/sh\n";
const GROUP: &str = "root:x:0:\nwww-data:x:33:\nmysql:x:999:\n";

/// Files beside the root directory, which no script of a package has configured; `ca` is that of the LAN's servers.
pub(crate) fn files(ca: &str) -> Vec<(String, Vec<u8>)> {
    let all = [
        ("etc/passwd", PASSWD),
        ("etc/group", GROUP),
        ("etc/ssl/certs/ca-certificates.crt", ca),
        ("usr/local/bin/start-mariadb", START_MARIADB),
        ("usr/local/bin/start-nextcloud", START_NEXTCLOUD),
        ("usr/src/nextcloud/status.php", STATUS),
        ("usr/src/nextcloud/occ", OCC),
        ("etc/apache2/hcimage.conf", APACHE),
    ];
    all.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into()
}
