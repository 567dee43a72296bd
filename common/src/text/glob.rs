//! Patterns of names, as fnmatch(3) reads them: `*`, `?`, `[a-z]`, `[!a]` and a backslash.

/// Whether a name fits a pattern. The time is bounded by the product of both lengths.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to continue if what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = name.get(n) {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, n));
            p += 1;
        } else if let Some(next) = one(&pattern, p, *character) {
            p = next;
            n += 1;
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            p = after;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|c| *c == '*'))
}

/// Whether a text is a pattern and not a plain name.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// Where the pattern continues after the element at `at`, if that takes the character.
fn one(pattern: &[char], at: usize, character: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '\\' => match pattern.get(at + 1) {
            Some(escaped) => (*escaped == character).then_some(at + 2),
            None => (character == '\\').then_some(at + 1),
        },
        '[' => match set(pattern, at + 1, character) {
            Some((hit, next)) => hit.then_some(next),
            // No end: the bracket stands for itself.
            None => (character == '[').then_some(at + 1),
        },
        plain => (*plain == character).then_some(at + 1),
    }
}

/// Whether a set takes the character, and where the pattern continues; none where the set has no end.
fn set(pattern: &[char], from: usize, character: char) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(from)?, '!' | '^');
    let first = from + usize::from(negated);
    let mut at = first;
    let mut hit = false;
    loop {
        let low = *pattern.get(at)?;
        if low == ']' && at > first {
            return Some((hit != negated, at + 1));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some('-'), Some(high)) if *high != ']' => {
                hit |= (low..=*high).contains(&character);
                at += 3;
            }
            _ => {
                hit |= low == character;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_as_in_fnmatch() {
        for (pattern, good, bad) in [
            ("eth0", &["eth0"][..], &["eth1", "eth01", "th0"][..]),
            ("e[nt]*", &["eth0", "enp3s0", "en"], &["wlan0", "e", "exx"]),
            ("*", &["", "eth0"], &[]),
            ("eth?", &["eth0"], &["eth", "eth10"]),
            ("*0*1", &["eth001", "a0b1"], &["eth0"]),
            ("[!e]*", &["wlan0"], &["eth0", ""]),
            ("[a-e]n[0-9]", &["en5"], &["fn5", "enx"]),
            ("[]]", &["]"], &["a"]),
            ("[x", &["[x"], &["x"]),
            ("a\\*", &["a*"], &["ab"]),
        ] {
            for name in good {
                assert!(matches(pattern, name), "{pattern} {name}");
            }
            for name in bad {
                assert!(!matches(pattern, name), "{pattern} {name}");
            }
        }
        assert!(!matches(&"*a".repeat(2000), &"a".repeat(1500)));
    }
}
