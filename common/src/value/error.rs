//! Why a value is invalid.

use std::fmt;

/// An invalid value: its kind, the cause and the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    kind: &'static str,
    /// `None` if it must not be shown.
    value: Option<String>,
    cause: String,
    hint: String,
}

impl ValueError {
    /// A value that may be shown: `kind`, the text, what is wrong with it, and what to write instead.
    pub fn new(
        kind: &'static str,
        value: impl ToString,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { kind, value: Some(value.to_string()), cause: cause.into(), hint: hint.into() }
    }

    /// A value that must not appear in a message.
    pub fn hidden(kind: &'static str, cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { kind, value: None, cause: cause.into(), hint: hint.into() }
    }
}

impl ValueError {
    /// The value and the cause.
    pub fn problem(&self) -> String {
        let Self { kind, value, cause, .. } = self;
        match value {
            Some(value) => format!("{kind} {value:?} {cause}"),
            None => format!("{kind} {cause}"),
        }
    }

    /// The fix.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.problem(), self.hint)
    }
}

impl std::error::Error for ValueError {}

/// Implements the conversions for serde of a type that is text
/// (`#[serde(try_from = "String", into = "String")]`).
#[macro_export]
macro_rules! text_value {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = $crate::value::ValueError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    };
}
