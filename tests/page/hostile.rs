//! Clients that are slow, wrong, many, or strangers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv6Addr, Shutdown, TcpStream};

use hc_firstboot::report::{RunStatus, View};
use hc_firstboot::state::PhaseName;

use crate::server::{Server, get, rest, until};
use crate::views;

/// Reads events until one has this text.
fn wait_for(events: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(events.read_line(&mut line).unwrap() > 0, "the stream ended before {text}");
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[test]
fn the_page_and_its_json_have_strict_heads() {
    let server = Server::start(Some(&views::running()));
    for (path, kind) in [("/", "text/html; charset=utf-8"), ("/status.json", "application/json")] {
        let answer = server.get(path);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for field in [
            &format!("Content-Type: {kind}"),
            &format!("Content-Length: {}", body.len()),
            "Connection: close",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
        ] {
            assert!(head.lines().any(|line| line == field), "{field}: {head}");
        }
        let policy = head.lines().find(|line| line.starts_with("Content-Security-Policy: ")).unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(policy.contains("connect-src 'self'") && !policy.contains("unsafe"), "{policy}");
        // HEAD has the same head and nothing else.
        let only = server.ask(get(path).replace("GET", "HEAD").as_bytes());
        assert_eq!(only, format!("{head}\r\n\r\n"));
    }
    let json = server.get("/status.json");
    let view: View = serde_json::from_str(json.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(view, views::running());
    let html = server.get("/");
    assert!(
        html.contains("waiting: no network: no carrier on eth0") && !html.contains("http://cdn"),
        "{html}"
    );
}

#[test]
fn wrong_requests_are_refused() {
    let server = Server::start(Some(&views::running()));
    for (request, expected) in [
        ("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("DELETE /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n", "405"),
        ("GET /../../etc/shadow HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("GET //etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
        ("GET /events HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
        ("GET /status.json HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\nHost: hc-1.evil.example\r\n\r\n", "421"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
        ("GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "400"),
        ("GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", "505"),
        ("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0", "400"),
    ] {
        let answer = server.ask(request.as_bytes());
        assert_eq!(status(&answer), expected, "{request:?}: {answer}");
        assert!(!answer.contains("carrier"), "{answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "a".repeat(1 << 20));
    assert_eq!(status(&server.ask(long.as_bytes())), "431");
    for host in ["127.0.0.1", "127.0.0.1:8680", "192.168.1.7", "[fd00::7]", "hc-1", "HC-1.local:8680"] {
        let answer = server.ask(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(status(&answer), "200", "{host}");
    }
}

#[test]
fn one_connection_has_one_answer() {
    let server = Server::start(Some(&views::running()));
    let both = [get("/status.json"), get("/")].concat();
    let answer = server.ask(both.as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    // A client that says no more still gets its answer.
    let mut client = server.connect();
    client.write_all(get("/").as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(status(&rest(client)), "200");
    // One that has said only a half is hung up on.
    let mut client = server.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(client), "");
}

/// A byte at a time never makes a whole head within the time of a request; the server ends it, the test does not.
#[test]
fn a_slow_head_is_ended() {
    let server = Server::start(Some(&views::running()));
    let mut client = server.connect();
    let mut sent = 0_u64;
    let slow = get("/").replace("\r\n\r\n", &format!("\r\nX: {}", "a".repeat(4000)));
    for byte in slow.bytes() {
        std::thread::sleep(std::time::Duration::from_millis(50));
        if client.write_all(&[byte]).is_err() {
            break;
        }
        sent += 1;
    }
    assert!(sent < 4000, "all of it was read");
    assert_eq!(status(&server.get("/")), "200");
}

/// A thousand slow connections of one machine, and hundreds of others: each phase is still seen by everybody else.
#[test]
fn the_page_answers_besides_a_thousand_slow_connections() {
    let phases = [PhaseName::Host, PhaseName::Network, PhaseName::Clock, PhaseName::Bundle, PhaseName::K3s];
    let server = Server::start(Some(&views::after(&phases[..1])));
    let mut events = server.connect_from(Ipv6Addr::LOCALHOST.into()).unwrap();
    events.write_all(get("/events").as_bytes()).unwrap();
    let mut events = BufReader::new(events);
    wait_for(&mut events, "working on host");
    let mut slow: Vec<TcpStream> = Vec::new();
    for i in 0..1000_u32 {
        let Ok(mut client) = server.connect_from([127, 0, 0, 1].into()) else { continue };
        let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: loc");
        slow.push(client);
        // Of other machines too, each with one connection.
        let [_, _, high, low] = (i + 2).to_be_bytes();
        if let Ok(mut client) = server.connect_from(IpAddr::from([127, 7, high, low])) {
            let _ = client.write_all(b"G");
            slow.push(client);
        }
        if i % 250 == 249 {
            let seen = usize::try_from(i / 250).unwrap() + 2;
            server.show(&views::after(&phases[..seen]));
            wait_for(&mut events, &format!("working on {}", phases[seen - 1].text()));
            let mut client = server.connect_from(Ipv6Addr::LOCALHOST.into()).unwrap();
            client.write_all(get("/").as_bytes()).unwrap();
            let answer = rest(client);
            assert!(answer.contains(&format!("working on {}", phases[seen - 1].text())), "{answer}");
        }
    }
    assert!(slow.len() > 1500, "only {} connections were tried", slow.len());
    let (memory, threads) = (server.measure("VmHWM"), server.measure("Threads"));
    eprintln!("{} slow connections: at most {memory} KiB of memory, {threads} threads now", slow.len());
    assert!(memory < 24 << 10, "{memory} KiB");
    assert!(threads <= 70, "{threads} threads");
}

#[test]
fn streams_are_bounded_and_the_page_still_loads() {
    let server = Server::start(Some(&views::running()));
    let open = |peer: [u8; 4]| {
        let mut client = server.connect_from(peer.into()).unwrap();
        client.write_all(get("/events").as_bytes()).unwrap();
        let mut events = BufReader::new(client);
        let mut line = String::new();
        events.read_line(&mut line).unwrap();
        (line.contains("200"), events)
    };
    let of_one: Vec<_> = (0..8).map(|_| open([127, 0, 0, 1])).collect();
    // Each gets one, and an older one of the same peer ends for it: a browser leaves its stream without a word.
    assert!(of_one.iter().all(|(taken, _)| *taken));
    let of_many: Vec<_> = (0..60).map(|i| open([127, 8, 0, i + 1])).collect();
    assert!(of_many.iter().all(|(taken, _)| *taken));
    drop(of_one);
    until("the page loads", || status(&server.get("/")) == "200");
}

#[test]
fn a_stream_goes_on_where_it_broke_off() {
    let server = Server::start(Some(&views::running()));
    let mut client = server.connect();
    client.write_all(get("/events").as_bytes()).unwrap();
    let mut events = BufReader::new(client);
    let mut line = String::new();
    while !line.starts_with("id: ") {
        line.clear();
        events.read_line(&mut line).unwrap();
    }
    let id = line.trim_start_matches("id: ").trim().to_owned();
    line.clear();
    events.read_line(&mut line).unwrap();
    let data: View = serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data, views::running());
    // With its id nothing comes until there is news.
    let mut client = server.connect();
    let request = get("/events").replace("\r\n\r\n", &format!("\r\nLast-Event-ID: {id}\r\n\r\n"));
    client.write_all(request.as_bytes()).unwrap();
    let mut events = BufReader::new(client);
    until("the stream begins", || {
        let mut line = String::new();
        events.read_line(&mut line).unwrap();
        line == "retry: 3000\n"
    });
    server.show(&views::ready());
    let mut data = String::new();
    while !data.starts_with("data: ") {
        data.clear();
        events.read_line(&mut data).unwrap();
    }
    assert!(data.contains("\"status\": \"ready\""), "the first event is the news: {data}");
}

/// A file that is not a report, is huge, or is gone changes nothing: the last report stays.
#[test]
fn a_damaged_report_is_not_shown() {
    let server = Server::start(Some(&views::running()));
    until("the report is shown", || server.get("/").contains("carrier"));
    for bytes in [b"{\"schema\": 1".to_vec(), vec![b' '; 8 << 20], vec![0xff; 100]] {
        std::fs::write(server.file(), bytes).unwrap();
        // Two looks at the file, at least.
        std::thread::sleep(std::time::Duration::from_millis(600));
        assert!(server.get("/").contains("carrier"));
    }
    std::fs::remove_file(server.file()).unwrap();
    assert!(server.get("/").contains("carrier"));
    server.show(&views::ready());
    until("the next report is shown", || server.get("/").contains("The node is Ready."));
}

#[test]
fn before_the_first_report_there_is_a_page() {
    let server = Server::start(None);
    let answer = server.get("/");
    assert!(answer.contains("The first boot has not begun since power-on"), "{answer}");
    server.show(&views::running());
    until("the report is shown", || server.get("/").contains("carrier"));
}

#[test]
fn the_page_goes_off_after_ready_and_stays_after_a_failure() {
    let mut server = Server::start(Some(&View { page_minutes: Some(0), ..views::failed() }));
    until("the failure is shown", || server.get("/").contains("lug in the network cable"));
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert!(server.is_running());
    server.show(&View { page_minutes: Some(60), ..views::ready() });
    until("it is Ready", || server.get("/status.json").contains("\"ready\""));
    assert!(server.is_running());
    let over = View { page_minutes: Some(0), ..views::ready() };
    assert_eq!(over.status, RunStatus::Ready);
    server.show(&over);
    assert!(server.wait().success());
}

/// It was killed, and systemd starts it again.
#[test]
fn a_page_that_is_started_again_stays_no_longer() {
    let ready = views::ready();
    let before = View { page_minutes: Some(1), uptime: ready.uptime.saturating_sub(50), ..ready.clone() };
    assert!(Server::start(Some(&before)).is_running());
    let over = View { uptime: ready.uptime.saturating_sub(60), ..before };
    assert!(Server::begin(Some(&over)).wait().success());
}

/// An end that does not read is not waited for: its place is another's in the end.
#[test]
fn a_client_that_does_not_read_is_hung_up_on() {
    let server = Server::start(Some(&views::running()));
    let mut deaf = server.connect();
    deaf.write_all(get("/events").as_bytes()).unwrap();
    let long = "x".repeat(500_000);
    let mut view = views::running();
    let mut i = 0;
    until("the stream of the deaf client ends", || {
        i += 1;
        view.notes = vec![format!("{i}{long}")];
        server.show(&view);
        // The thread of the stream is gone.
        server.measure("Threads") <= 2 && i > 3
    });
    let mut rest = Vec::new();
    let _ = deaf.read_to_end(&mut rest);
    assert_eq!(status(&server.get("/status.json")), "200");
}
