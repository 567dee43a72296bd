//! The publishers' first boots, rebuilt from what is known of them, under Debian's kernel: what their own units and
//! programs do must come to its end, and leave the node as it should be. `make boot-publishers` runs them.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use hc_firstboot::report::ReportStatus;
use hcimage::run::{Forward, Network};
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::external_tool::Outcome;
use hcimage_testkit::hcimage::{hcimage, succeed};
use hcimage_testkit::tools::{check, debugfs, debugfs_put, dump, run};

use crate::BY_KERNEL;
use crate::guest::Guest;
use crate::node::Node;

/// Without accounts, as config.md has it for a node that nobody is to log in to. The base's program in place of init would
/// write another id onto the disk; its wizard would keep multi-user.target waiting.
#[test]
#[ignore = "slow; `make boot-publishers` runs it"]
fn raspberry_pi_os_bookworm_is_ready() {
    let node = Node::build("pi-os-bookworm-like", "cm4");
    node.keep_the_journal();
    node.move_to_larger_card();
    let built = node.disk_id();
    assert_ne!(built, "0x5a0b7c12", "the image has an id of its own");
    node.prove_first_boot(BY_KERNEL);
    node.check_growth();
    node.check_no_wizard();
    assert_eq!(node.disk_id(), built, "nothing changed the id while the card was running");
    node.prove_later_boots();
}

#[test]
#[ignore = "slow; `make boot-publishers` runs it"]
fn raspberry_pi_os_trixie_is_ready() {
    let node = Node::build("pi-os-trixie-like", "cm4");
    node.move_to_larger_card();
    node.prove_first_boot(BY_KERNEL);
    node.check_growth();
    node.check_no_wizard();
    node.prove_later_boots();
}

/// With an account that is called as one of Ubuntu's groups, and its key: sshd itself lets it in, and sudo makes it root.
#[test]
#[ignore = "slow; `make boot-publishers` runs it"]
fn ubuntu_24_04_lets_its_account_in() {
    let dir = tempfile::tempdir().unwrap();
    let (scratch, key) = (dir.path(), dir.path().join("key"));
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let base = base_with_admin(scratch);
    let file = format!(
        "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"10.0.2.0/24\"\ngateway = \"10.0.2.2\"\n\n[[users]]\n\
         name = \"admin\"\nssh-keys = [{:?}]\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n\
         address = \"10.0.2.11\"\ndata-disk = false\n\n[boards.cm4]\nbase = {base:?}\n",
        public.trim()
    );
    fs::write(scratch.join("cluster.toml"), file).unwrap();
    succeed(hcimage(scratch).args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));
    let image = scratch.join("out/lab-1.img");

    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let forward = Forward { host: port, guest: SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 11), 22) };
    let mut guest = Guest::start("lab-1", "cm4", &image, Network::Alone { forward: Some(forward) }, None);
    guest.wait_for_end(ReportStatus::Ready);
    let script = "id; cat /proc/swaps; sudo -n id; cloud-init status --wait; sudo -n systemctl is-active multi-user.target; \
                  systemctl show --property=ActiveState systemd-networkd-wait-online.service";
    let said = log_in(&key, "admin", port, script);
    guest.power_off();
    check(&image, scratch);
    // Not in the group that may become root by itself: the cluster file says who may.
    assert!(said.contains("uid=1000(admin) gid=100(users) groups=100(users)"), "{said}");
    assert!(
        said.contains("uid=0(root)") && said.contains("status: done") && said.contains("\nactive\n"),
        "{said}"
    );
    assert!(!said.contains("swap.img"), "{said}");
    let accounts = dump(&image, "/etc/passwd", scratch).unwrap();
    assert!(!accounts.contains("ubuntu:"), "{accounts}");
    let sshd = debugfs(&image, "ls -p /etc/ssh/sshd_config.d");
    assert!(sshd.contains("/00-hcimage.conf/"), "{sshd}");
}

/// The base with the group that Ubuntu's cloud images have.
fn base_with_admin(scratch: &Path) -> std::path::PathBuf {
    let copy = scratch.join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("ubuntu-pi-24.04-like")).arg(&copy));
    let groups = format!("{}admin:x:115:\n", dump(&copy, "/etc/group", scratch).unwrap());
    debugfs_put(&copy, &groups, "/etc/group", scratch);
    copy
}

/// What a script says that an account runs by SSH. The server may need a moment after the report.
fn log_in(key: &Path, user: &str, port: u16, script: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let mut ssh = Command::new("ssh");
        ssh.args(["-i"]).arg(key).args([
            "-p",
            &port.to_string(),
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=20",
        ]);
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
        let output = ssh.arg(format!("{user}@127.0.0.1")).arg(script).output().unwrap();
        let outcome = Outcome::of(&output);
        // 255 is ssh's own: nobody answered, or it was not let in.
        if outcome.status.code() != Some(255) {
            return outcome.both();
        }
        assert!(Instant::now() < deadline, "{}", outcome.both());
        std::thread::sleep(Duration::from_secs(5));
    }
}
