//! Whether a version of Kubernetes is one that a chart wants.
//!
//! Format: the constraints of Helm (Masterminds/semver 3): `>=1.25.0-0`, `^1.30`, `>= 1.28, < 1.37`, `1.30 - 1.36`, with `||`
//! between alternatives.

/// A version: major, minor and patch.
type Version = [u64; 3];

/// Whether `version` is allowed. None where the constraint cannot be read: Helm will say so on the node.
pub(super) fn allows(constraint: &str, version: Version) -> Option<bool> {
    let mut is_allowed = false;
    for alternative in constraint.split("||") {
        let mut is_met = true;
        for one in parts(alternative)? {
            is_met &= one.is_met_by(version);
        }
        is_allowed |= is_met;
    }
    Some(is_allowed)
}

struct Comparison {
    operator: String,
    /// As many as are given, without wildcards.
    numbers: Vec<u64>,
}

fn parts(alternative: &str) -> Option<Vec<Comparison>> {
    let text = alternative.trim();
    if let Some((from, to)) = text.split_once(" - ") {
        return Some(vec![Comparison::of(">=", from)?, Comparison::of("<=", to)?]);
    }
    let is_operator = |c: char| "=!<>~^".contains(c);
    // A space after an operator belongs to it.
    let mut words: Vec<String> = Vec::new();
    for word in text.split([',', ' ']).filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(last) if last.chars().all(is_operator) => last.push_str(word),
            _ => words.push(word.to_owned()),
        }
    }
    let split = |word: &String| {
        let numbers = word.trim_start_matches(is_operator);
        Comparison::of(word.get(..word.len() - numbers.len())?, numbers)
    };
    if words.is_empty() { None } else { words.iter().map(split).collect() }
}

impl Comparison {
    fn of(operator: &str, text: &str) -> Option<Self> {
        let bare = text.trim().trim_start_matches('v');
        let bare = bare.split(['-', '+']).next().unwrap_or_default();
        let mut numbers = Vec::new();
        for part in bare.split('.') {
            if matches!(part, "x" | "X" | "*") {
                break;
            }
            numbers.push(part.parse().ok()?);
        }
        let is_known =
            matches!(operator, "" | "=" | "!=" | ">" | "<" | ">=" | "=>" | "<=" | "=<" | "~" | "~>" | "^");
        (is_known && numbers.len() <= 3).then(|| Self { operator: operator.to_owned(), numbers })
    }

    fn is_met_by(&self, version: Version) -> bool {
        let numbers = &self.numbers;
        let given = version.get(..numbers.len()).unwrap_or_default();
        let shares = |count: usize| numbers.iter().zip(version).take(count).all(|(one, other)| *one == other);
        let mut whole = [0; 3];
        whole.iter_mut().zip(numbers).for_each(|(to, from)| *to = *from);
        match self.operator.as_str() {
            ">" => given > numbers.as_slice(),
            "<" => version < whole,
            ">=" | "=>" => version >= whole,
            "<=" | "=<" => given <= numbers.as_slice(),
            "!=" => given != numbers.as_slice(),
            "~" | "~>" => shares(2) && version >= whole,
            "^" => shares(1) && version >= whole,
            _ => given == numbers.as_slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_mean_what_they_mean_to_helm() {
        for (constraint, allowed) in [
            (">=1.25.0-0", true),
            (">= 1.25.0-0", true),
            (">=1.37.0-0", false),
            ("^1.30", true),
            ("^1.36.2", true),
            ("^1.36.3", false),
            ("~1.36", true),
            ("~1.35.1", false),
            ("1.36.x", true),
            ("1.x", true),
            ("*", true),
            ("1.36.2", true),
            ("=1.36", true),
            ("1.35", false),
            ("<1.36", false),
            ("<=1.36", true),
            (">1.36", false),
            (">1.35", true),
            ("!=1.36.2", false),
            (">=1.19 <1.36", false),
            (">=1.19, <1.37", true),
            (">= 1.19 , < 1.37", true),
            ("1.30 - 1.36", true),
            ("1.30 - 1.35", false),
            ("<1.20 || >=1.36", true),
            ("<1.20 || >=1.40", false),
            ("v1.36.2", true),
        ] {
            assert_eq!(allows(constraint, [1, 36, 2]), Some(allowed), "{constraint}");
        }
        for unreadable in ["", "new", ">=", "1.2.3.4", ">=1.a", "||", "=<>1.2"] {
            assert_eq!(allows(unreadable, [1, 36, 2]), None, "{unreadable}");
        }
    }
}
