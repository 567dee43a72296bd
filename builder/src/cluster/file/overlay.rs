//! `[overlays.NAME]`: the parameters of an overlay.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::cluster::field::{Entries, Field};
use crate::cluster::field_type::{FieldType, FileName, Word};
use crate::cluster::problem::InvalidValue;

/// What the file says of one overlay. Which keys there are, the overlay itself says.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::cluster) struct OverlayTable {
    pub(in crate::cluster) values: Entries<Word, Field<GivenValue>>,
}

impl JsonSchema for OverlayTable {
    fn schema_name() -> Cow<'static, str> {
        "OverlayTable".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "writeOnly": true } })
    }
}

/// The value of a parameter, or a secret. `Debug` hides it.
#[derive(Clone)]
pub(in crate::cluster) enum GivenValue {
    Switch(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
    /// A secret in a file of its own.
    File(FileName),
}

impl fmt::Debug for GivenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// The TOML form.
#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::cluster) enum RawValue {
    Switch(bool),
    Number(i64),
    Text(String),
    List(Vec<String>),
    File { file: String },
}

impl FieldType for GivenValue {
    type Raw = RawValue;

    fn from_raw(raw: RawValue) -> Result<Self, InvalidValue> {
        Ok(match raw {
            RawValue::Switch(on) => Self::Switch(on),
            RawValue::Number(number) => Self::Number(number),
            RawValue::Text(text) => Self::Text(text),
            RawValue::List(items) => Self::List(items),
            RawValue::File { file } => Self::File(file.parse()?),
        })
    }

    fn schema() -> Schema {
        json_schema!({ "writeOnly": true })
    }
}
