//! `hcimage flash --turing-pi`, against a stand-in for the controller.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::{fail, hcimage, succeed_loudly};
use hcimage_testkit::tools::run;

use super::controller_double::{Double, Fault, PASSWORD};
use super::random_image;

/// Bytes in a MiB.
const MIB: u64 = 1 << 20;

fn flash(dir: &Path, what: &str, double: &Double, slot: &str) -> Command {
    let mut command = hcimage(dir);
    if !dir.join("password").exists() {
        fs::write(dir.join("password"), format!("{PASSWORD}\n")).unwrap();
    }
    command.env("XDG_CONFIG_HOME", dir.join("config"));
    command.args([
        "flash",
        what,
        "--turing-pi",
        &double.host(),
        "--slot",
        slot,
        "--password-file",
        "password",
    ]);
    command.arg("--yes").arg(format!("{}:{slot}", double.host()));
    command
}

#[test]
fn an_image_is_written_to_the_slot_and_the_module_powered_on() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let image = random_image(dir, 6 * MIB);
    let double = Double::start(Fault::None);
    let said = succeed_loudly(&mut flash(dir, "image.img", &double, "2"));
    assert!(
        said.stdout.contains("slot 2 of 127.0.0.1") && said.stdout.contains("the module is on"),
        "{}",
        said.both()
    );
    assert!(said.stderr.contains("first contact") && !said.both().contains(PASSWORD), "{}", said.both());
    assert_eq!(double.state.lock().unwrap().received, fs::read(&image).unwrap());
    let requests = double.requests();
    let sha256 = run(Command::new("sha256sum").arg(&image));
    let digest = sha256.split(' ').next().unwrap();
    // Counted from 0 here, and from 1 there.
    let begun = requests.iter().find(|request| request.contains("opt=set&type=flash")).unwrap();
    for part in ["node=1&", "length=6291456", &format!("sha256={digest}")] {
        assert!(begun.contains(part), "{begun}");
    }
    assert!(requests.last().unwrap().ends_with("opt=set&type=power&node2=1"), "{requests:?}");
    // Its certificate is known now.
    let said = succeed_loudly(&mut flash(dir, "image.img", &double, "2"));
    assert!(!said.stderr.contains("first contact"), "{}", said.both());

    // Another machine answers in its place: the file says another certificate for this host.
    let pins = dir.join("config/hcimage/turing-pi-certificates");
    let text = fs::read_to_string(&pins).unwrap();
    let (host, digest) = text.trim().split_once(' ').unwrap();
    let other =
        if digest.starts_with('0') { digest.replacen('0', "1", 1) } else { format!("0{}", &digest[1..]) };
    fs::write(&pins, format!("{host} {other}\n")).unwrap();
    let before = double.requests().len();
    fail(
        &mut flash(dir, "image.img", &double, "2"),
        1,
        &["another certificate than before", "nothing was sent", digest, &other],
    );
    assert_eq!(double.requests().len(), before);
}

#[test]
fn a_wrong_password_is_tried_once() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    random_image(dir, 4 * MIB);
    let double = Double::start(Fault::None);
    fs::write(dir.join("password"), "wrong-secret\n").unwrap();
    let said = outcome(&mut flash(dir, "image.img", &double, "1"));
    assert_eq!(said.status.code(), Some(1));
    assert!(
        said.stderr.contains("does not take the password of root") && said.stderr.contains("after five"),
        "{}",
        said.stderr
    );
    assert!(!said.both().contains("wrong-secret"), "{}", said.both());
    assert_eq!(double.requests().len(), 1);
}

#[test]
fn a_job_that_is_under_way_is_left_alone() {
    let scratch = tempfile::tempdir().unwrap();
    random_image(scratch.path(), 4 * MIB);
    let double = Double::start(Fault::None);
    double.make_busy();
    fail(&mut flash(scratch.path(), "image.img", &double, "1"), 1, &["at work already", "wait until"]);
    assert!(double.is_busy());
}

#[test]
fn what_the_controller_cannot_do_is_said_with_what_to_do_instead() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    random_image(dir, 12 * MIB);
    for (fault, code, words) in [
        (Fault::Module, 3, ["does not write to the module in slot 3", "a CM5 is written to by rpiboot"]),
        (Fault::Breaks, 1, ["gone", "slot 3 is off and has half an image"]),
        (Fault::Checksum, 1, ["CRC mismatch", "write it again"]),
        (Fault::Other, 1, ["not what was expected", "a router"]),
        (Fault::Endless, 1, ["not what was expected", "xxx"]),
    ] {
        let double = Double::start(fault);
        fail(&mut flash(dir, "image.img", &double, "3"), code, &words);
        assert!(!double.requests().iter().any(|request| request.contains("type=power")), "{fault:?}");
    }
}

#[test]
fn a_node_that_is_a_cm5_is_refused_before_anything_is_asked() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let text = "schema = 1\nname = \"lab\"\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"turing-pi-2-cm5\"\n";
    fs::write(dir.join("cluster.toml"), text).unwrap();
    fs::create_dir(dir.join("out")).unwrap();
    // As an earlier build has left it.
    sleep(Duration::from_millis(20));
    File::create(dir.join("out/lab-1.img")).unwrap();
    let double = Double::start(Fault::None);
    fail(&mut flash(dir, "lab-1", &double, "1"), 1, &["cannot write to a CM5", "rpiboot"]);
    assert!(double.requests().is_empty());
    fail(&mut flash(dir, "lab-9", &double, "1"), 2, &["has no node lab-9", "its nodes are lab-1"]);
    fail(&mut flash(dir, "other.img", &double, "1"), 2, &["there is no file other.img"]);
}

#[test]
fn wrong_arguments_send_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    random_image(dir, 4 * MIB);
    let double = Double::start(Fault::None);
    let host = double.host();
    let mut other_place = flash(dir, "image.img", &double, "1");
    other_place.args(["--slot", "2"]);
    assert!(!outcome(&mut other_place).status.success());
    let mut command = hcimage(dir);
    command.args(["flash", "image.img", "--turing-pi", &host, "--slot", "5"]);
    fail(&mut command, 2, &["the slots 1 to 4"]);
    let mut command = hcimage(dir);
    command.args(["flash", "image.img", "--turing-pi", "https://turingpi.local", "--slot", "1"]);
    fail(&mut command, 2, &["without https://"]);
    let mut command = hcimage(dir);
    command.args(["flash", "image.img", "--turing-pi", &host, "--slot", "1"]).stdin(Stdio::null());
    fail(&mut command, 2, &["add --yes", ":1"]);
    run(Command::new("sh").args(["-c", "xz -c image.img >packed.img"]).current_dir(dir));
    fail(&mut flash(dir, "packed.img", &double, "1"), 3, &["not a disk image"]);
    assert!(double.requests().is_empty());
}

#[test]
fn ctrl_c_ends_the_job() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    random_image(dir, 64 * MIB);
    let double = Double::start(Fault::Slow);
    let mut command = flash(dir, "image.img", &double, "1");
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !double.requests().iter().any(|request| request.starts_with("/api/bmc/upload/")) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(20));
    }
    // As Ctrl-C; a shell in the background has its children ignore that one.
    run(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
    let said = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("half an image"), "{text}");
    let requests = double.requests();
    assert!(!requests.iter().any(|request| request.contains("type=power")), "{requests:?}");
}
