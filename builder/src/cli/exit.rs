//! Exit codes and the one place where errors are printed.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::apply::ApplyError;
use crate::board::BoardError;
use crate::cluster::{CgroupV1Unsupported, ClusterError};
use crate::disk::DiskError;
use crate::fs::FsError;
use crate::os::OsError;
use crate::pipeline::BuildError;
use crate::plan::PlanError;
use crate::run::UefiError;
use crate::secrets::SecretsError;
use crate::source::{ErrorClass, SourceError};

use super::output::Usage;

/// What an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Failed = 1,
    Usage = 2,
    Unsupported = 3,
    BadInput = 4,
}

/// The exit code of an error: that of the first cause that has a meaning of its own.
pub(super) fn code(error: &anyhow::Error) -> ExitCode {
    let failure = error.chain().find_map(classify).unwrap_or(Failure::Failed);
    ExitCode::from(failure as u8)
}

fn classify(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if cause.is::<Usage>() {
        return Some(Failure::Usage);
    }
    if let Some(error) = cause.downcast_ref::<BoardError>() {
        return Some(match error {
            BoardError::Unknown { .. } => Failure::Usage,
            BoardError::Read { .. } | BoardError::Malformed { .. } => Failure::Failed,
        });
    }
    if let Some(UefiError::Board { .. }) = cause.downcast_ref::<UefiError>() {
        return Some(Failure::Usage);
    }
    if cause.is::<CgroupV1Unsupported>() {
        return Some(Failure::Unsupported);
    }
    if let Some(error) = cause.downcast_ref::<SecretsError>() {
        return match error {
            SecretsError::Damaged { .. } | SecretsError::Expired { .. } => Some(Failure::BadInput),
            SecretsError::Newer { .. } => Some(Failure::Unsupported),
            _ => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<ClusterError>() {
        return Some(match error {
            ClusterError::Invalid(_) => Failure::Usage,
            ClusterError::Read { .. } => Failure::Failed,
        });
    }
    // These two speak for their cause, so the chain does not show it as a link of its own.
    match cause.downcast_ref::<BuildError>() {
        Some(BuildError::Copy(error)) => return classify_source(error),
        Some(BuildError::Apply(ApplyError::Digest { .. })) => return Some(Failure::BadInput),
        _ => {}
    }
    if let Some(error) = cause.downcast_ref::<SourceError>() {
        return classify_source(error);
    }
    classify_image(cause)
}

fn classify_source(error: &SourceError) -> Option<Failure> {
    match error.class() {
        ErrorClass::Unverified => Some(Failure::BadInput),
        ErrorClass::Unsupported => Some(Failure::Unsupported),
        ErrorClass::Failed => None,
    }
}

fn classify_image(cause: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(error) = cause.downcast_ref::<OsError>() {
        return match error {
            OsError::Layout { .. } | OsError::System { .. } | OsError::Unsupported { .. } => {
                Some(Failure::Unsupported)
            }
            OsError::File { .. } => Some(Failure::BadInput),
            OsError::Disk(_) | OsError::Fs { .. } => None,
        };
    }
    if let Some(error) = cause.downcast_ref::<PlanError>() {
        return match error {
            PlanError::Architecture { .. } | PlanError::Unsupported { .. } | PlanError::Modules { .. } => {
                Some(Failure::Unsupported)
            }
            PlanError::Seed(_) => Some(Failure::Usage),
            PlanError::Edit { .. } | PlanError::NotText { .. } => Some(Failure::BadInput),
        };
    }
    if let Some(error) = cause.downcast_ref::<DiskError>() {
        return match error {
            DiskError::NotAnImage { .. } | DiskError::Unsupported { .. } | DiskError::BadSize { .. } => {
                Some(Failure::Unsupported)
            }
            DiskError::Corrupt { .. } | DiskError::Truncated { .. } => Some(Failure::BadInput),
            DiskError::Io { .. } => None,
        };
    }
    match cause.downcast_ref::<FsError>()? {
        FsError::Unsupported { .. } => Some(Failure::Unsupported),
        FsError::Corrupt { .. } | FsError::Dirty { .. } => Some(Failure::BadInput),
        _ => None,
    }
}

/// Prints an error and its causes, one a line.
pub(super) fn print_chain(out: &mut dyn Write, error: &anyhow::Error) -> io::Result<()> {
    writeln!(out, "error: {error}")?;
    for cause in error.chain().skip(1) {
        writeln!(out, "  because: {cause}")?;
    }
    let unreachable =
        |cause: &(dyn Error + 'static)| matches!(cause.downcast_ref(), Some(SourceError::Network { .. }));
    if error.chain().any(unreachable) {
        writeln!(out, "  without internet: name local files with --base FILE and --k3s DIR")?;
    }
    Ok(())
}
