//! Every base for every board that could boot it: built, judged by the checkers of its file systems and partitions,
//! and its network and boot files by the programs that read them on the node, those of the base itself where releases
//! differ.
//!
//! What is asserted of single files is in tests/image; here it is that no combination falls through.

#![cfg(test)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hcimage::board::{Board, Boards, BootMethod};
use hcimage::value::Role;
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::checkers::checker;
use hcimage_testkit::external_tool::Outcome;
use hcimage_testkit::facts;
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::own_programs::OwnPrograms;
use hcimage_testkit::proof::{Level, Proof};
use hcimage_testkit::tools::{check, debugfs, dump, mtype, partitions, run};

/// A base and what decides which boards boot it.
struct Base<'a> {
    name: &'static str,
    arch: &'static str,
    boot: BootMethod,
    network: Stack,
    /// Boards that it is refused for, and what the message says.
    refused: &'a [(&'a str, &'a [&'a str])],
}

/// What sets up the base's network.
#[derive(Debug, Clone, Copy)]
enum Stack {
    NetworkManager,
    Netplan,
    Dhcpcd,
    Ifupdown,
}

const PI: BootMethod = BootMethod::RaspberryPi;

/// The kernels 6.1 of Debian 12 and of Raspberry Pi OS bullseye know no Pi 5.
const NO_PI_5: [(&str, &[&str]); 3] = {
    const WHY: &[&str] = &["without a device tree", "bcm2712*.dtb", "newer"];
    [("cm5", WHY), ("pi5", WHY), ("turing-pi-2-cm5", WHY)]
};

