//! What Kubernetes makes of `$(NAME)` and `$$` in commands and variables of containers: another text (Kubernetes' documentation, "Define
//! Dependent Environment Variables").

use yaml_rust2::Yaml;

/// Whether it would be another text there.
pub(in crate::overlays) fn changes(text: &str) -> bool {
    text.contains("$(") || text.contains("$$")
}

/// Whether a container of the object has this text, which would be changed, in a command or a variable.
pub(in crate::overlays) fn is_changed(object: &Yaml, text: &str) -> bool {
    let has = |value: &Yaml| value.as_str().is_some_and(|value| value.contains(text));
    match object {
        Yaml::Hash(members) => members.iter().any(|(key, value)| match key.as_str() {
            Some("command" | "args") if value.as_vec().is_some_and(|words| words.iter().any(has)) => true,
            Some("env") if value.as_vec().is_some_and(|all| all.iter().any(|one| has(&one["value"]))) => true,
            _ => is_changed(value, text),
        }),
        Yaml::Array(items) => items.iter().any(|item| is_changed(item, text)),
        _ => false,
    }
}
