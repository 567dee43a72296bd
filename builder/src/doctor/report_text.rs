//! The report on the boot partition, as firstboot writes it for people (`hc_firstboot::report::render`).

use hc_firstboot::report::ReportStatus;

/// What it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// The node's name.
    pub node: Option<String>,
    /// The result in a line.
    pub result: Option<String>,
    /// What is wrong, where it failed.
    pub what: Option<String>,
    /// What to do then.
    pub advice: Option<String>,
    /// Whether the last line says that the node is Ready; none where that line is missing.
    pub ready: Option<bool>,
}

impl Report {
    /// Reads a report; a cut one too.
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines().map(str::trim_end) {
            let value = |name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
            if let Some(end) =
                [ReportStatus::Ready, ReportStatus::Failed].into_iter().find(|end| line == end.sentinel())
            {
                report.ready = Some(end == ReportStatus::Ready);
            }
            for (name, field) in [
                ("Node:", &mut report.node),
                ("Result:", &mut report.result),
                ("What is wrong:", &mut report.what),
                ("What to do:", &mut report.advice),
            ] {
                *field = field.take().or_else(|| value(name));
            }
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hc_firstboot::Failure;
    use hc_firstboot::report::{View, render};
    use hc_firstboot::state::{Outcome, State};

    use super::*;

    /// What firstboot writes is what is read, with the line ends of the card.
    #[test]
    fn a_report_of_firstboot_is_understood() {
        let mut state = State::new("0".repeat(64));
        state.outcome = Outcome::Failed(Failure::new("no cable", "plug one in"));
        let text = render(&View::new(Some(&state), None, Duration::ZERO));
        let text = format!("{text}\nHCIMAGE-REPORT-END failed\n").replace('\n', "\r\n");
        let report = Report::parse(&text);
        assert_eq!(report.what.as_deref(), Some("no cable"));
        assert_eq!(report.advice.as_deref(), Some("plug one in"));
        assert_eq!((report.node.as_deref(), report.ready), (Some("unknown"), Some(false)));
        assert_eq!(Report::parse("hcimage first").ready, None);
    }
}
