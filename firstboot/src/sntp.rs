//! A small SNTP client: RFC 4330, and RFC 5905 section 7.3 for the form of the packet.

use std::net::SocketAddr;
use std::time::Duration;

use hc_common::value::TimeServer;

use crate::resolve;
use crate::seed::Endpoint;
use crate::sys::System;

/// Bytes of a packet without extensions.
const PACKET: usize = 48;

/// Leap indicator 0, version 4, mode 3 (client).
const REQUEST: u8 = 0b00_100_011;

/// From 1900, where NTP begins to count, to 1970.
const FROM_1900_TO_1970: u64 = 2_208_988_800;

/// How long to wait for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// Why a server's answer is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SntpError {
    /// Fewer than 48 bytes.
    #[error("the answer has {0} bytes, not 48")]
    Short(usize),
    /// Not an answer of a server (mode 4).
    #[error("the answer has mode {0}, not 4 (server)")]
    Mode(u8),
    /// Not an answer to what was asked: somebody else's, or a forged one.
    #[error("the answer does not echo the question")]
    NotOurs,
    /// The server says that it has no time itself.
    #[error("the server is not synchronised itself (leap indicator 3)")]
    NotSynchronised,
    /// A refusal ("kiss of death") or an invalid stratum.
    #[error("the server refused, or has stratum {0}, not 1 to 15")]
    Stratum(u8),
    /// The field of the time is empty.
    #[error("the answer holds no time")]
    NoTime,
    /// Earlier than the image was built, so the server is wrong.
    #[error("the server's time is before the build of this image")]
    BeforeFloor,
    /// The time of the phase was over before it was its turn.
    #[error("there was no time left to ask")]
    Late,
    /// The server could not be asked.
    #[error("{0}")]
    Io(String),
}

/// The time since 1970 by a server: the first of its addresses that gives a good answer. No question begins after `end`,
/// a point of the uptime.
pub fn ask(
    sys: &dyn System,
    server: &TimeServer,
    floor: Duration,
    end: Duration,
) -> Result<Duration, SntpError> {
    let mut last = SntpError::Io("the name has no address".to_owned());
    let place = Endpoint::new(server.host().clone(), server.port());
    for address in resolve::addresses(sys, &place, end).map_err(SntpError::Io)? {
        let left = end.saturating_sub(sys.uptime());
        if left.is_zero() {
            return Err(SntpError::Late);
        }
        match ask_address(sys, address, floor, ANSWER_WAIT.min(left)) {
            Ok(time) => return Ok(time),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// Asks one address once.
fn ask_address(
    sys: &dyn System,
    server: SocketAddr,
    floor: Duration,
    wait: Duration,
) -> Result<Duration, SntpError> {
    let io = |e: std::io::Error| SntpError::Io(e.to_string());
    // The server echoes the transmit timestamp without looking at it; a random one cannot be guessed.
    let question = sys.random().map_err(io)?;
    let sent = sys.uptime();
    let answer = sys.ask_udp(server, &request(question), wait).map_err(io)?;
    let travel = sys.uptime().saturating_sub(sent);
    let time = read_answer(&answer, question)?.saturating_add(travel / 2);
    if time < floor { Err(SntpError::BeforeFloor) } else { Ok(time) }
}

/// A client's packet whose transmit timestamp is `question`.
pub fn request(question: u64) -> Vec<u8> {
    let mut packet = vec![REQUEST];
    packet.resize(PACKET - size_of::<u64>(), 0);
    packet.extend(question.to_be_bytes());
    packet
}

/// The server's time since 1970, checked as RFC 4330 section 5 asks for.
pub fn read_answer(bytes: &[u8], question: u64) -> Result<Duration, SntpError> {
    let Some(packet) = bytes.first_chunk::<PACKET>() else {
        return Err(SntpError::Short(bytes.len()));
    };
    let [flags, stratum, ..] = *packet;
    if flags & 0b111 != 4 {
        return Err(SntpError::Mode(flags & 0b111));
    }
    if timestamp(packet, 24) != question {
        return Err(SntpError::NotOurs);
    }
    if !(1..=15).contains(&stratum) {
        return Err(SntpError::Stratum(stratum));
    }
    if flags >> 6 == 3 {
        return Err(SntpError::NotSynchronised);
    }
    since_1970(timestamp(packet, 40)).ok_or(SntpError::NoTime)
}

/// 32 bits of seconds and 32 bits of their fraction, big-endian.
fn timestamp(packet: &[u8; PACKET], at: usize) -> u64 {
    packet.iter().skip(at).take(size_of::<u64>()).fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}

/// RFC 4330 section 3: with the highest bit set the seconds count from 1900, without it from 2036-02-07 06:28:16.
fn since_1970(timestamp: u64) -> Option<Duration> {
    if timestamp == 0 {
        return None;
    }
    let (seconds, fraction) = (timestamp >> 32, timestamp & 0xffff_ffff);
    let era = if seconds >> 31 == 1 { 0 } else { 1 << 32 };
    let whole = (seconds + era).checked_sub(FROM_1900_TO_1970)?;
    let nanos = (fraction * 1_000_000_000) >> 32;
    Some(Duration::from_secs(whole).saturating_add(Duration::from_nanos(nanos)))
}
