//! The program of etcd.

use std::path::PathBuf;

/// Where a test has the program.
const VARIABLE: &str = "K3S_DOUBLE_ETCD";

/// The path of the program; `None` where a test gives none, and a further server passes everything on to the first one.
pub(crate) fn find() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}