/// A test for each base, and the list of all that have one.
macro_rules! matrix {
    ($($(#[$doc:meta])* $test:ident: $name:literal => $prove:expr;)*) => {
        $($(#[$doc])* #[test] fn $test() { let prove: fn(&'static str) = $prove; prove($name); })*
        const PROVED: &[&str] = &[$($name),*];
    };
}

matrix! {
    debian_for_the_pi: "debian-pi-arm64" => |name| {
        prove(&Base { refused: &NO_PI_5, ..Base::new(name, "arm64", PI, Stack::NetworkManager) });
    };
    debian_for_the_pi_with_dhcpcd: "debian-pi-dhcpcd-arm64" => |name| {
        prove(&Base { refused: &NO_PI_5, ..Base::new(name, "arm64", PI, Stack::Dhcpcd) });
    };
    debian_for_the_pi_with_netplan: "debian-pi-netplan-arm64" => |name| {
        prove(&Base { refused: &NO_PI_5, ..Base::new(name, "arm64", PI, Stack::Netplan) });
    };
    debian_for_the_pi_with_a_hybrid_mbr: "debian-pi-hybrid-arm64" => |name| {
        prove(&Base { refused: &NO_PI_5, ..Base::new(name, "arm64", PI, Stack::Netplan) });
    };
    /// Its kernel 6.12 starts a Pi 5, without a network.
    debian_13_for_the_pi: "debian-pi-trixie-like" => |name| {
        const WHY: &[&str] = &["6.12.43+deb13-arm64", "rp1_pci", "Linux 6.17 or later"];
        let refused = ["cm5", "pi5", "turing-pi-2-cm5"].map(|board| (board, WHY));
        prove(&Base { refused: &refused, ..Base::new(name, "arm64", PI, Stack::Ifupdown) });
    };
    raspberry_pi_os_bullseye: "pi-os-bullseye-like" => |name| {
        prove(&Base { refused: &NO_PI_5, ..Base::new(name, "arm64", PI, Stack::Dhcpcd) });
    };
    raspberry_pi_os_bookworm: "pi-os-bookworm-like" => |name| {
        prove(&Base::new(name, "arm64", PI, Stack::NetworkManager));
    };
    /// 32-bit programs: for a Pi 2, and refused for all that need arm64, though its 64-bit kernel would start them.
    raspberry_pi_os_bookworm_armhf: "pi-os-bookworm-armhf-like" => |name| {
        let base = Base::new(name, "armhf", PI, Stack::NetworkManager);
        let boards = Boards::load(None).unwrap();
        let needs_arm64 = |board: &&Board| board.architecture.debian() == "arm64" && board.boot == PI;
        let others: Vec<&Board> = boards.iter().filter(needs_arm64).collect();
        assert!(others.len() > 5, "{others:?}");
        for board in others {
            let named = format!("the board {} needs an image for aarch64 (arm64)", board.name);
            base.prove_refusal(board, &[&named, "this one is for armv7 (armhf)", "image for arm64"]);
        }
        prove(&base);
    };
    raspberry_pi_os_trixie: "pi-os-trixie-like" => |name| {
        prove(&Base::new(name, "arm64", PI, Stack::NetworkManager));
    };
    /// Its kernel for the Pi has no vxlan in its main package, whatever the board.
    ubuntu_22_04_for_the_pi: "ubuntu-pi-22.04-like" => |name| {
        let base = Base::new(name, "arm64", PI, Stack::Netplan);
        let boards = Boards::load(None).unwrap();
        let boards = base.boards(&boards);
        assert!(boards.len() > 5, "{boards:?}");
        for board in boards {
            base.prove_refusal(board, &["vxlan", "host-gw", "linux-modules-extra"]);
        }
    };
    ubuntu_24_04_for_the_pi: "ubuntu-pi-24.04-like" => |name| {
        prove(&Base::new(name, "arm64", PI, Stack::Netplan));
    };
    ubuntu_25_10_for_the_pi: "ubuntu-pi-25.10-like" => |name| {
        prove(&Base::new(name, "arm64", PI, Stack::Netplan));
    };
    ubuntu_26_04_for_the_pi: "ubuntu-pi-26.04-like" => |name| {
        prove(&Base::new(name, "arm64", PI, Stack::Netplan));
    };
    debian_for_pcs: "debian-pc-amd64" => |name| {
        prove(&Base::new(name, "amd64", BootMethod::Grub, Stack::NetworkManager));
    };
    ubuntu_cloud_image: "ubuntu-cloud-amd64-like" => |name| {
        prove(&Base::new(name, "amd64", BootMethod::Grub, Stack::Netplan));
    };
    ubuntu_cloud_image_for_arm64: "ubuntu-cloud-arm64-like" => |name| {
        prove(&Base::new(name, "arm64", BootMethod::Grub, Stack::Netplan));
    };
    debian_cloud_image: "debian-cloud-amd64-like" => |name| {
        prove(&Base::new(name, "amd64", BootMethod::Grub, Stack::Netplan));
    };
    debian_cloud_image_for_arm64: "debian-cloud-arm64-like" => |name| {
        prove(&Base::new(name, "arm64", BootMethod::Grub, Stack::Netplan));
    };
}

/// A recipe without a test here would be a base without a row in the table.
#[test]
fn every_recipe_is_in_the_matrix() {
    let (mut recipes, mut proved) = (facts::bases(), PROVED.to_vec());
    recipes.sort();
    proved.sort_unstable();
    assert_eq!(recipes, proved);
}

fn prove(base: &Base<'_>) {
    let boards = Boards::load(None).unwrap();
    let refused = |board: &Board| base.refused.iter().find(|(name, _)| *name == board.name);
    let (no, yes): (Vec<&Board>, Vec<&Board>) =
        base.boards(&boards).into_iter().partition(|board| refused(board).is_some());
    assert_eq!(no.len(), base.refused.len(), "a board that is to be refused is unknown");
    for board in no {
        base.prove_refusal(board, refused(board).unwrap().1);
    }
    base.prove_images(&yes);
}

impl Base<'_> {
    const fn new(name: &'static str, arch: &'static str, boot: BootMethod, network: Stack) -> Self {
        Self { name, arch, boot, network, refused: &[] }
    }

    /// The boards that have its processor and find their kernel where it lies.
    fn boards<'a>(&self, boards: &'a Boards) -> Vec<&'a Board> {
        let all = boards.iter();
        all.filter(|board| board.architecture.debian() == self.arch && board.boot == self.boot).collect()
    }

    /// One cluster with a node on each of the boards: the first that may be a server is one.
    fn prove_images(&self, boards: &[&Board]) {
        let proofs: Vec<Proof> =
            boards.iter().map(|board| Proof::begin(Level::Edited, self.name, &board.name)).collect();
        let dir = tempfile::tempdir().unwrap();
        succeed(&mut self.build(boards, dir.path()));
        // The same on all of them.
        let own = OwnPrograms::of(&image_of(boards[0], dir.path()), self.arch, dir.path());
        for board in boards {
            let image = image_of(board, dir.path());
            check(&image, dir.path());
            self.check_boot(&image, dir.path());
            check_config_txt(&image, board);
            self.check_network(&image, &address_of(board, boards), &own, dir.path());
        }
        check_cloud_init(&image_of(boards[0], dir.path()), dir.path());
        proofs.into_iter().for_each(Proof::holds);
    }

    fn prove_refusal(&self, board: &Board, words: &[&str]) {
        let proof = Proof::begin(Level::Refused, self.name, &board.name);
        let dir = tempfile::tempdir().unwrap();
        let boards = Boards::load(None).unwrap();
        let server = self.boards(&boards).into_iter().find(|board| board.roles.contains(&Role::Server));
        let server = server.expect("a board for the server");
        let nodes = if board.roles == [Role::Agent] { vec![server, board] } else { vec![board] };
        fail(&mut self.build(&nodes, dir.path()), 3, words);
        assert!(!dir.path().join("out").exists(), "nothing half-done is left behind");
        proof.holds();
    }

    fn build(&self, boards: &[&Board], dir: &Path) -> Command {
        let mut file = "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"192.168.7.0/24\"\n\
                        gateway = \"192.168.7.1\"\ndns = [\"192.168.7.1\", \"1.1.1.1\"]\ndomain = \"home.lan\"\n"
            .to_owned();
        let first = boards.iter().position(|board| board.roles.contains(&Role::Server)).expect("a server");
        for (number, board) in boards.iter().enumerate() {
            let (name, role) = (&board.name, if number == first { "server" } else { "agent" });
            let address = address_of(board, boards);
            write!(
                file,
                "\n[[nodes]]\nname = \"{name}\"\nrole = \"{role}\"\nboard = \"{name}\"\naddress = \"{address}\"\n\
                 [boards.{name}]\nbase = {:?}\n",
                base(self.name)
            )
            .unwrap();
        }
        fs::write(dir.join("cluster.toml"), file).unwrap();
        let mut command = hcimage(dir);
        command.env("SOURCE_DATE_EPOCH", "1790000000").args(["build", "--output", "out", "--k3s"]);
        command.arg(k3s_release().join(K3S_VERSION));
        command
    }

    /// The kernel gets the words for cgroups, by the file that this base's boot loader reads.
    fn check_boot(&self, image: &Path, scratch: &Path) {
        const WORDS: &str = "cgroup_memory=1 cgroup_enable=memory";
        match self.boot {
            BootMethod::RaspberryPi => {
                let (_, boot) = partitions(image);
                let drive = format!("{}@@{}", image.display(), boot.start);
                let words = ["cmdline.txt", "current/cmdline.txt"].map(|name| {
                    let output = Command::new("mtype").args(["-i", &drive, &format!("::{name}")]).output();
                    String::from_utf8(output.expect("running mtype").stdout).unwrap()
                });
                // Ubuntu 26.04 has it in the directory that `os_prefix` names, and none above.
                assert!(words.iter().any(|line| line.trim_end().ends_with(WORDS)), "{words:?}");
            }
            BootMethod::Grub => {
                // On Ubuntu's cloud image `/boot` is a file system of its own, which tests/image looks at.
                let menu = dump(image, "/boot/grub/grub.cfg", scratch);
                if let Some(menu) = menu {
                    run_with_input(&mut checker("grub-script-check"), &menu);
                    assert!(menu.contains(WORDS), "{menu}");
                }
                let defaults = dump(image, "/etc/default/grub.d/90-hcimage.cfg", scratch).expect("defaults");
                let script =
                    format!("GRUB_CMDLINE_LINUX='quiet'\n{defaults}printf %s \"$GRUB_CMDLINE_LINUX\"\n");
                assert_eq!(run_with_input(&mut Command::new("sh"), &script), format!("quiet {WORDS}"));
            }
        }
    }

    /// The address is in the file that sets up the network, as the service itself reads it.
    fn check_network(&self, image: &Path, address: &str, own: &OwnPrograms, scratch: &Path) {
        let with_prefix = format!("{address}/24");
        match self.network {
            Stack::NetworkManager => {
                let path = "/etc/NetworkManager/system-connections/hcimage.nmconnection";
                let keyfile = dump(image, path, scratch).expect("a keyfile");
                // `modify` must change something: the retries are not in the file.
                let change = ["--offline", "connection", "modify", "connection.autoconnect-retries", "3"];
                let mut nmcli = own.command(image, &["/usr/bin/nmcli"]);
                let read = run_with_input(nmcli.args(change), &keyfile);
                // Since 1.52 it writes the gateway apart.
                let one = format!("address1={with_prefix},192.168.7.1\n");
                let apart = [&format!("address1={with_prefix}\n"), "gateway=192.168.7.1\n"];
                assert!(read.contains(&one) || apart.iter().all(|line| read.contains(*line)), "{read}");
                assert!(read.contains("dns=192.168.7.1;1.1.1.1;\n"), "{read}");
                assert!(read.contains("dns-search=home.lan;\n"), "{read}");
            }
            Stack::Netplan => {
                let root = scratch.join("netplan");
                fs::create_dir_all(root.join("etc")).unwrap();
                debugfs(image, &format!("rdump /etc/netplan {}", root.join("etc").display()));
                let places = ["/usr/libexec/netplan/generate", "/usr/lib/netplan/generate"];
                run(own.command(image, &places).arg("--root-dir").arg(&root));
                // What netplan makes for networkd, in the order in which networkd looks for the first that matches.
                let made = fs::read_dir(root.join("run/systemd/network")).expect("files of networkd");
                let mut networks: Vec<PathBuf> = made
                    .map(|entry| entry.unwrap().path())
                    .filter(|path| path.extension().is_some_and(|outcome| outcome == "network"))
                    .collect();
                networks.sort();
                let read = fs::read_to_string(networks.first().expect("a network")).unwrap();
                for line in [
                    &format!("Address={with_prefix}\n"),
                    "Gateway=192.168.7.1\n",
                    "DNS=192.168.7.1\n",
                    "DNS=1.1.1.1\n",
                    "Domains=home.lan\n",
                ] {
                    assert!(read.contains(line), "no {line:?} in {read}");
                }
                if dump(image, "/etc/cloud/cloud.cfg", scratch).is_some() {
                    let cloud =
                        dump(image, "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg", scratch).expect("a file");
                    assert!(cloud.contains("network:\n  config: disabled\n"), "{cloud}");
                }
                fs::remove_dir_all(root).unwrap();
            }
            Stack::Dhcpcd => {
                let conf = dump(image, "/etc/dhcpcd.conf", scratch).expect("dhcpcd.conf");
                let block: Vec<&str> = conf.lines().skip_while(|line| *line != "interface eth0").collect();
                for line in [
                    &format!("static ip_address={with_prefix}"),
                    "static routers=192.168.7.1",
                    "static domain_name_servers=192.168.7.1 1.1.1.1",
                    "static domain_search=home.lan",
                ] {
                    assert!(block.contains(&line), "no {line:?} below `interface eth0` in {conf}");
                }
            }
            Stack::Ifupdown => {
                let dir = scratch.join("ifupdown");
                fs::create_dir_all(&dir).unwrap();
                debugfs(image, &format!("rdump /etc/network/interfaces.d {}", dir.display()));
                let main = dump(image, "/etc/network/interfaces", scratch).expect("interfaces");
                let file = dir.join("interfaces");
                fs::write(&file, main.replace("/etc/network/interfaces.d", "interfaces.d")).unwrap();
                let ask = |words: &[&str]| run(checker("ifquery").arg("-i").arg(&file).args(words));
                assert!(ask(&["--list"]).lines().any(|name| name == "eth0"), "{main}");
                let read = ask(&["eth0"]);
                let one = |key: &str| read.lines().filter(|line| line.starts_with(key)).count() == 1;
                assert!(read.contains(&format!("address: {address}\n")) && one("address: 192"), "{read}");
                assert!(read.contains("gateway: 192.168.7.1\n") && one("gateway: 192"), "{read}");
                assert!(read.contains("netmask: 255.255.255.0\n") && !read.contains("dhcp"), "{read}");
                fs::remove_dir_all(dir).unwrap();
            }
        }
    }
}

/// What the board's profile wants of the firmware stands below no filter but [all], and nothing behind it.
fn check_config_txt(image: &Path, board: &Board) {
    for setting in &board.config_txt {
        let setting = setting.to_string();
        let text = String::from_utf8(mtype(image, "config.txt")).unwrap();
        let (above, below) = text.rsplit_once(&setting).unwrap_or_else(|| panic!("no {setting} in {text}"));
        let filter = above.lines().rfind(|line| line.starts_with('['));
        assert!(filter.is_none_or(|filter| filter == "[all]"), "{filter:?} in {text}");
        let key = setting.split('=').next().unwrap();
        assert!(!below.contains(key), "{text}");
    }
}

/// What is left of the seed and what we add to cloud-init's configuration is right for the cloud-init of this very base,
/// which runs here as it lies in the image.
fn check_cloud_init(image: &Path, scratch: &Path) {
    if dump(image, "/etc/cloud/cloud.cfg", scratch).is_none() {
        return;
    }
    let ours = dump(image, "/etc/cloud/cloud.cfg.d/99-zz-hcimage.cfg", scratch).expect("our drop-in");
    let program = scratch.join("cloud-init");
    fs::create_dir(&program).unwrap();
    debugfs(image, &format!("rdump /usr/lib/python3/dist-packages/cloudinit {}", program.display()));
    let is_valid = |text: &str| {
        let file = scratch.join("cloud-config.yaml");
        fs::write(&file, text).unwrap();
        let mut command = checker("python3");
        command.env("PYTHONPATH", &program).args(["-m", "cloudinit.cmd.main", "schema", "--config-file"]);
        let output = command.arg(&file).output().expect("running python3");
        (output.status.success(), Outcome::of(&output).both())
    };
    // The network is none of what user data can set, and so not in the schema.
    let bare = format!("#cloud-config\n{}", ours.replace("network:\n  config: disabled\n", ""));
    let (valid, said) = is_valid(&bare);
    // The schema of 22.4 wants a user at least, which its own code does not: tests/boot starts an image with it.
    let only_by_schema = said.contains("schema errors: users: [] is too short\n");
    assert!(valid || only_by_schema, "{said}\n{bare}");
    let (valid, said) = is_valid("#cloud-config\nusers: 5\n");
    assert!(!valid && said.contains("users"), "it judges nothing: {said}");
    let (_, boot) = partitions(image);
    let drive = format!("{}@@{}", image.display(), boot.start);
    let seed = Command::new("mtype").args(["-i", &drive, "::user-data"]).output().expect("running mtype");
    if seed.status.success() {
        let seed = String::from_utf8(seed.stdout).unwrap();
        // Raspberry Pi's own says nothing at all, which the schema takes for no settings.
        if seed.lines().any(|line| !line.is_empty() && !line.starts_with('#')) {
            let (valid, said) = is_valid(&seed);
            assert!(valid, "{said}\n{seed}");
        }
        // Else there would be an account with a password that everybody knows.
        assert!(ours.contains("\nusers: []\n"), "{ours}");
        for word in ["chpasswd:", "password:", "ssh_pwauth:"] {
            assert!(!seed.contains(word), "{seed}");
        }
    }
}

fn image_of(board: &Board, dir: &Path) -> PathBuf {
    dir.join(format!("out/{}.img", board.name))
}

/// Each board's node has an address of its own.
fn address_of(board: &Board, boards: &[&Board]) -> String {
    let number = boards.iter().position(|other| other.name == board.name).expect("one of them");
    format!("192.168.7.{}", 10 + number)
}

/// Runs a program that must succeed and reads its input to the end; what it printed.
fn run_with_input(command: &mut Command, text: &str) -> String {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run `make setup`"));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{text}", Outcome::of(&output).both());
    String::from_utf8(output.stdout).unwrap()
}
