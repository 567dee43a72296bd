//! What `[overlays.NAME]` may hold: each overlay says it itself, in the words of the cluster file's schema.

use serde_json::{Map, Value, json};
use toml::de::DeTable;

use crate::overlays::{Library, Overlay, Parameter};

use super::problem::Problems;

/// The schema of the file with the tables of these overlays. Without `strictly`, others may be there, too: somebody's own.
pub(super) fn with_overlays<'a>(
    mut schema: Value,
    overlays: impl IntoIterator<Item = &'a Overlay>,
    strictly: bool,
) -> Value {
    let tables: Map<String, Value> =
        overlays.into_iter().map(|overlay| (overlay.name.to_string(), table(overlay))).collect();
    if let Some(place) = schema.pointer_mut("/properties/overlays").and_then(Value::as_object_mut) {
        place.insert("properties".to_owned(), Value::Object(tables));
        if strictly {
            place.insert("additionalProperties".to_owned(), json!(false));
        }
    }
    schema
}

/// The most overlays of a cluster.
pub(super) const MOST: usize = 100;

/// The overlays that a file switches on. Those that cannot be read are reported.
pub(super) fn named(file: &DeTable<'_>, library: &Library, problems: &mut Problems<'_>) -> Vec<Overlay> {
    let tables = file.get("overlays").and_then(|value| value.get_ref().as_table());
    let mut found = Vec::new();
    for (key, _) in tables.into_iter().flatten().take(MOST) {
        let Ok(name) = key.get_ref().parse() else { continue };
        match library.get(&name) {
            Ok(overlay) => found.extend(overlay),
            Err(error) => {
                problems.error(&key.span(), error.to_string(), "fix the overlay, or remove this table")
            }
        }
    }
    found
}

/// Those that are not there are unknown keys: the nearest name is found among these.
pub(super) fn with_names(mut schema: Value, library: &Library) -> Value {
    if let Some(tables) = schema.pointer_mut("/properties/overlays/properties").and_then(Value::as_object_mut)
    {
        for listed in library.list() {
            tables.entry(listed.name.to_string()).or_insert(json!({ "type": "object" }));
        }
    }
    schema
}

fn table(overlay: &Overlay) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, parameter) in &overlay.parameters {
        if parameter.is_required() {
            required.push(name.clone());
        }
        properties.insert(name.clone(), value(parameter));
    }
    for (name, secret) in &overlay.secrets {
        if secret.is_required() {
            required.push(name.clone());
        }
        properties.insert(
            name.clone(),
            json!({
                "description": secret.about(),
                "writeOnly": true,
                "examples": [{ "file": format!("{name}.txt") }],
                "anyOf": [
                    { "type": "string", "title": "text" },
                    {
                        "type": "object",
                        "properties": { "file": { "type": "string", "title": "file" } },
                        "required": ["file"],
                        "additionalProperties": false,
                    },
                ],
            }),
        );
    }
    json!({
        "type": "object",
        "description": format!("{}.", overlay.about),
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn value(parameter: &Parameter) -> Value {
    let (kind, title) = parameter.kind.schema();
    let mut one = Map::new();
    let inner = if kind == "array" { "string" } else { kind };
    one.insert("type".to_owned(), json!(inner));
    if let Some(title) = title {
        one.insert("title".to_owned(), json!(title));
    }
    for (key, bound) in [("minimum", parameter.minimum), ("maximum", parameter.maximum)] {
        if let Some(bound) = bound {
            one.insert(key.to_owned(), json!(bound));
        }
    }
    if !parameter.choices.is_empty() {
        one.remove("title");
        one.insert("enum".to_owned(), json!(parameter.choices));
    }
    let mut schema = match kind {
        "array" => {
            let mut list = Map::from_iter([
                ("type".to_owned(), json!("array")),
                ("items".to_owned(), Value::Object(one)),
            ]);
            if parameter.is_never_empty() {
                list.insert("minItems".to_owned(), json!(1));
            }
            list
        }
        _ => one,
    };
    schema.insert("description".to_owned(), json!(parameter.help));
    if let Some(default) = &parameter.default {
        schema.insert("default".to_owned(), json!(default));
    }
    if let Some(example) = &parameter.example {
        schema.insert("examples".to_owned(), json!([example]));
    }
    Value::Object(schema)
}
