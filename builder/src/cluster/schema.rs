//! The schema of the file, generated from its types: for editors, the reference and [`super::validate`].

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use crate::overlays::Library;

use super::file::File;
use super::overlay_schema::with_overlays;

/// The JSON schema (draft 7, which editors support best), without references; with the overlays that are compiled in.
pub fn schema() -> Value {
    with_overlays(schema_alone(), &Library::built_in().unwrap_or_default(), false)
}

/// The same without overlays.
pub(super) fn schema_alone() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    RecursiveTransform(without_null).transform(&mut schema);
    schema.insert("title".to_owned(), "cluster.toml of hcimage".into());
    schema.to_value()
}

/// TOML has no null: an optional key is absent.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") else { return };
    alternatives.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
    if let [Value::Object(only)] = alternatives.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            // The description of the key wins over that of its type.
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}
