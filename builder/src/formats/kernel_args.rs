//! Adding arguments to a kernel command line so that they take effect.

use super::error::EditError;

/// An argument that must take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelArg {
    /// The argument as on the command line.
    pub text: &'static str,
    /// `key=value` arguments that undo it if they come later; a comma-separated list matches if it has the value.
    pub undone_by: &'static [&'static str],
}

/// Enables the memory controller, which k3s needs and which the firmware of a Pi disables.
///
/// `cgroup_enable` is specific to Raspberry Pi kernels and undoes `cgroup_disable`; `cgroup_memory` is its older form.
/// The kernel reads from left to right and the last one wins (`kernel/cgroup/cgroup.c`).
pub const CGROUP_MEMORY: [KernelArg; 2] = [
    KernelArg { text: "cgroup_memory=1", undone_by: &["cgroup_memory=0"] },
    KernelArg { text: "cgroup_enable=memory", undone_by: &["cgroup_disable=memory"] },
];

/// Adds the arguments that are missing, or undone later, at the end of `line`, and removes nothing.
///
/// Arguments after a separate `--` go to init and not to the kernel (`kernel/params.c`), so new ones go before it.
pub fn ensure_args(line: &str, words: &[KernelArg]) -> Result<String, EditError> {
    let tokens = kernel_tokens(line)?;
    let missing: Vec<&str> = words.iter().filter(|word| !word.holds(&tokens)).map(|word| word.text).collect();
    if missing.is_empty() {
        return Ok(line.to_owned());
    }
    let end = tokens.last().map_or(0, |token| token.end);
    let (head, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let gap = if head.is_empty() { "" } else { " " };
    let closing = if head.is_empty() && rest.starts_with("--") { " " } else { "" };
    Ok(format!("{head}{gap}{}{closing}{rest}", missing.join(" ")))
}

/// The kernel's arguments in `line`.
pub fn args(line: &str) -> Result<Vec<&str>, EditError> {
    Ok(kernel_tokens(line)?.into_iter().map(|token| token.text).collect())
}

/// `line` without the kernel's arguments that `is_ours` picks, each with the blanks before it.
pub fn remove_args(line: &str, is_ours: impl Fn(&str) -> bool) -> Result<String, EditError> {
    let (mut kept, mut copied) = (String::with_capacity(line.len()), 0);
    for token in kernel_tokens(line)?.iter().filter(|token| is_ours(token.text)) {
        let start = token.end.saturating_sub(token.text.len());
        kept.push_str(line.get(copied..start).unwrap_or_default().trim_end_matches(is_blank));
        copied = token.end;
    }
    kept.push_str(line.get(copied..).unwrap_or_default());
    // The blank behind a first argument that is gone.
    Ok(if copied == 0 { kept } else { kept.trim_start_matches(is_blank).to_owned() })
}

/// The arguments of the kernel, without those for init behind a separate `--`. Quotes around a whole argument or its value
/// are removed, as the kernel does.
pub fn words(line: &str) -> Result<Vec<String>, EditError> {
    let bare = |text: &str| text.strip_prefix('"').map_or(text, |rest| rest.trim_end_matches('"')).to_owned();
    let word = |token: &Token<'_>| match bare(token.text).split_once('=') {
        Some((key, value)) => format!("{key}={}", bare(value)),
        None => bare(token.text),
    };
    Ok(kernel_tokens(line)?.iter().map(word).collect())
}

impl KernelArg {
    /// Whether the argument is present and not undone later.
    fn holds(&self, tokens: &[Token<'_>]) -> bool {
        tokens.iter().fold(false, |on, token| {
            token.text == self.text || (on && !self.undone_by.iter().any(|other| undoes(token.text, other)))
        })
    }
}

/// An argument and the position of its end in the line.
struct Token<'a> {
    text: &'a str,
    end: usize,
}

