//! The seed as text: strict reading and writing.

use serde::Deserialize;

use super::{SCHEMA, SEED_PATH, Seed};

/// Why a seed cannot be used. Every message names the file and the place in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    /// The text is not TOML, or a key is missing, unknown or of the wrong type.
    #[error("reading {SEED_PATH}: line {line}: {message}")]
    Form {
        /// Line of the text, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// The seed was written for another version of firstboot.
    #[error(
        "reading {SEED_PATH}: schema is {found}, this hc-firstboot reads {SCHEMA} only; \
         build the image again with one version of hcimage"
    )]
    Schema {
        /// The number in the text.
        found: i64,
    },
    /// The form is right, a value is not.
    #[error("reading {SEED_PATH}: {place}: {problem}")]
    Value {
        /// The key, for example `data_disk.dirs[0].path`.
        place: String,
        /// What is wrong with the value and what would be right.
        problem: String,
    },
    /// The seed cannot be written as TOML.
    #[error("writing {SEED_PATH}: {0}")]
    Write(String),
}

/// The one key that every version of the schema has.
#[derive(Deserialize)]
struct OnlySchema {
    schema: i64,
}

impl Seed {
    /// Reads a seed. The schema is checked before anything else, so that a seed of another version is refused as
    /// such and not by its first unknown key.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        let OnlySchema { schema } = toml::from_str(text).map_err(|e| form_error(text, &e))?;
        if schema != i64::from(SCHEMA) {
            return Err(SeedError::Schema { found: schema });
        }
        let seed: Self = toml::from_str(text).map_err(|e| form_error(text, &e))?;
        seed.check()?;
        Ok(seed)
    }

    /// Writes the seed as [`Seed::parse`] reads it. A seed that would be refused there is refused here.
    pub fn to_toml(&self) -> Result<String, SeedError> {
        if self.schema != SCHEMA {
            return Err(SeedError::Schema { found: i64::from(self.schema) });
        }
        self.check()?;
        toml::to_string_pretty(self).map_err(|e| SeedError::Write(e.to_string()))
    }
}

/// The parser's own message without the excerpt it draws, so that one line says it all.
fn form_error(text: &str, error: &toml::de::Error) -> SeedError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    SeedError::Form { line: before.matches('\n').count() + 1, message: error.message().to_owned() }
}
