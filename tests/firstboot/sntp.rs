//! The SNTP client: valid and invalid packets, and a real server on this machine.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use hc_common::value::{Host, TimeServer};
use hc_firstboot::sntp::{SntpError, ask, read_answer, request};
use hc_firstboot::sys::RealSystem;

/// No time limit.
const ANY: std::ops::Range<Duration> = Duration::ZERO..Duration::MAX;
const END: Duration = Duration::MAX;

const QUESTION: u64 = 0x1122_3344_5566_7788;

/// 2026-11-21 11:30:38.5, in NTP's form and since 1970.
const NTP_TIME: u64 = ((1_795_260_638 + 2_208_988_800) << 32) | 0x8000_0000;
const UNIX_TIME: Duration = Duration::from_millis(1_795_260_638_500);

fn answer() -> Vec<u8> {
    let mut packet = vec![0; 48];
    (packet[0], packet[1]) = (0b00_100_100, 2);
    packet[24..32].copy_from_slice(&QUESTION.to_be_bytes());
    packet[40..48].copy_from_slice(&NTP_TIME.to_be_bytes());
    packet
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = answer();
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}

#[test]
fn only_a_valid_answer_gives_the_time() {
    let after_2036 = Duration::from_secs((1 << 32) - 2_208_988_800 + 5);
    let table = [
        ("good", answer(), Ok(UNIX_TIME)),
        ("with a signature behind it", [answer(), vec![7; 20]].concat(), Ok(UNIX_TIME)),
        ("version 3", with(0, &[0b00_011_100]), Ok(UNIX_TIME)),
        ("a leap second ahead", with(0, &[0b01_100_100]), Ok(UNIX_TIME)),
        ("stratum 15", with(1, &[15]), Ok(UNIX_TIME)),
        ("after 2036", with(40, &[0, 0, 0, 5, 0, 0, 0, 0]), Ok(after_2036)),
        ("empty", Vec::new(), Err(SntpError::Short(0))),
        ("short", answer()[..47].to_vec(), Err(SntpError::Short(47))),
        ("an echo of the request", request(QUESTION), Err(SntpError::Mode(3))),
        ("a broadcast", with(0, &[0b00_100_101]), Err(SntpError::Mode(5))),
        ("not synchronized", with(0, &[0b11_100_100]), Err(SntpError::NotSynchronised)),
        ("kiss of death", with(1, &[0]), Err(SntpError::Stratum(0))),
        ("stratum 16", with(1, &[16]), Err(SntpError::Stratum(16))),
        ("somebody else's answer", with(24, &[0]), Err(SntpError::NotOurs)),
        ("no time", with(40, &[0; 8]), Err(SntpError::NoTime)),
        ("before 1970", with(40, &[0x80, 0, 0, 0, 0, 0, 0, 0]), Err(SntpError::NoTime)),
    ];
    for (name, packet, expected) in table {
        assert_eq!(read_answer(&packet, QUESTION), expected, "{name}");
    }
}

#[test]
fn servers_have_the_port_of_ntp_where_none_is_given() {
    let good = [
        ("pool.ntp.org", "pool.ntp.org", 123),
        ("a-b-c:1123", "a-b-c", 1123),
        ("192.0.2.1", "192.0.2.1", 123),
        ("192.0.2.1:1", "192.0.2.1", 1),
        ("2001:db8::1", "2001:db8::1", 123),
        ("[2001:db8::1]:9", "2001:db8::1", 9),
    ];
    for (text, host, port) in good {
        let server: TimeServer = text.parse().unwrap();
        assert_eq!((server.host().to_string().as_str(), server.port()), (host, port));
    }
    for text in ["", ":123", "a b", "-s", "a:", "a:x", "a:0", "a:70000", "[::1", "[x]:1", "a/b", ".a", "a_b"]
    {
        assert!(text.parse::<TimeServer>().is_err(), "{text}");
    }
}

/// A server on this machine that answers every question with `forge`d packets.
fn serve(forge: fn(Vec<u8>) -> Vec<u8>) -> TimeServer {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            assert_eq!((length, question[0]), (48, 0x23));
            let mut packet = answer();
            packet[24..32].copy_from_slice(&question[40..48]);
            socket.send_to(&forge(packet), from).unwrap();
        }
    });
    TimeServer::new(Host::Address(at.ip()), Some(at.port()))
}

#[test]
fn a_real_server_gives_the_time() {
    let time = ask(&RealSystem, &serve(|packet| packet), ANY, END).unwrap();
    assert!((UNIX_TIME..UNIX_TIME + Duration::from_secs(3)).contains(&time), "{time:?}");
}

#[test]
fn a_wrong_answer_of_a_real_server_is_rejected() {
    let server = serve(|packet| packet);
    assert_eq!(ask(&RealSystem, &server, UNIX_TIME * 2..Duration::MAX, END), Err(SntpError::BeforeFloor));
    assert_eq!(ask(&RealSystem, &server, Duration::ZERO..UNIX_TIME, END), Err(SntpError::AfterCeiling));
    let forged = serve(|mut packet| {
        packet[30] ^= 1;
        packet
    });
    assert_eq!(ask(&RealSystem, &forged, ANY, END), Err(SntpError::NotOurs));
}

#[test]
fn a_name_is_resolved_by_getent() {
    let port = serve(|packet| packet).port();
    let server: TimeServer = format!("localhost:{port}").parse().unwrap();
    assert!(ask(&RealSystem, &server, ANY, END).is_ok());
}
