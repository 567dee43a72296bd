//! Why a text cannot be edited.

use thiserror::Error;

/// Why a text cannot be edited. The caller knows the file and names it in its context.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// A command line has nothing on its first line.
    #[error(
        "the first line is empty, where the kernel command line must stand: restore the file from a stock image"
    )]
    NoCommandLine,
    /// A command line has words on more than its first line.
    #[error(
        "there is text on line {line}, but only the first line reaches the kernel: join them into one line"
    )]
    SecondLine {
        /// Counted from 1.
        line: usize,
    },
    /// A control character where none may be.
    #[error("the character {character:?} does not belong there: restore the file from a stock image")]
    ControlCharacter {
        /// What was found.
        character: char,
    },
    /// A double quote that is never closed.
    #[error("a double quote is never closed, so words added behind it would be part of it: close it")]
    OpenQuote,
    /// The command line would be cut off.
    #[error(
        "the kernel command line would have {length} bytes and be cut off after {limit}: remove words from it"
    )]
    TooLong {
        /// Bytes it would have.
        length: usize,
        /// Bytes that certainly arrive.
        limit: usize,
    },
    /// A grub.cfg that starts no kernel by itself.
    #[error("no 'linux' line was found: a boot loader configuration that starts a kernel has at least one")]
    NoKernelLine,
    /// A `linux` line on which words cannot be added safely.
    #[error(
        "the kernel's line {line} holds {found:?}: only plain 'linux' lines as update-grub writes them can be edited"
    )]
    UnusualKernelLine {
        /// Counted from 1.
        line: usize,
        /// What makes it unusual.
        found: &'static str,
    },
    /// Another file system is mounted where ours should be.
    #[error("line {line} mounts {device:?} at {mount}: choose another mount point or remove that line")]
    MountTaken {
        /// Counted from 1.
        line: usize,
        /// What is mounted there, as written.
        device: String,
        /// The mount point that was asked for.
        mount: String,
    },
    /// A name has two lines where it can have one.
    #[error("line {line} is the second one of {name:?}: remove one of the two")]
    NamedTwice {
        /// The name.
        name: String,
        /// Counted from 1.
        line: usize,
    },
    /// A line of fields with colons between them has too many or too few.
    #[error(
        "line {line} has {found} fields where it must have {wanted}: restore the file from a stock image"
    )]
    BadRecord {
        /// Counted from 1.
        line: usize,
        /// Fields that it has.
        found: usize,
        /// Fields that it must have.
        wanted: usize,
    },
    /// An account or group has no number.
    #[error("{name:?} has {field:?} where a number must stand: restore the file from a stock image")]
    NoNumber {
        /// The account or group.
        name: String,
        /// What was found.
        field: String,
    },
    /// A name that was asked for belongs to the system.
    #[error("{name:?} is the name of {what} of the system, with the number {id}: choose another")]
    SystemName {
        /// `an account` or `a group`.
        what: &'static str,
        /// The name.
        name: String,
        /// Its number.
        id: u32,
    },
    /// Two accounts have one number, so each could do what the other can.
    #[error("the accounts {name:?} and {other:?} have the same number {id}: give one of them another")]
    SharedNumber {
        /// The one that was asked for.
        name: String,
        /// The other.
        other: String,
        /// Their number.
        id: u32,
    },
    /// An account's first group does not exist.
    #[error(
        "the account {name:?} has the group {gid}, which there is not: restore the file from a stock image"
    )]
    NoGroup {
        /// The account.
        name: String,
        /// The group.
        gid: u32,
    },
    /// The file has a password for an account that there is not.
    #[error("{name:?} has a line, but there is no such account in /etc/passwd: remove the line")]
    Orphan {
        /// The account.
        name: String,
    },
    /// A text that should be YAML is none, or not of the form that it must have.
    #[error("it cannot be read as YAML ({problem}): fix it in the image")]
    BadYaml {
        /// What the parser says.
        problem: String,
    },
    /// A setting that cannot be taken out of a YAML text line by line.
    #[error("its {key:?} is written so that it cannot be taken out: write the file with one key a line")]
    UnusualYaml {
        /// The key.
        key: String,
    },
    /// All numbers are taken.
    #[error("no number is free for another account: remove accounts from the image")]
    NoFreeNumber,
}
