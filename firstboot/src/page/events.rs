//! The stream of events: the report, again at each change (server-sent events, HTML standard 9.2).

use std::time::{Duration, Instant};

use super::connection::Line;
use super::status::{Board, Status};

/// A comment, so that both ends notice a connection that is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The longest stream; the browser opens another one.
const LONGEST: Duration = Duration::from_secs(600);

/// How long one event may take to be sent.
const SEND: Duration = Duration::from_secs(5);

/// Sends events until the client is gone or the time is over. One that has seen the report of now waits for the next.
pub(super) fn stream(line: &mut Line, board: &Board, last_id: Option<&str>) -> std::io::Result<()> {
    let end = Instant::now() + LONGEST;
    line.send(b"retry: 3000\n\n", SEND)?;
    let mut seen = last_id.unwrap_or_default().to_owned();
    while Instant::now() < end {
        match board.after(&seen, KEEP_ALIVE) {
            Some(status) => {
                line.send(event(&status).as_bytes(), SEND)?;
                status.id.clone_into(&mut seen);
            }
            None => line.send(b": still here\n\n", SEND)?,
        }
    }
    Ok(())
}

/// JSON has no line ends within its texts, so one line holds it.
fn event(status: &Status) -> String {
    let json: String = status.json.lines().map(str::trim_start).collect();
    format!("id: {}\ndata: {json}\n\n", status.id)
}
