//! A name and its secret value in a line of text: `token=x`, `"password": "x"`, `--token x`, `Authorization: Basic x`.

/// The first secret of a text, with what is around it.
pub(super) struct Pair<'a> {
    /// What comes before the name.
    pub before: &'a str,
    /// The name and what separates it from the value, with the quote that opens it.
    pub open: &'a str,
    /// What comes after the value, with the quote that closes it.
    pub after: &'a str,
}

/// A name that contains one of these has a secret value.
const SECRET: [&str; 13] = [
    "token",
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "psk",
    "credential",
    "authorization",
    "bearer",
    "vpnauth",
];

/// But these say where it is, or are the plural of a list's title.
const PLACE: [&str; 7] = ["file", "path", "dir", "name", "ref", "tokens", "secrets"];

/// Finds the first name of a secret that has a value.
pub(super) fn first(text: &str) -> Option<Pair<'_>> {
    let mut from = 0;
    while let Some((start, end)) = next_name(text, from) {
        let (before, name, rest) = (text.get(..start)?, text.get(start..end)?, text.get(end..)?);
        if is_secret(name)
            && let Some((separator, value)) = value_of(name, rest)
        {
            let open = text.get(start..end + separator)?;
            return Some(Pair { before, open, after: rest.get(separator + value..)? });
        }
        from = end;
    }
    None
}

/// Start and end of the next run of letters, digits, `-` and `_`.
fn next_name(text: &str, from: usize) -> Option<(usize, usize)> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let start = from + text.get(from..)?.find(of_name)?;
    let rest = text.get(start..)?;
    Some((start, start + rest.find(|c| !of_name(c)).unwrap_or(rest.len())))
}

fn is_secret(name: &str) -> bool {
    let bare: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET.iter().any(|word| bare.contains(word)) && !PLACE.iter().any(|word| bare.ends_with(word))
}

/// The lengths of the separator (with the opening quote) and of the value, where there is a value.
fn value_of(name: &str, rest: &str) -> Option<(usize, usize)> {
    let lower = name.to_ascii_lowercase();
    let after_name = rest.trim_start_matches(['\\', '"', '\'']);
    let after_blank = after_name.trim_start();
    let value = if let Some(value) = after_blank.strip_prefix(['=', ':']) {
        value.trim_start()
    } else if (name.starts_with("--") || lower == "bearer") && after_blank.len() < after_name.len() {
        after_blank
    } else {
        return None;
    };
    let quote_length = value.len() - value.trim_start_matches('\\').len();
    let quoted = value.get(quote_length..)?.starts_with(['"', '\'']);
    if quoted {
        let (quote, inside) = value.split_at_checked(quote_length + 1)?;
        return Some((rest.len() - inside.len(), quoted_length(inside, quote)));
    }
    let length = match lower.ends_with("authorization") {
        true => value.len(),
        false => value.find(char::is_whitespace).unwrap_or(value.len()),
    };
    let (value_text, _) = value.split_at_checked(length)?;
    value_text.chars().any(char::is_alphanumeric).then_some((rest.len() - value.len(), length))
}

/// Up to the next `quote` that is not escaped once more than the opening one was; to the end where there is none.
fn quoted_length(inside: &str, quote: &str) -> usize {
    let mut from = 0;
    while let Some(at) = inside.get(from..).and_then(|rest| rest.find(quote)).map(|at| from + at) {
        if !inside.get(..at).is_some_and(|before| before.ends_with('\\')) {
            return at;
        }
        from = at + quote.len();
    }
    inside.len()
}
