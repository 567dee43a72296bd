//! Servers that never end, lie about what comes, or send a terminal's commands.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use hcimage_testkit::base::root;
use hcimage_testkit::hcimage::hcimage;

use super::limits::{put, refuses};
use super::terminal::is_harmless;

const FILE: &str = "/images/base.img.xz";

/// A server that answers each path as `answer` does.
fn serve(answer: fn(&str, &mut TcpStream) -> std::io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone()?);
                let mut request = String::new();
                reader.read_line(&mut request)?;
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                while reader.read_line(&mut request)? > 2 {}
                answer(&path, &mut stream)
            });
        }
    });
    address
}

fn ok(stream: &mut TcpStream, headers: &str) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n")
}

fn checksum(stream: &mut TcpStream) -> std::io::Result<()> {
    let text = format!("{}  base.img.xz\n", "0".repeat(64));
    ok(stream, &format!("Content-Length: {}\r\n", text.len()))?;
    stream.write_all(text.as_bytes())
}

fn endless(stream: &mut TcpStream, piece: &[u8]) -> std::io::Result<()> {
    let block = piece.repeat((64 << 10) / piece.len());
    loop {
        stream.write_all(&block)?;
    }
}

/// A plan whose base comes from that server, by a board profile.
fn plan(dir: &Path, server: SocketAddr) -> Command {
    let profile = fs::read_to_string(root().join("board-profiles/cm4.toml")).unwrap();
    let line = profile.lines().find(|line| line.contains("raspios_lite_arm64_latest")).unwrap();
    let profile = profile.replace(
        line,
        &line.replace(
            "https://downloads.raspberrypi.com/raspios_lite_arm64_latest",
            &format!("http://{server}{FILE}"),
        ),
    );
    put(dir, "profiles/cm4.toml", profile);
    let mut command = hcimage(dir);
    command.args(["plan", "--board", "cm4", "--profiles", "profiles"]);
    command
}

fn cached(dir: &Path) -> u64 {
    let files = fs::read_dir(dir.join("cache/downloads"))
        .map(|entries| entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum());
    files.unwrap_or_default()
}

#[test]
fn a_file_without_length_or_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(|path, stream| match path {
        FILE => ok(stream, "").and_then(|()| endless(stream, b"x")),
        _ => checksum(stream),
    });
    refuses(&plan(dir.path(), server), &["base.img.xz", "does not say how long"]);
    assert_eq!(cached(dir.path()), 0, "nothing is left of it");
}

#[test]
fn a_file_that_is_announced_as_larger_than_any() {
    let dir = tempfile::tempdir().unwrap();
    for length in ["1000000000000000", "99999999999"] {
        let server = match length.len() {
            16 => serve(|path, stream| match path {
                FILE => {
                    ok(stream, "Content-Length: 1000000000000000\r\n").and_then(|()| endless(stream, b"x"))
                }
                _ => checksum(stream),
            }),
            _ => serve(|path, stream| match path {
                FILE => ok(stream, "Content-Length: 99999999999\r\n").and_then(|()| endless(stream, b"x")),
                _ => checksum(stream),
            }),
        };
        refuses(&plan(dir.path(), server), &["base.img.xz", "more than such a file may have"]);
    }
}

#[test]
fn checksums_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(|path, stream| match path {
        FILE => ok(stream, "Content-Length: 4\r\n").and_then(|()| stream.write_all(b"none")),
        path if path.ends_with(".sha256") => {
            write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        }
        _ => ok(stream, "").and_then(|()| endless(stream, b"# no end\n")),
    });
    refuses(&plan(dir.path(), server), &["SHA256SUMS", "small text file"]);
    let server = serve(|_, stream| ok(stream, "").and_then(|()| endless(stream, b"x")));
    refuses(&plan(dir.path(), server), &["small text file"]);
    let headers = serve(|_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\n")?;
        endless(stream, b"X-More: and more\r\n")
    });
    refuses(&plan(dir.path(), headers), &[]);
}

/// Whatever a server answers, it is not obeyed by the terminal.
#[test]
fn answers_with_escapes() {
    let dir = tempfile::tempdir().unwrap();
    let lines = serve(|path, stream| {
        let text = "\u{1b}]0;title\u{7}\u{9b}2J\u{202e} not a checksum \u{1b}[31m";
        match path {
            FILE => ok(stream, "Content-Length: 4\r\n").and_then(|()| stream.write_all(b"none")),
            _ => {
                ok(stream, &format!("Content-Length: {}\r\n", text.len()))?;
                stream.write_all(text.as_bytes())
            }
        }
    });
    is_harmless(&refuses(&plan(dir.path(), lines), &["invalid line 1", "not a checksum"]));
    let names = serve(|path, stream| {
        let text = format!("{}  other\u{1b}[2J\u{9d}0;x\u{7}.img\u{202e}\n", "0".repeat(64));
        match path {
            FILE => ok(stream, "Content-Length: 4\r\n").and_then(|()| stream.write_all(b"none")),
            _ => {
                ok(stream, &format!("Content-Length: {}\r\n", text.len()))?;
                stream.write_all(text.as_bytes())
            }
        }
    });
    is_harmless(&refuses(&plan(dir.path(), names), &["no checksum for base.img.xz", "other"]));
    let redirect = serve(|_, stream| {
        write!(
            stream,
            "HTTP/1.1 302 \u{9b}2J\r\nLocation: http://\u{9b}31m\u{202e}.example/\u{9d}0;x\r\nContent-Length: 0\r\n\r\n"
        )
    });
    is_harmless(&refuses(&plan(dir.path(), redirect), &[]));
}
