//! Hides what a card has of secrets in all that is shown of it: by value, as the card's own files have them, and by form.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hc_common::text::yaml_load;
use hc_firstboot::mask::mask;
use hc_firstboot::report::secrets_of_text;

/// What stands instead of a secret.
const STARS: &str = "***";
/// A shorter value would hide half of every sentence.
const SHORTEST: usize = 6;
/// Words of a file of keys that are shorter are no part of a key.
const KEY_WORD: usize = 12;
/// So many values are searched for in each text; a card with more is not shown at all.
const MOST: usize = 4096;

/// Forms of secrets that the mask of firstboot's own lines does not meet: age's keys, and password hashes of crypt(5).
const FORMS: [&str; 9] = ["AGE-SECRET-KEY-", "$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$apr1$"];

/// Values that must not be shown.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// The longest first, since one may contain another.
    values: Vec<String>,
    overflow: bool,
}

/// Gathers the values.
#[derive(Debug, Default)]
pub(super) struct Gatherer(BTreeSet<String>);

/// So many values end the gathering: the card is not shown then.
const MOST_GATHERED: usize = 4 * MOST;

impl Gatherer {
    /// Values by their names, in a file that may have other things too.
    pub(super) fn settings(&mut self, text: &str) {
        for line in text.lines() {
            self.0.extend(secrets_of_text(line).into_iter().filter(|_| line.contains(['=', ':'])));
        }
        if text.contains("Secret") {
            self.kubernetes(text);
        }
    }

    /// Whether there are more than can be masked, so that nothing more need be read.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() > MOST_GATHERED
    }

    /// A file that only root can read and that is one secret, or has some by their names.
    fn private(&mut self, text: &str) {
        self.0.extend(secrets_of_text(text));
        self.settings(text);
    }

    /// A private file; of one of keys, passwords or hashes every longer word.
    pub(super) fn keys_if(&mut self, text: &str, has_keys: bool) {
        self.private(text);
        if !has_keys {
            return;
        }
        let words = text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ':' | ','));
        self.0.extend(words.filter(|word| word.len() >= KEY_WORD).map(str::to_owned));
    }

    /// All values of objects of the kind Secret.
    fn kubernetes(&mut self, text: &str) {
        for document in yaml_load::load(text).unwrap_or_default() {
            if document["kind"].as_str() != Some("Secret") {
                continue;
            }
            for (key, is_packed) in [("data", true), ("stringData", false)] {
                let values = document[key].as_hash().into_iter().flatten();
                for value in values.filter_map(|(_, value)| value.as_str()) {
                    self.value(value);
                    let unpacked = is_packed.then(|| STANDARD.decode(value.trim()).ok()).flatten();
                    if let Some(text) = unpacked.and_then(|bytes| String::from_utf8(bytes).ok()) {
                        self.value(&text);
                    }
                }
            }
        }
    }

    fn value(&mut self, value: &str) {
        self.0.extend(value.lines().map(|line| line.trim().to_owned()));
        self.settings(value);
    }

    /// The mask, with each value in the forms that programs write it in.
    pub(super) fn mask(self) -> Mask {
        let plain: Vec<String> =
            self.0.into_iter().filter(|value| value.len() >= SHORTEST && !is_name(value)).collect();
        let overflow = plain.len() > MOST;
        let mut values: BTreeSet<String> = BTreeSet::new();
        for value in plain {
            // Only whole groups: what follows the value in a longer text changes the last one.
            let whole = value.len() / 3 * 3;
            let packed = STANDARD.encode(value.as_bytes().get(..whole).unwrap_or_default());
            if packed.len() >= 8 {
                values.insert(packed);
            }
            values.insert(form_urlencoded::byte_serialize(value.as_bytes()).collect());
            values.insert(value.replace('\\', "\\\\").replace('"', "\\\""));
            values.insert(value);
        }
        let mut values: Vec<String> = values.into_iter().collect();
        values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        Mask { values, overflow }
    }
}

/// Words that stand behind a secret's name and are none.
fn is_name(value: &str) -> bool {
    value.starts_with("-----")
        || value.chars().all(|c| c == '*')
        || matches!(value, "wpa-psk" | "WPA-PSK" | "Opaque")
}

impl Mask {
    /// The text without secrets. Keys in PEM are hidden as a whole.
    pub fn text(&self, text: &str) -> String {
        if self.overflow {
            return "(not shown: the card has more secrets than can be masked)".to_owned();
        }
        let mut hidden = text.to_owned();
        for value in self.values.iter().filter(|value| text.contains(value.as_str())) {
            hidden = hidden.replace(value, STARS);
        }
        let mut out = String::with_capacity(hidden.len());
        let mut in_key = false;
        for line in hidden.split_inclusive('\n') {
            let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
            let begins = line.contains("-----BEGIN") && line.contains("PRIVATE KEY");
            in_key |= begins;
            match in_key {
                true => out.push_str(STARS),
                false => out.push_str(&form(line)),
            }
            // A key in one line, as JSON has it, ends in it.
            in_key &= !line.contains("-----END");
            out.push_str(end);
        }
        out
    }
}

/// Once over the line: foreign text may be of nothing else.
fn form(line: &str) -> String {
    let masked = mask(line);
    let mut out = String::with_capacity(masked.len());
    let mut rest = masked.as_str();
    while let Some(at) = rest.find(['$', 'A']) {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        if FORMS.iter().any(|form| behind.starts_with(form)) {
            out.push_str(STARS);
            let end = behind.find([' ', '"', '\'', ':', ',', '\t']).unwrap_or(behind.len());
            rest = behind.get(end..).unwrap_or_default();
        } else {
            let (first, others) = behind.split_at(1);
            out.push_str(first);
            rest = others;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask_of(gather: impl FnOnce(&mut Gatherer)) -> Mask {
        let mut gatherer = Gatherer::default();
        gather(&mut gatherer);
        gatherer.mask()
    }

    #[test]
    fn a_value_is_hidden_in_every_form() {
        let mask = mask_of(|all| all.private("correct \"horse\" battery\n[wifi]\npsk=let me in, please\n"));
        for (text, hidden) in [
            ("it said let me in, please", "it said ***"),
            ("a=bGV0IG1lIGluLCBwbGVhc2U= b", "a=*** b"),
            ("?x=let+me+in%2C+please&", "?x=***&"),
        ] {
            let shown = mask.text(text);
            assert!(
                shown.contains(STARS) && !shown.contains("plea") && !shown.contains("bGV0"),
                "{shown} {hidden}"
            );
        }
    }

    #[test]
    fn secrets_of_kubernetes_are_known_packed_and_unpacked() {
        let text = "kind: Secret\napiVersion: v1\ndata:\n  a: c3dvcmRmaXNoMQ==\nstringData:\n  b: open sesame\n---\n\
            kind: ConfigMap\ndata:\n  c: harmless\n";
        let mask = mask_of(|all| all.settings(text));
        assert_eq!(mask.text("swordfish1 open sesame harmless"), "*** *** harmless");
    }

    #[test]
    fn keys_and_hashes_are_known_by_their_form() {
        let mask = Mask::default();
        let text = "a\n-----BEGIN OPENSSH PRIVATE KEY-----\nshort\n-----END OPENSSH PRIVATE KEY-----\nb\n";
        assert_eq!(mask.text(text), "a\n***\n***\n***\nb\n");
        assert_eq!(mask.text("x AGE-SECRET-KEY-1QQPZRY9X8GF y"), "x *** y");
        assert_eq!(mask.text("root:$6$salt$hash:19000:"), "root:***:19000:");
    }
}
