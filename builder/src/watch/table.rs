//! The table of nodes: rows in, lines out.

use std::borrow::Cow;

use hc_common::text::printable::printable;

/// A node, as it was seen last. Its texts may be foreign: [`lines`] makes them printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub node: String,
    /// Where it is; none as long as nobody knows.
    pub address: Option<String>,
    /// How it stands.
    pub status: RowStatus,
    /// The name of the phase that runs or has failed.
    pub phase: Option<String>,
    /// How long the phase has taken so far, in seconds.
    pub seconds: Option<u64>,
    /// Why it is not Ready; empty for a node that is, or where there is nothing to say.
    pub reason: String,
}

/// How a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowStatus {
    /// Nobody knows its address.
    NotFound,
    /// It does not answer, or not as a node would.
    Unreachable,
    /// Its first boot has not begun.
    NotBegun,
    /// Its first boot is under way.
    Running,
    /// It is Ready.
    Ready,
    /// Its first boot has stopped.
    Failed,
}

impl RowStatus {
    /// The word in tables and lines.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotFound => "not found",
            Self::Unreachable => "unreachable",
            Self::NotBegun => "not begun",
            Self::Running => "running",
            Self::Ready => "Ready",
            Self::Failed => "FAILED",
        }
    }
}

/// What columns have at least between them.
const GAP: &str = "  ";

/// A column that gets wider than this is cut: names and addresses of nodes are shorter.
const WIDEST: usize = 40;

/// The table with its heading, each line at most `width` columns wide. A reason that does not fit goes on below itself.
pub fn lines(rows: &[Row], width: usize) -> Vec<String> {
    let heading = ["NODE", "ADDRESS", "STATUS", "PHASE", "TIME"].map(str::to_owned);
    let cells: Vec<_> = std::iter::once(heading).chain(rows.iter().map(cells)).collect();
    let mut widths = [0; 5];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let reasons = std::iter::once("").chain(rows.iter().map(|row| row.reason.as_str()));
    cells.iter().zip(reasons).flat_map(|(cells, reason)| with_reason(cells, widths, reason, width)).collect()
}

fn cells(row: &Row) -> [String; 5] {
    let text = |text: Option<&str>| cut(&printable(text.unwrap_or("-")), WIDEST).into_owned();
    let time = row.seconds.map_or_else(|| "-".to_owned(), duration);
    [
        text(Some(&row.node)),
        text(row.address.as_deref()),
        row.status.text().to_owned(),
        text(row.phase.as_deref()),
        time,
    ]
}

/// `59s`, `3m05s`, `1h07m`.
fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

/// One row, and its reason beside it, or below it where the terminal is narrow.
fn with_reason(cells: &[String; 5], widths: [usize; 5], reason: &str, width: usize) -> Vec<String> {
    let columns: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    let row = columns.join(GAP);
    let mut lines = vec![cut(row.trim_end(), width).into_owned()];
    if reason.is_empty() {
        return lines;
    }
    let indent = row.chars().count().saturating_add(GAP.len());
    let (indent, beside) = match width.checked_sub(indent) {
        Some(room) if room >= WIDEST => (indent, true),
        _ => (4, false),
    };
    let mut pieces = wrapped(&printable(reason), width.saturating_sub(indent).max(1)).into_iter();
    if beside && let (Some(first), Some(line)) = (pieces.next(), lines.first_mut()) {
        *line = format!("{row}{GAP}{first}");
    }
    lines.extend(pieces.map(|piece| cut(&format!("{:indent$}{piece}", ""), width).into_owned()));
    lines
}

/// At most so many characters, the last one an ellipsis where more were there.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.chars().count() <= most {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    Cow::Owned(if most == 0 { kept } else { format!("{kept}…") })
}

/// The text in lines of at most so many characters, broken at blanks where there are some.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = most;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let mut word: Vec<char> = word.chars().collect();
        if room < most && word.len() >= room {
            lines.push(String::new());
            room = most;
        } else if room < most
            && let Some(line) = lines.last_mut()
        {
            line.push(' ');
            room = room.saturating_sub(1);
        }
        while !word.is_empty() {
            let rest = word.split_off(word.len().min(room));
            room = room.saturating_sub(word.len());
            if let Some(line) = lines.last_mut() {
                line.extend(&word);
            }
            word = rest;
            if !word.is_empty() {
                lines.push(String::new());
                room = most;
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node: &str, status: RowStatus, reason: &str) -> Row {
        let (address, phase) = (Some("10.0.0.1".to_owned()), Some("k3s".to_owned()));
        Row { node: node.to_owned(), address, status, phase, seconds: Some(65), reason: reason.to_owned() }
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let nobody = Row {
            address: None,
            phase: None,
            seconds: None,
            ..row("pi-12", RowStatus::NotFound, "no address, and no answer by DNS-SD")
        };
        let rows = [row("pi-1", RowStatus::Ready, ""), nobody];
        assert_eq!(
            lines(&rows, 100),
            [
                "NODE   ADDRESS   STATUS     PHASE  TIME",
                "pi-1   10.0.0.1  Ready      k3s    1m05s",
                "pi-12  -         not found  -      -      no address, and no answer by DNS-SD",
            ]
        );
    }

    #[test]
    fn a_long_reason_goes_on_beside_itself_and_below_the_row_where_it_is_narrow() {
        let rows = [row(
            "pi-1",
            RowStatus::Failed,
            "no carrier on eth0: connect the cable, then look at the switch",
        )];
        assert_eq!(
            lines(&rows, 80)[1..],
            [
                "pi-1  10.0.0.1  FAILED  k3s    1m05s  no carrier on eth0: connect the cable,",
                "                                      then look at the switch",
            ]
        );
        assert_eq!(
            lines(&rows, 44)[1..],
            [
                "pi-1  10.0.0.1  FAILED  k3s    1m05s",
                "    no carrier on eth0: connect the cable,",
                "    then look at the switch",
            ]
        );
    }

    #[test]
    fn foreign_text_stays_in_its_line_and_no_line_is_wider_than_the_terminal() {
        let mut bad = row("\u{1b}[2Jx", RowStatus::Failed, &format!("a\nb\u{9b}31m {}", "漢".repeat(300)));
        bad.phase = Some("y".repeat(500));
        for width in [0, 1, 2, 5, 39, 80, 200] {
            for line in lines(std::slice::from_ref(&bad), width) {
                assert!(line.chars().count() <= width, "{width}: {line}");
                assert_eq!(printable(&line), line.as_str());
            }
        }
    }

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m00s"), (3599, "59m59s"), (4020, "1h07m")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
