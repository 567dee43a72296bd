//! What clients of a node's page send, and the report that is shown.

use hc_firstboot::page::{Head, MAX_HEAD, is_own_name, page, parse};
use hc_firstboot::report::View;

/// See the module.
pub fn run(input: &[u8]) {
    head(input);
    if let Ok(view) = serde_json::from_slice::<View>(input) {
        shown(&view);
    }
}

/// A head is understood the same way however it is cut into packets, and only whole.
fn head(input: &[u8]) {
    let whole = parse(input);
    for end in (0..input.len().min(MAX_HEAD + 4)).rev().take(256) {
        match parse(&input[..end]) {
            Head::Partial => {}
            // What is complete stays what it was, whatever follows.
            complete => assert_eq!(complete, whole, "at {end}"),
        }
    }
    assert!(whole != Head::Partial || input.len() < MAX_HEAD, "a head without an end is read for ever");
    let Head::Complete(Ok(request)) = whole else { return };
    assert!(request.path.starts_with('/') && !request.path.contains(char::is_whitespace));
    let at = "192.168.1.7".parse().expect("an address");
    if is_own_name(&request.host, at, &["fd00::7".to_owned()], &["hc-1"]) {
        let host = request.host.to_ascii_lowercase();
        let names = ["192.168.1.7", "hc-1", "[", "fd00:", "::ffff:"];
        assert!(names.iter().any(|name| host.starts_with(name)), "{host}");
        assert!(!host.contains(['@', '/', ' ', '\\']), "{host}");
    }
}

/// Nothing in a report becomes markup.
fn shown(view: &View) {
    let at = "192.168.1.7:8680".parse().expect("an address");
    let html = page(view, u64::MAX, at);
    assert_eq!(html.matches("<script>").count(), 1);
    assert_eq!(html.matches("<style>").count(), 1);
    assert!(html.chars().all(|c| c == '\n' || !c.is_control()));
}
