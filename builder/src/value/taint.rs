//! Taints of Kubernetes nodes.

use std::fmt;
use std::str::FromStr;

use super::label::{is_qualified_name, is_value};
use hc_common::value::ValueError;

/// A value of k3s's `--node-taint`: `key=value:Effect` or `key:Effect`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Taint {
    key: String,
    value: Option<String>,
    effect: &'static str,
}

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

impl Taint {
    /// Key and effect: a node has at most one taint of each pair.
    pub fn identity(&self) -> (&str, &str) {
        (&self.key, self.effect)
    }

    /// Its value; empty where it has none.
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// Whether a pod that does not tolerate it stays off the node, and not only goes elsewhere where it can.
    pub fn keeps_off(&self) -> bool {
        self.effect != "PreferNoSchedule"
    }
}

impl FromStr for Taint {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str, hint: &str| ValueError::new("taint", text, cause, hint);
        const FORM: &str = "use the form dedicated=storage:NoSchedule";
        let (left, effect) = text.rsplit_once(':').ok_or_else(|| refuse("has no effect", FORM))?;
        let effect = EFFECTS.into_iter().find(|known| *known == effect).ok_or_else(|| {
            refuse("has an unknown effect", "end it with NoSchedule, PreferNoSchedule or NoExecute")
        })?;
        let (key, value) = match left.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (left, None),
        };
        if !is_qualified_name(key) || !value.is_none_or(is_value) {
            return Err(refuse("has an invalid key or value", FORM));
        }
        Ok(Self { key: key.to_owned(), value: value.map(str::to_owned), effect })
    }
}

impl fmt::Display for Taint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}:{}", self.key, self.effect),
            None => write!(f, "{}:{}", self.key, self.effect),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_valid_taint_is_accepted() {
        for good in [
            "dedicated=storage:NoSchedule",
            "node-role.kubernetes.io/control-plane:NoSchedule",
            "a=:NoExecute",
            "a:PreferNoSchedule",
        ] {
            assert_eq!(good.parse::<Taint>().unwrap().to_string(), good);
        }
        for (bad, want) in [
            ("", "no effect"),
            ("a=b", "no effect"),
            ("a=b:noschedule", "unknown effect"),
            ("a=b:", "unknown effect"),
            ("=b:NoSchedule", "invalid key or value"),
            (":NoSchedule", "invalid key or value"),
            ("a=b c:NoSchedule", "invalid key or value"),
            ("a=b=c:NoSchedule", "invalid key or value"),
        ] {
            let error = bad.parse::<Taint>().unwrap_err().to_string();
            assert!(error.contains(want), "{bad:?}: {error}");
        }
    }
}
