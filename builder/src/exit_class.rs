//! What an error means for the exit code. Each error type says so beside its definition; the command line walks an
//! error's causes and asks them.

/// What an error means to the program that called hcimage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitClass {
    /// Something failed; trying again may help.
    Failed,
    /// A server could not be reached.
    Unreachable,
    /// The arguments or the cluster file are wrong.
    Usage,
    /// The image, the board or the combination is not supported.
    Unsupported,
    /// An input is damaged, or not what was promised: it must not be used.
    BadInput,
}

impl ExitClass {
    /// The exit code, as the help lists them.
    pub fn code(self) -> u8 {
        match self {
            Self::Failed | Self::Unreachable => 1,
            Self::Usage => 2,
            Self::Unsupported => 3,
            Self::BadInput => 4,
        }
    }
}

/// An error that knows its class.
pub trait Classified {
    /// The class; `None` leaves it to the error's cause.
    fn class(&self) -> Option<ExitClass>;
}
