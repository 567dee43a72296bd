//! A test in a network of its own, where its machines may have any address.

use std::process::Command;

/// Set inside.
const MARK: &str = "HCIMAGE_TEST_NETWORK";

/// Runs a test there, by the name that the test program knows it by: the program starts itself once more. `fetch` gets what is
/// fetched from the network outside, `namespaces` are options of unshare(1) beside the network.
pub fn in_own_network(
    name: &str,
    addresses: &[&str],
    namespaces: &[&str],
    fetch: impl FnOnce(),
    test: impl FnOnce(),
) {
    if std::env::var_os(MARK).is_none() {
        fetch();
        let status = Command::new("unshare")
            .args(namespaces)
            .arg("--net")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name, "--include-ignored", "--nocapture", "--test-threads=1"])
            .env(MARK, "1")
            .status()
            .expect("unshare is missing: apt-get install util-linux");
        assert!(status.success(), "{name} in a network of its own: {status}");
        return;
    }
    let ip = |args: &[&str]| {
        let status = Command::new("ip").args(args).status().expect("ip is missing: apt-get install iproute2");
        assert!(status.success(), "ip {args:?}");
    };
    ip(&["link", "set", "lo", "up"]);
    for address in addresses {
        ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]);
    }
    test();
}
