//! Exit codes, and the one place where errors are printed.

use std::error::Error;
use std::io::{self, Write};

use crate::apply::ApplyError;
use crate::board::BoardError;
use crate::cluster::{CgroupV1Unsupported, ClusterError};
use crate::disk::DiskError;
use crate::exit_class::{Classified, ExitClass};
use crate::fs::FsError;
use crate::live::LiveError;
use crate::os::OsError;
use crate::overlays::OverlayError;
use crate::pipeline::BuildError;
use crate::plan::PlanError;
#[cfg(unix)]
use crate::run::{NetworkError, UefiError, VmError};
use crate::secrets::SecretsError;
use crate::session::SessionError;
use crate::source::SourceError;
use crate::turing_pi::ControllerError;
use crate::watch::WatchError;

use super::doctor::Unwell;
use super::output::Usage;

/// The class of a cause, if it is of one type.
type ClassOf = fn(&(dyn Error + 'static)) -> Option<ExitClass>;

/// Every type of error that knows its class.
const CLASSIFIED: &[ClassOf] = &[
    class_of::<ApplyError>,
    class_of::<BoardError>,
    class_of::<BuildError>,
    class_of::<ClusterError>,
    class_of::<ControllerError>,
    class_of::<DiskError>,
    class_of::<FsError>,
    class_of::<LiveError>,
    class_of::<CgroupV1Unsupported>,
    #[cfg(unix)]
    class_of::<NetworkError>,
    class_of::<OsError>,
    class_of::<OverlayError>,
    class_of::<PlanError>,
    class_of::<SecretsError>,
    class_of::<SessionError>,
    class_of::<SourceError>,
    #[cfg(unix)]
    class_of::<UefiError>,
    class_of::<Unwell>,
    class_of::<Usage>,
    #[cfg(unix)]
    class_of::<VmError>,
    class_of::<WatchError>,
];

fn class_of<E: Classified + Error + 'static>(cause: &(dyn Error + 'static)) -> Option<ExitClass> {
    cause.downcast_ref::<E>()?.class()
}

/// The class of an error: that of the first cause that has one.
pub(super) fn class(error: &anyhow::Error) -> ExitClass {
    let of_cause = |cause| CLASSIFIED.iter().find_map(|class_of| class_of(cause));
    error.chain().find_map(of_cause).unwrap_or(ExitClass::Failed)
}

/// Prints an error and its causes, one a line. Further lines of a message are indented, so that no foreign text in it looks
/// like a message of its own; the report on a cluster file is made of lines that are.
pub(super) fn print_chain(out: &mut dyn Write, error: &anyhow::Error) -> io::Result<()> {
    let mut start = "error: ";
    for cause in error.chain() {
        let text = match cause.downcast_ref::<ClusterError>() {
            Some(invalid @ ClusterError::Invalid(_)) => invalid.to_string(),
            _ => cause.to_string().replace('\n', "\n    "),
        };
        writeln!(out, "{start}{text}")?;
        start = "  because: ";
    }
    if class(error) == ExitClass::Unreachable {
        writeln!(out, "  without internet: name local files with --base FILE and --k3s DIR")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn network() -> SourceError {
        SourceError::Network {
            url: "https://example.org/".to_owned(),
            source: Box::new(io::Error::other("refused")),
        }
    }

    #[test]
    fn the_first_cause_with_a_class_decides() {
        let corrupt = || FsError::Corrupt { what: "a block".to_owned(), hint: None };
        let os = OsError::Fs { role: "root", source: corrupt() };
        let base = BuildError::Base { base: "a.img".to_owned(), source: os };
        for (error, class) in [
            (anyhow::Error::from(SessionError::from(base)), ExitClass::BadInput),
            (SessionError::Source(network()).into(), ExitClass::Unreachable),
            (Usage("no".to_owned()).into(), ExitClass::Usage),
            (anyhow::anyhow!("other"), ExitClass::Failed),
        ] {
            let error = Err::<(), _>(error).context("outside").unwrap_err();
            assert_eq!(super::class(&error), class, "{error:#}");
        }
    }

    /// A transparent variant hides its cause from the chain.
    #[test]
    fn transparent_errors_have_the_class_of_their_cause() {
        let copy = BuildError::Copy(SourceError::Unsupported {
            file: "a".to_owned(),
            what: "b".to_owned(),
            hint: "c".to_owned(),
        });
        assert_eq!(class(&SessionError::from(copy).into()), ExitClass::Unsupported);
        assert_eq!(class(&SessionError::NoBase { board: "pc".to_owned() }.into()), ExitClass::Usage);
    }

    #[test]
    fn an_unreachable_server_is_answered_with_the_way_without_internet() {
        let mut out = Vec::new();
        print_chain(&mut out, &SessionError::Source(network()).into()).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert_eq!(
            said,
            "error: fetching https://example.org/\n  because: refused\n  \
             without internet: name local files with --base FILE and --k3s DIR\n"
        );
    }
}
