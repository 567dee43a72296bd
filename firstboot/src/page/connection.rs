//! One connection: a request, its answer, the end.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::answer::{Answer, EVENTS, HTML, JSON, head};
use super::host::is_own_name;
use super::request::{Head, MAX_HEAD, Method, Refusal, Request, parse};
use super::seats::Seat;
use super::status::Board;
use super::{events, html};
use crate::sys::{RealSystem, System};

/// The time for a whole request, from the connection to the end of its head.
const READ: Duration = Duration::from_secs(5);

/// The time for a whole answer.
const WRITE: Duration = Duration::from_secs(10);

/// What is read and thrown away at the end, so that the client gets the answer and no reset.
const DRAIN: (Duration, usize) = (Duration::from_millis(500), 64 << 10);

/// A connection whose reads and writes end in time.
pub(super) struct Line(TcpStream);

/// Serves one client. Errors are the client's: there is nobody to tell them.
pub(super) fn answer(stream: TcpStream, board: &Board, seat: &Seat) {
    let mut line = Line(stream);
    let _ = exchange(&mut line, board, seat);
    line.close();
}

fn exchange(line: &mut Line, board: &Board, seat: &Seat) -> io::Result<()> {
    let at = line.0.local_addr()?;
    let request = match line.request()? {
        Ok(request) => request,
        Err(refusal) => return line.send(&Answer::from(refusal).bytes(true), WRITE),
    };
    let with_body = request.method == Method::Get;
    if request.path == "/events" && is_own(&request, at.ip(), board) {
        if !with_body {
            return line.send(head("200 OK", EVENTS, "").as_bytes(), WRITE);
        }
        if seat.keep_for_stream() {
            line.send(head("200 OK", EVENTS, "").as_bytes(), WRITE)?;
            return events::stream(line, board, request.last_event_id.as_deref());
        }
        let busy =
            Answer::error("503 Service Unavailable", "too many streams: close a tab, or load the page again");
        return line.send(&busy.bytes(true), WRITE);
    }
    line.send(&whole(&request, at, board).bytes(with_body), WRITE)
}

/// An answer that is no stream.
fn whole(request: &Request, at: SocketAddr, board: &Board) -> Answer {
    if !is_own(request, at.ip(), board) {
        let why =
            "the Host field is no name of this node: use its address, its host name, or that with .local";
        return Answer::error("421 Misdirected Request", why);
    }
    let status = board.now();
    match request.path.as_str() {
        "/" => Answer::ok(HTML, html::page(&status.view, RealSystem.uptime().as_secs(), at)),
        "/status.json" => Answer::ok(JSON, status.json.clone()),
        _ => Answer::error("404 Not Found", "there is / and /status.json"),
    }
}

fn is_own(request: &Request, at: IpAddr, board: &Board) -> bool {
    let (status, name) = (board.now(), RealSystem.hostname());
    let names = [name.as_str(), status.view.node.as_deref().unwrap_or_default()];
    is_own_name(&request.host, at, &status.view.addresses, &names)
}

impl Line {
    /// Reads one head; the outer error is a client that is gone, or too slow.
    fn request(&mut self) -> io::Result<Result<Request, Refusal>> {
        let end = Instant::now() + READ;
        let mut bytes = Vec::new();
        let mut chunk = [0; 2048];
        loop {
            if let Head::Complete(result) = parse(&bytes) {
                return Ok(result);
            }
            let room = MAX_HEAD.saturating_add(4).saturating_sub(bytes.len()).min(chunk.len());
            let room = chunk.get_mut(..room).unwrap_or_default();
            match self.read(room, end)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => bytes.extend_from_slice(room.get(..count).unwrap_or_default()),
            }
        }
    }

    fn read(&mut self, into: &mut [u8], end: Instant) -> io::Result<usize> {
        self.0.set_read_timeout(Some(left(end)?))?;
        self.0.read(into)
    }

    /// Sends all of it within the time.
    pub(super) fn send(&mut self, mut bytes: &[u8], time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while !bytes.is_empty() {
            self.0.set_write_timeout(Some(left(end)?))?;
            match self.0.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Ends the connection so that what was sent arrives: a close with unread bytes would be a reset.
    fn close(mut self) {
        let end = Instant::now() + DRAIN.0;
        let mut left = DRAIN.1;
        let mut chunk = [0; 2048];
        if self.0.shutdown(Shutdown::Write).is_err() {
            return;
        }
        while left > 0 {
            match self.read(&mut chunk, end) {
                Ok(0) | Err(_) => return,
                Ok(count) => left = left.saturating_sub(count),
            }
        }
    }
}

/// The time until the end; an error once it is over. Never zero, which would be no limit.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}
