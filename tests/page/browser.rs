//! The page in a real browser, headless Chromium: `make page-test`, which installs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hc_firstboot::report::View;
use hc_firstboot::state::PhaseName;
use serde_json::{Value, json};

use crate::server::{Server, until};
use crate::views;
use crate::webdriver::{Browser, Kind};

fn target(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(path)
}

/// Kept for a person to look at.
fn keep(browser: &Browser, name: &str) -> PathBuf {
    let dir = target("proofs/page");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("{name}.png"));
    fs::write(&path, browser.picture()).unwrap();
    path
}

fn open(kind: Kind, view: &View) -> (Server, Browser) {
    let server = Server::start(Some(view));
    let browser = Browser::start(kind);
    browser.open(&format!("http://127.0.0.1:{}/", server.port));
    (server, browser)
}

#[test]
#[ignore = "make page-test"]
fn phases_advance_without_a_reload() {
    let phases = [PhaseName::Host, PhaseName::Network, PhaseName::Clock, PhaseName::K3s];
    let (server, browser) = open(Kind::Desktop, &views::after(&phases[..1]));
    browser.eval("window.mark = 'the same document'");
    for end in 1..=phases.len() {
        server.show(&views::after(&phases[..end]));
        let wanted = format!("Phase {}: working on", phases[end - 1].text());
        until(&wanted, || browser.text().contains(&wanted));
    }
    server.show(&views::failed());
    until("the failure is shown", || browser.text().contains("Plug in the network cable, check the switch"));
    assert!(browser.text().contains("tries again every ten minutes"), "{}", browser.text());
    server.show(&views::ready());
    until("it is Ready", || browser.text().contains("ssh admin@192.168.1.7"));
    assert_eq!(browser.eval("window.mark"), "the same document");
    assert_eq!(browser.eval("document.title"), "hc-1: Ready");
    assert_eq!(browser.eval("document.getElementById('result').className"), "ready");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
    // Nothing came from elsewhere.
    let origins = browser
        .eval("performance.getEntriesByType('resource').every(e => e.name.startsWith(location.origin))");
    assert_eq!(origins, true);
}

/// The seconds of a running phase go on by themselves.
#[test]
#[ignore = "make page-test"]
fn a_running_phase_counts_its_seconds() {
    let (_server, browser) = open(Kind::Desktop, &views::running());
    let shown = || browser.eval("document.querySelector('[data-seconds]').textContent").to_string();
    let first = shown();
    until("the seconds go on", || shown() != first);
}

#[test]
#[ignore = "make page-test"]
fn a_page_whose_node_is_gone_says_so_and_comes_back() {
    let (mut server, browser) = open(Kind::Desktop, &views::running());
    let is_hidden = || browser.eval("document.getElementById('lost').hidden") == true;
    until("the stream is there", is_hidden);
    server.stop();
    until("it is told", || !is_hidden());
    server.start_again();
    until("the stream is there again", is_hidden);
    server.show(&views::ready());
    until("news are shown", || browser.text().contains("The node is Ready."));
}

#[test]
#[ignore = "make page-test"]
fn a_phone_shows_all_without_scrolling_sideways() {
    for (name, view) in
        [("running", views::running()), ("ready", views::ready()), ("failed", views::failed())]
    {
        let mut view = view;
        view.log.push("x".repeat(400));
        let (_server, browser) = open(Kind::Phone, &view);
        assert_eq!(browser.eval("innerWidth"), 360);
        for dark in [false, true] {
            browser.dark(dark);
            let width = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(width <= 360, "{name}: {width}");
            keep(&browser, &format!("phone-{name}-{}", if dark { "dark" } else { "light" }));
        }
    }
}

#[test]
#[ignore = "make page-test"]
fn all_is_there_without_javascript_and_reloads() {
    let server = Server::start(Some(&views::running()));
    let browser = Browser::start(Kind::Desktop);
    browser.chromium("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    browser.open(&format!("http://127.0.0.1:{}/", server.port));
    let text = browser.text();
    for wanted in [
        "hc-1",
        "Phase network: waiting: no network: no carrier on eth0",
        "hc-3",
        "not Ready",
        "fd00::7",
        "v1.36.2+k3s1",
        "[39/18]",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    keep(&browser, "without-javascript");
    server.show(&views::ready());
    until("the page is loaded again by itself", || browser.text().contains("The node is Ready."));
}

#[test]
#[ignore = "make page-test"]
fn dark_and_light_follow_the_system() {
    let (_server, browser) = open(Kind::Desktop, &views::running());
    let back = |dark: bool| {
        browser.dark(dark);
        keep(&browser, if dark { "desktop-dark" } else { "desktop-light" });
        browser.eval("getComputedStyle(document.body).backgroundColor")
    };
    assert_eq!((back(false), back(true)), (json!("rgb(255, 255, 255)"), json!("rgb(13, 17, 23)")));
}

#[test]
#[ignore = "make page-test"]
fn the_keyboard_reaches_all() {
    let (_server, browser) = open(Kind::Desktop, &views::running());
    let mut reached = Vec::new();
    for _ in 0..3 {
        browser.press("\u{e004}");
        reached.push(browser.eval("document.activeElement.tagName"));
        if reached.last() == Some(&json!("SUMMARY")) {
            browser.press("\u{e007}");
            assert_eq!(browser.eval("document.querySelector('details').open"), false);
        }
    }
    assert_eq!(reached, [json!("A"), json!("SUMMARY"), json!("A")]);
}

/// Decoded by zbarimg (Debian package zbar-tools) from a picture of the page, also of the dark one.
#[test]
#[ignore = "make page-test"]
fn another_program_reads_the_code() {
    let (server, browser) = open(Kind::Phone, &views::running());
    browser.dark(true);
    let picture = keep(&browser, "qr");
    let output = Command::new("zbarimg").args(["--quiet", "--raw"]).arg(picture).output();
    let output = output.expect("zbarimg is needed: install the package zbar-tools");
    let read = String::from_utf8(output.stdout).unwrap();
    assert_eq!(read.trim(), format!("http://192.168.1.7:{}/", server.port));
}

/// The rules of WCAG 2.2, as far as a program can judge them: axe-core, from npm.
#[test]
#[ignore = "make page-test"]
fn axe_finds_nothing() {
    let axe = fs::read_to_string(target("page/node_modules/axe-core/axe.min.js"))
        .expect("axe-core is needed: make page-test fetches it");
    let judge = |browser: &Browser| -> Vec<String> {
        browser.eval(&format!("(() => {{ {axe}; return true }})()"));
        let found = browser.run("axe.run().then(arguments[arguments.length - 1])");
        assert!(found["passes"].as_array().unwrap().len() > 10, "{found}");
        let rules = found["violations"].as_array().unwrap().iter();
        rules.map(|rule| format!("{}: {}", rule["id"], rule["nodes"])).collect()
    };
    for (name, view) in
        [("running", views::running()), ("ready", views::ready()), ("failed", views::failed())]
    {
        for kind in [Kind::Desktop, Kind::Phone] {
            let (_server, browser) = open(kind, &view);
            for dark in [false, true] {
                browser.dark(dark);
                let found = judge(&browser);
                assert!(found.is_empty(), "{name}, {kind:?}, dark {dark}: {found:#?}");
            }
        }
    }
    // It does find what is wrong.
    let (_server, browser) = open(Kind::Desktop, &views::running());
    browser.eval("document.documentElement.removeAttribute('lang')");
    assert!(judge(&browser).iter().any(|rule| rule.contains("html-has-lang")));
    let _: Value = browser.eval("null");
}
