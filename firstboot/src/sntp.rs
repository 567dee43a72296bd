//! A small SNTP client: RFC 4330, and RFC 5905 section 7.3 for the packet format.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use hc_common::value::TimeServer;

use crate::resolve;
use crate::seed::Endpoint;
use crate::sys::System;

/// The size of a packet without extensions, in bytes.
const PACKET: usize = 48;

/// Leap indicator 0, version 4, mode 3 (client).
const REQUEST: u8 = 0b00_100_011;

/// Seconds from 1900, the epoch of NTP, to 1970.
const FROM_1900_TO_1970: u64 = 2_208_988_800;

/// The time limit of one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(3);

/// Why a server gives no valid time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SntpError {
    /// Fewer than 48 bytes.
    #[error("invalid answer: expected 48 bytes, found {0}")]
    Short(usize),
    /// Not an answer of a server (mode 4).
    #[error("invalid answer: expected mode 4 (server), found {0}")]
    Mode(u8),
    /// Not an answer to this request: from another one, or forged.
    #[error("the answer does not match the request")]
    NotOurs,
    /// The server itself is not synchronized.
    #[error("the server is not synchronized itself (leap indicator 3)")]
    NotSynchronised,
    /// A rejection ("kiss of death") or an invalid stratum.
    #[error("the server rejects the request or has an invalid stratum: expected 1 to 15, found {0}")]
    Stratum(u8),
    /// The timestamp is empty.
    #[error("the answer has no timestamp")]
    NoTime,
    /// Earlier than the build of the image, so the server is wrong.
    #[error("the server's time is before this image was made")]
    BeforeFloor,
    /// Later than any time of this cluster, so the server is wrong.
    #[error("the server's time is after the end of the cluster's CAs")]
    AfterCeiling,
    /// The phase's time limit was reached before the request.
    #[error("the time limit was reached before the request")]
    Late,
    /// The request failed.
    #[error("{0}")]
    Io(String),
}

/// The time since 1970 by a server: the first of its addresses that gives a good answer. No question begins after `end`,
/// a point of the uptime.
pub fn ask(
    sys: &dyn System,
    server: &TimeServer,
    plausible: Range<Duration>,
    end: Duration,
) -> Result<Duration, SntpError> {
    let mut last = SntpError::Io("the name has no address".to_owned());
    let place = Endpoint::new(server.host().clone(), server.port());
    for address in resolve::addresses(sys, &place, end).map_err(SntpError::Io)? {
        let left = end.saturating_sub(sys.uptime());
        if left.is_zero() {
            return Err(SntpError::Late);
        }
        match ask_address(sys, address, &plausible, ANSWER_WAIT.min(left)) {
            Ok(time) => return Ok(time),
            Err(e) => last = e,
        }
    }
    Err(last)
}

/// Sends one request to one address.
fn ask_address(
    sys: &dyn System,
    server: SocketAddr,
    plausible: &Range<Duration>,
    wait: Duration,
) -> Result<Duration, SntpError> {
    let io = |e: std::io::Error| SntpError::Io(e.to_string());
    // The server echoes the transmit timestamp unchanged; a random one cannot be guessed.
    let question = sys.random().map_err(io)?;
    let sent = sys.uptime();
    let answer = sys.ask_udp(server, &request(question), wait).map_err(io)?;
    let travel = sys.uptime().saturating_sub(sent);
    let time = read_answer(&answer, question)?.saturating_add(travel / 2);
    match time {
        _ if time < plausible.start => Err(SntpError::BeforeFloor),
        _ if time >= plausible.end => Err(SntpError::AfterCeiling),
        _ => Ok(time),
    }
}

/// A client's packet with the transmit timestamp `question`.
pub fn request(question: u64) -> Vec<u8> {
    let mut packet = vec![REQUEST];
    packet.resize(PACKET - size_of::<u64>(), 0);
    packet.extend(question.to_be_bytes());
    packet
}

/// The server's time since 1970, with the checks of RFC 4330 section 5.
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

/// 32 bits of seconds and 32 bits of fraction, big-endian.
fn timestamp(packet: &[u8; PACKET], at: usize) -> u64 {
    packet.iter().skip(at).take(size_of::<u64>()).fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}

/// RFC 4330 section 3: the seconds count from 1900 if the highest bit is set, otherwise from 2036-02-07 06:28:16.
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
