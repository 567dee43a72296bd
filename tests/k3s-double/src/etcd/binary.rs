//! The program of etcd.

use std::path::PathBuf;

/// Where a test has the program.
const VARIABLE: &str = "K3S_DOUBLE_ETCD";

/// Where it is in an image whose k3s gets no variable from a test.
const IN_IMAGE: &str = "/usr/local/lib/k3s-double/etcd";

/// The path of the program; `None` where a test gives none, and a further server passes everything on to the first one.
pub(crate) fn find() -> Option<PathBuf> {
    let given = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    given.or_else(|| Some(PathBuf::from(IN_IMAGE)).filter(|path| path.is_file()))
}