/// The arguments up to a separate `--`. Double quotes can contain blanks, as in the kernel's `next_arg`.
fn kernel_tokens(line: &str) -> Result<Vec<Token<'_>>, EditError> {
    let mut tokens = Vec::new();
    let (mut start, mut quoted) = (None, false);
    for (place, character) in line.char_indices() {
        quoted ^= character == '"';
        match start {
            None if !is_blank(character) => start = Some(place),
            Some(from) if is_blank(character) && !quoted => {
                tokens.extend(token(line, from, place));
                start = None;
            }
            _ => {}
        }
    }
    if quoted {
        return Err(EditError::OpenQuote);
    }
    tokens.extend(start.and_then(|from| token(line, from, line.len())));
    if let Some(dashes) = tokens.iter().position(|token| token.text == "--") {
        tokens.truncate(dashes);
    }
    Ok(tokens)
}

fn token(line: &str, from: usize, end: usize) -> Option<Token<'_>> {
    line.get(from..end).map(|text| Token { text, end })
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Whether `word` is `other`, or has `other`'s key and its value in a comma-separated list.
fn undoes(word: &str, other: &str) -> bool {
    match (word.split_once('='), other.split_once('=')) {
        (Some((key, list)), Some((wanted, value))) => key == wanted && list.split(',').any(|v| v == value),
        _ => word == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_argument_is_added_once_where_it_takes_effect() {
        for (line, want) in [
            ("", "cgroup_memory=1 cgroup_enable=memory"),
            ("quiet", "quiet cgroup_memory=1 cgroup_enable=memory"),
            ("quiet  ", "quiet cgroup_memory=1 cgroup_enable=memory  "),
            ("cgroup_memory=1 quiet", "cgroup_memory=1 quiet cgroup_enable=memory"),
            ("cgroup_enable=memory a cgroup_memory=1", "cgroup_enable=memory a cgroup_memory=1"),
            (
                "cgroup_memory=1 cgroup_enable=memory cgroup_disable=memory",
                "cgroup_memory=1 cgroup_enable=memory cgroup_disable=memory cgroup_enable=memory",
            ),
            (
                "cgroup_memory=1 cgroup_enable=memory cgroup_disable=cpu,memory",
                "cgroup_memory=1 cgroup_enable=memory cgroup_disable=cpu,memory cgroup_enable=memory",
            ),
            (
                "cgroup_memory=1 cgroup_enable=memory cgroup_disable=cpu",
                "cgroup_memory=1 cgroup_enable=memory cgroup_disable=cpu",
            ),
            ("a -- single", "a cgroup_memory=1 cgroup_enable=memory -- single"),
            ("-- single", "cgroup_memory=1 cgroup_enable=memory -- single"),
            ("x=\"a cgroup_memory=1 b\"", "x=\"a cgroup_memory=1 b\" cgroup_memory=1 cgroup_enable=memory"),
        ] {
            let once = ensure_args(line, &CGROUP_MEMORY).unwrap();
            assert_eq!(once, want, "{line:?}");
            assert_eq!(ensure_args(&once, &CGROUP_MEMORY).unwrap(), once);
        }
    }

    #[test]
    fn arguments_are_removed_with_their_blank() {
        let is_x = |word: &str| word == "x";
        for (line, want) in [
            ("", ""),
            ("x", ""),
            ("x a", "a"),
            ("a  x b", "a b"),
            ("a x", "a"),
            ("x x a x", "a"),
            ("a \"b x\" -- x", "a \"b x\" -- x"),
        ] {
            assert_eq!(remove_args(line, is_x).as_deref(), Ok(want), "{line:?}");
        }
        assert_eq!(args("a \"b x\" -- y"), Ok(vec!["a", "\"b x\""]));
    }

    #[test]
    fn words_are_without_the_quotes_around_them() {
        let line = "a=\"b c\" \"d=e f\" quiet root=LABEL=x -- single";
        assert_eq!(words(line).unwrap(), ["a=b c", "d=e f", "quiet", "root=LABEL=x"]);
    }

    #[test]
    fn an_unclosed_quote_is_an_error() {
        assert_eq!(ensure_args("a=\"b c", &CGROUP_MEMORY), Err(EditError::OpenQuote));
    }
}
