//! Why a text cannot be edited.

use thiserror::Error;

/// Why a text cannot be edited. The caller adds the file's name as context.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// The first line of a command line file is empty.
    #[error("missing kernel command line: the first line is empty; restore the file from a stock image")]
    NoCommandLine,
    /// A command line file has text after its first line.
    #[error(
        "unexpected text on line {line}: only the first line reaches the kernel; join them into one line"
    )]
    SecondLine {
        /// Counted from 1.
        line: usize,
    },
    /// User data gives an account a password that anyone with the image can read.
    #[error(
        "the account {name} has a plain password, which anyone with the image can read; give it a hash (`passwd: $6$...`) or \
         keys, or define the accounts in [[users]]"
    )]
    PlainPassword {
        /// The account.
        name: String,
    },
    /// An unexpected control character.
    #[error("invalid character {character:?}: restore the file from a stock image")]
    ControlCharacter {
        /// The text found.
        character: char,
    },
    /// An unclosed double quote.
    #[error("unclosed double quote, which would include the added arguments: close it")]
    OpenQuote,
    /// A command line with a word that has an unknown program run in place of the system's own start.
    #[error(
        "{word:?} has an unknown program run in place of the usual start, so that the node might never be set up: remove the \
         word, or take an image of the publisher's in which the program has not been added"
    )]
    ForeignStart {
        /// The word.
        word: String,
    },
    /// The command line would be truncated.
    #[error(
        "the kernel command line is too long: {length} bytes, but the limit is {limit}; remove arguments from it"
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The maximum length in bytes.
        limit: usize,
    },
    /// A grub.cfg without a kernel.
    #[error(
        "missing 'linux' line: expected a boot loader configuration that loads a kernel; restore the file from a stock image"
    )]
    NoKernelLine,
    /// A `linux` line to which arguments cannot be added safely.
    #[error(
        "unsupported {found:?} in the 'linux' line {line}: only plain lines as written by update-grub can be edited"
    )]
    UnusualKernelLine {
        /// Counted from 1.
        line: usize,
        /// The unsupported text.
        found: &'static str,
    },
    /// Another file system has the mount point.
    #[error("line {line} mounts {device:?} at {mount}: choose another mount point or remove that line")]
    MountTaken {
        /// Counted from 1.
        line: usize,
        /// The other device, as written.
        device: String,
        /// The requested mount point.
        mount: String,
    },
    /// A name has two lines.
    #[error("duplicate entry {name:?} on line {line}: remove one of the two")]
    NamedTwice {
        /// The name.
        name: String,
        /// Counted from 1.
        line: usize,
    },
    /// A line has the wrong number of colon-separated fields.
    #[error(
        "invalid line {line}: expected {wanted} fields, found {found}; restore the file from a stock image"
    )]
    BadRecord {
        /// Counted from 1.
        line: usize,
        /// The number of fields found.
        found: usize,
        /// The expected number of fields.
        wanted: usize,
    },
    /// An account or group has an invalid ID.
    #[error(
        "invalid ID of {name:?}: expected a number, found {field:?}; restore the file from a stock image"
    )]
    NoNumber {
        /// The account or group.
        name: String,
        /// The text found.
        field: String,
    },
    /// A requested name belongs to the system.
    #[error("{name:?} is {what} of the system (ID {id}): choose another name")]
    SystemName {
        /// `an account` or `a group`.
        what: &'static str,
        /// The name.
        name: String,
        /// Its ID.
        id: u32,
    },
    /// Two accounts share an ID, and so their permissions.
    #[error("the accounts {name:?} and {other:?} have the same ID {id}: change one of them")]
    SharedNumber {
        /// The requested account.
        name: String,
        /// The other account.
        other: String,
        /// Their ID.
        id: u32,
    },
    /// An account's primary group does not exist.
    #[error("group {gid} of account {name:?} does not exist: restore the file from a stock image")]
    NoGroup {
        /// The account.
        name: String,
        /// The group.
        gid: u32,
    },
    /// The file has a password for an account that does not exist.
    #[error("{name:?} has an entry, but the account is missing in /etc/passwd: remove the entry")]
    Orphan {
        /// The account.
        name: String,
    },
    /// A text is not valid YAML, or has an unexpected structure.
    #[error("invalid YAML: {problem}; fix the file in the base image")]
    BadYaml {
        /// The problem.
        problem: String,
    },
    /// A key that cannot be removed from a YAML text line by line.
    #[error(
        "cannot remove the key {key:?}: write the YAML file with each key, and each item of a list, on lines of its own"
    )]
    UnusualYaml {
        /// The key.
        key: String,
    },
    /// All user IDs are in use.
    #[error("no free user ID for another account: remove accounts from the image")]
    NoFreeNumber,
}
