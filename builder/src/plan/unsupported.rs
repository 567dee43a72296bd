//! What an image lacks, or has in a form that is not edited.

use crate::fs::ImagePath;
use crate::value::{TimeZone, UserName};

/// What an image lacks, or has in a form that is not edited. Every message names what would be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsupported {
    /// The firmware stops where it finds no description of the board.
    #[error(
        "an image without a device tree for {board} ({}*.dtb on its boot partition) is not supported: the board would not \
         start; take an image whose publisher names this board, such as a newer release",
        starts.join("*.dtb or ")
    )]
    DeviceTree {
        /// What the board is called.
        board: String,
        /// How the file's name may begin.
        starts: Vec<String>,
    },
    /// Ethernet and USB of a Pi 5 need a driver that the kernel does not have.
    #[error(
        "the kernel {kernel}, which has no driver (rp1_pci) for Ethernet and USB of {board}, is not supported: take \
         Raspberry Pi OS or Ubuntu for this board, or a release of Debian with Linux 6.17 or later"
    )]
    Rp1Driver {
        /// The kernel's release.
        kernel: String,
        /// What the board is called.
        board: String,
    },
    /// No time zone at all, as in an image without tzdata.
    #[error(
        "the time zone {0}, which the image does not know, is not supported: use an image with the package tzdata, or leave \
         `time-zone` out"
    )]
    TimeZones(TimeZone),
    /// There are time zones, but not this one.
    #[error(
        "the time zone {0}, which the image does not know, is not supported: write a name that \
         `hcimage ls IMAGE:/usr/share/zoneinfo` shows, such as Europe/Berlin or UTC"
    )]
    TimeZone(TimeZone),
    /// User data that may hold settings which are not seen, such as accounts with passwords that everybody knows.
    #[error(
        "{path} in the image, which is {what}, is not supported: what it sets would override the node's settings unseen; \
         write it as one text that begins with #cloud-config, or remove it from the base image"
    )]
    UserData {
        /// The file.
        path: ImagePath,
        /// What it is.
        what: String,
    },
    /// Somebody is to log in by SSH, and there is no server.
    #[error(
        "an account with SSH keys on an image without the package openssh-server is not supported: use an image with an SSH \
         server, or leave `ssh-keys` out and set `password-hash`"
    )]
    SshServer,
    /// The server's configuration says itself who may log in, before it reads further files.
    #[error(
        "{0} of the image, which sets who may log in itself, is not supported: restore the stock file, whose first line \
         includes /etc/ssh/sshd_config.d/*.conf"
    )]
    SshConfiguration(&'static str),
    /// An account of the base has a home directory that is none.
    #[error(
        "the account {name} of the image, whose home directory is {home:?}, is not supported: choose another name for the user"
    )]
    Home {
        /// The account.
        name: UserName,
        /// What the image names as its directory.
        home: String,
    },
    /// Others could write where the keys lie.
    #[error(
        "{0} in the image, which belongs to somebody else or is open to others, is not supported: fix its owner and mode in the \
         image, or choose another name for the user"
    )]
    OpenPath(ImagePath),
    /// Somebody is to become root, and there is no sudo.
    #[error(
        "letting {0} become root on an image without the package sudo is not supported: use an image with sudo, or set \
         `sudo = false`"
    )]
    Sudo(UserName),
    /// There is sudo, and it does not read what is written for it.
    #[error(
        "letting {0} become root on an image whose /etc/sudoers does not read /etc/sudoers.d is not supported: restore \
         /etc/sudoers, or set `sudo = false`"
    )]
    Sudoers(UserName),
}
