//! What `hcimage doctor` says of the card of a first boot that failed: the very files that the simulated machine has left, on a
//! disk with a table, a FAT and an ext4 that other people's programs make.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hc_firstboot::sys::Kind;
use hcimage::doctor::{Card, Finding, Origin, Severity, findings};
use hcimage_testkit::tools::run;
use tempfile::TempDir;

use crate::disk::{Cut, Disk};
use crate::scenario::World;

/// The partitions, as sfdisk takes them, and where they begin and how large they are in KiB.
const TABLE: &str = "label: dos\n2048,32768,c\n34816,131072,83\n";
const BOOT: (u32, u32) = (1024, 16 << 10);
const ROOT: (u32, u32) = (17 << 10, 64 << 10);

/// Pulls the plug of a machine whose first boot has failed, and asks doctor: it must know the cause and the cure, which the report
/// has told the person before the screen.
#[track_caller]
pub(crate) fn must_know(world: World, what: &str, advice: &str) {
    let dir = tempfile::tempdir().unwrap();
    let image = card(&world.power_cut(Cut::NamesLost).disk, &dir);
    let card = Card::read(&Origin::Image(image)).unwrap();
    let found = findings(&card.facts);
    let is_told = |finding: &&Finding| {
        // What is not written to the state is told of the files themselves, and all such cards are to be flashed again.
        let cures = finding.advice.contains(advice) || finding.advice.starts_with("flash the card again");
        finding.severity == Severity::Problem && finding.what.contains(what) && cures
    };
    assert_eq!(found.iter().filter(is_told).count(), 1, "{what}; {advice}\n{found:#?}");
}

/// The first and last lines of a report that say what is wrong and what to do.
pub(crate) fn failure_of(report: &str) -> (&str, &str) {
    let line = |name: &str| report.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    (line("What is wrong:").unwrap(), line("What to do:").unwrap())
}

fn card(disk: &Disk, dir: &TempDir) -> std::path::PathBuf {
    let (tree, boot, image) = (dir.path().join("root"), dir.path().join("boot"), dir.path().join("card.img"));
    let whole = u64::from(ROOT.0 + ROOT.1) << 10;
    File::create(&image).unwrap().set_len(whole).unwrap();
    let script = dir.path().join("table");
    fs::write(&script, TABLE).unwrap();
    run(Command::new("sh").args(["-c", "sfdisk --quiet \"$0\" <\"$1\""]).arg(&image).arg(&script));
    write(disk, Path::new("/"), &tree);
    write(disk, Path::new("/boot/firmware"), &boot);
    let (offset, size) = (format!("{}", BOOT.0 << 1), BOOT.1.to_string());
    run(Command::new("mkfs.fat").args(["-F", "16", "--offset", &offset]).arg(&image).arg(size));
    let drive = format!("{}@@{}K", image.display(), BOOT.0);
    for file in fs::read_dir(&boot).unwrap() {
        run(Command::new("mcopy").args(["-i", &drive]).arg(file.unwrap().path()).arg("::"));
    }
    let (offset, size) = (format!("offset={}", u64::from(ROOT.0) << 10), format!("{}k", ROOT.1));
    run(Command::new("mke2fs")
        .args(["-q", "-F", "-t", "ext4", "-E", &offset, "-d"])
        .arg(&tree)
        .arg(&image)
        .arg(size));
    image
}

/// Writes what a directory of the machine has; a partition that is mounted there is none of it.
fn write(disk: &Disk, from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for path in disk.names_below(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        let stat = disk.stat(&path).unwrap();
        match stat.kind {
            Kind::Dir => fs::create_dir_all(target).unwrap(),
            Kind::File if from == Path::new("/") && path.starts_with("/boot/firmware") => {}
            Kind::File => {
                fs::create_dir_all(target.parent().unwrap()).unwrap();
                fs::write(&target, disk.read(&path).unwrap()).unwrap();
                fs::set_permissions(&target, Permissions::from_mode(stat.mode)).unwrap();
            }
            _ => {}
        }
    }
}
