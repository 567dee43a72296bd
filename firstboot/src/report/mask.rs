//! Keeping secrets out of what a person may publish: the report lies on FAT, where anybody can read it.

/// Hex runs of this length or more are taken for a secret: node passwords have 32, token hashes 64.
const HEX: usize = 32;

/// What stands instead of a secret.
const STARS: &str = "***";

/// Words after which the rest of the word is secret.
const KEYS: [&str; 4] = ["token=", "token:", "password=", "password:"];

/// Hides `K10…` tokens, long hex numbers, and what follows `token=` or `password=` in a word. A blank after the
/// colon (`token: abc`) hides the next word.
pub fn mask(line: &str) -> String {
    let mut next_is_secret = false;
    let words = line.split(' ').map(|word| {
        let secret = next_is_secret && !word.is_empty();
        let lower = word.trim_start_matches(['"', '\'']).to_ascii_lowercase();
        next_is_secret = (next_is_secret && word.is_empty()) || ends_with_key(&lower);
        if secret { STARS.to_owned() } else { mask_word(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn ends_with_key(lower: &str) -> bool {
    let bare = lower.trim_end_matches(['"', '\'']);
    KEYS.iter().any(|key| bare.ends_with(key)) || bare.ends_with("token\":") || bare.ends_with("password\":")
}

fn mask_word(word: &str) -> String {
    // The token's form is `K10<64 hex>::<user>:<password>`: no blank in it, so it ends with the word.
    if let Some((before, after)) = word.split_once("K10") {
        let hex = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        if hex >= HEX || after.contains("::") {
            return format!("{before}{STARS}");
        }
    }
    let lower = word.to_ascii_lowercase();
    let secret_at = KEYS.iter().filter_map(|key| lower.find(key).map(|at| at + key.len())).min();
    match secret_at.and_then(|at| word.split_at_checked(at)) {
        Some((before, after)) if after.chars().any(char::is_alphanumeric) => format!("{before}{STARS}"),
        _ => mask_hex(word),
    }
}

fn mask_hex(word: &str) -> String {
    let mut masked = String::with_capacity(word.len());
    let mut rest = word;
    while !rest.is_empty() {
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let other = rest.bytes().skip(hex).take_while(|b| !b.is_ascii_hexdigit()).count();
        let (run, after) = rest.split_at_checked(hex).unwrap_or((rest, ""));
        let (plain, after) = after.split_at_checked(other).unwrap_or((after, ""));
        masked.push_str(if hex >= HEX { STARS } else { run });
        masked.push_str(plain);
        rest = after;
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let hex = "0123456789abcdef".repeat(4);
        let table = [
            (format!("token K10{hex}::node:pw is wrong"), "token *** is wrong".to_owned()),
            (format!("\"K10{hex}::server:x\""), "\"***".to_owned()),
            (format!("hash {hex}, want"), "hash ***, want".to_owned()),
            ("--token=abc --node-ip=1.2.3.4".to_owned(), "--token=*** --node-ip=1.2.3.4".to_owned()),
            ("K3S_TOKEN=abc x".to_owned(), "K3S_TOKEN=*** x".to_owned()),
            ("agent-token: abc".to_owned(), "agent-token: ***".to_owned()),
            ("{\"token\": \"abc\"}".to_owned(), "{\"token\": ***".to_owned()),
            (
                "starting k3s v1.36.2+k3s1 (deadbeef)".to_owned(),
                "starting k3s v1.36.2+k3s1 (deadbeef)".to_owned(),
            ),
            ("grün ↦ ü".to_owned(), "grün ↦ ü".to_owned()),
            (String::new(), String::new()),
        ];
        for (line, expected) in table {
            assert_eq!(mask(&line), expected);
        }
    }
}
