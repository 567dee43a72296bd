//! Why a value was refused.

use thiserror::Error;

/// A value that was refused: what it was meant to be, what is wrong with it and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind} {value:?} {cause}: {cure}")]
pub struct ValueError {
    kind: &'static str,
    value: String,
    cause: String,
    cure: String,
}

impl ValueError {
    pub(super) fn new(
        kind: &'static str,
        value: impl ToString,
        cause: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { kind, value: value.to_string(), cause: cause.into(), cure: cure.into() }
    }
}

/// Lets a type that parses and prints as text be read and written as text by serde
/// (`#[serde(try_from = "String", into = "String")]`).
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

pub(super) use text_value;
