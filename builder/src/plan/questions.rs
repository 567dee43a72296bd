//! Whatever asks on the first boot: nobody sits there to answer, and whoever does would become the owner of the node.

use crate::formats::lightdm;
use crate::os::{Interest, NotTaken};

use super::builder::{PlanBuilder, at};
use super::error::PlanError;
use super::request::Request;

const REASON: &str = "nobody sits there to answer its questions";

/// Units that ask, in the directory of packages and in that of the image's owner, which masks them. Each waits without end,
/// and `multi-user.target` waits for most of them.
const UNITS: [[&str; 2]; 9] = [
    // The first account of Raspberry Pi OS. It may become root without a password.
    ["/lib/systemd/system/userconfig.service", "/etc/systemd/system/userconfig.service"],
    // Time zone, root's password and more where there is no machine id (systemd-firstboot(1)); nothing starts before.
    ["/lib/systemd/system/systemd-firstboot.service", "/etc/systemd/system/systemd-firstboot.service"],
    // A first account where there is none (homectl(1), firstboot).
    [
        "/lib/systemd/system/systemd-homed-firstboot.service",
        "/etc/systemd/system/systemd-homed-firstboot.service",
    ],
    // Fedora's, which other systems have packages of.
    ["/lib/systemd/system/initial-setup.service", "/etc/systemd/system/initial-setup.service"],
    ["/lib/systemd/system/initial-setup-text.service", "/etc/systemd/system/initial-setup-text.service"],
    [
        "/lib/systemd/system/initial-setup-graphical.service",
        "/etc/systemd/system/initial-setup-graphical.service",
    ],
    // Ubuntu's: of preinstalled desktops, and of systems on a serial or first console.
    ["/lib/systemd/system/oem-config.service", "/etc/systemd/system/oem-config.service"],
    ["/lib/systemd/system/console-conf@.service", "/etc/systemd/system/console-conf@.service"],
    ["/lib/systemd/system/serial-console-conf@.service", "/etc/systemd/system/serial-console-conf@.service"],
];

/// The same for a desktop, where somebody starts one: what logs in by itself or starts then, and a rule of sudo for the
/// account that only exists to ask.
const OF_DESKTOPS: [&str; 3] = [
    "/etc/xdg/autostart/piwiz.desktop",
    "/etc/xdg/autostart/gnome-initial-setup-first-login.desktop",
    "/etc/sudoers.d/010_wiz-nopasswd",
];

/// The unit of Raspberry Pi OS, with which comes what the others do not have.
const WIZARD: [&str; 2] = UNITS[0];
/// It tells whoever logs in by SSH that there is no account yet.
const BANNER: &str = "/etc/ssh/sshd_config.d/rename_user.conf";
/// The login that it keeps away from the console.
const CONSOLE_LOGIN: &str = "/etc/systemd/system/getty.target.wants/getty@tty1.service";

pub(super) const READS: [Interest; 23] = [
    Interest::Path(UNITS[0][0]),
    Interest::Path(UNITS[0][1]),
    Interest::Path(UNITS[1][0]),
    Interest::Path(UNITS[1][1]),
    Interest::Path(UNITS[2][0]),
    Interest::Path(UNITS[2][1]),
    Interest::Path(UNITS[3][0]),
    Interest::Path(UNITS[3][1]),
    Interest::Path(UNITS[4][0]),
    Interest::Path(UNITS[4][1]),
    Interest::Path(UNITS[5][0]),
    Interest::Path(UNITS[5][1]),
    Interest::Path(UNITS[6][0]),
    Interest::Path(UNITS[6][1]),
    Interest::Path(UNITS[7][0]),
    Interest::Path(UNITS[7][1]),
    Interest::Path(UNITS[8][0]),
    Interest::Path(UNITS[8][1]),
    Interest::Path(OF_DESKTOPS[0]),
    Interest::Path(OF_DESKTOPS[1]),
    Interest::Path(OF_DESKTOPS[2]),
    Interest::Path(lightdm::PATH),
    Interest::Path(CONSOLE_LOGIN),
];

pub(super) fn edits(builder: &mut PlanBuilder, _: &Request<'_>) -> Result<(), PlanError> {
    for [unit, mask] in UNITS {
        if is_there(builder, [unit, mask])? {
            builder.link(mask, "/dev/null", REASON);
        }
    }
    for path in OF_DESKTOPS {
        if !builder.is_absent(path)? {
            builder.remove(path, REASON);
        }
    }
    if builder.facts.files.text(&at(lightdm::PATH))?.is_some() {
        builder.change(&at(lightdm::PATH), REASON, |text| Ok(lightdm::without_wizard(text)))?;
    }
    Ok(after_the_wizard(builder)?)
}

/// What Raspberry Pi OS undoes when somebody has answered. The link by which it is enabled goes too: what is masked and
/// enabled is a riddle to whoever looks.
fn after_the_wizard(builder: &mut PlanBuilder) -> Result<(), NotTaken> {
    if !is_there(builder, WIZARD)? {
        return Ok(());
    }
    builder.remove("/etc/systemd/system/multi-user.target.wants/userconfig.service", REASON);
    builder.remove(BANNER, "the image has its accounts, or none on purpose");
    if builder.is_absent(CONSOLE_LOGIN)? {
        let reason = "the console's login, which waited for the first account";
        builder.link(CONSOLE_LOGIN, "/lib/systemd/system/getty@.service", reason);
    }
    Ok(())
}

/// Whether a unit is there, from a package or from the image's owner.
fn is_there(builder: &PlanBuilder, paths: [&str; 2]) -> Result<bool, NotTaken> {
    let [by_package, by_owner] = [builder.is_absent(paths[0])?, builder.is_absent(paths[1])?];
    Ok(!by_package || !by_owner)
}
