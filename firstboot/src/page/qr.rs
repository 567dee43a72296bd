//! The address of the page as a QR code, for a phone that is held at the screen of another computer.

use std::fmt::Write;

use qrcodegen::{QrCode, QrCodeEcc};

/// The light border that readers need, in modules.
const BORDER: i32 = 4;

/// The text as an image in SVG; none where it is too long for a code.
pub(super) fn svg(text: &str) -> Option<String> {
    let code = QrCode::encode_text(text, QrCodeEcc::Medium).ok()?;
    let side = code.size().saturating_add(2 * BORDER);
    let mut path = String::new();
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|x| code.get_module(*x, y)) {
            // Writing to a String cannot fail.
            let _ = write!(path, "M{},{}h1v1h-1z", x.saturating_add(BORDER), y.saturating_add(BORDER));
        }
    }
    // Dark on light also where the page is dark: many readers know nothing else.
    Some(format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"QR code of this page's address\" viewBox=\"0 0 {side} {side}\" \
         shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\
         <path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}
