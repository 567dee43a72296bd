//! Queries of a JSON schema, for the subset that [`super::schema`] uses.

use serde_json::Value;

/// The schema of the value of a key in a table.
pub(super) fn expected<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(key));
    named.or_else(|| match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        Some(inner) => Some(inner),
        // A schema without rules for keys allows any key, at any depth.
        None => schema.get("properties").is_none().then_some(schema),
    })
}

/// The part of a schema for a kind of value: the schema itself, or one of its alternatives.
pub(super) fn alternative<'a>(schema: &'a Value, kind: &str) -> Option<&'a Value> {
    alternatives(schema).find(|one| {
        let mut kinds = kinds_of(one).peekable();
        kinds.peek().is_none() || kinds.any(|known| known == kind)
    })
}

pub(super) fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let several = schema.get("anyOf").and_then(Value::as_array);
    let alone = several.is_none().then_some(schema);
    several.into_iter().flatten().chain(alone)
}

pub(super) fn kinds_of(schema: &Value) -> impl Iterator<Item = &str> {
    let one = schema.get("type").and_then(Value::as_str);
    one.into_iter().chain(strings(schema, "type"))
}

pub(super) fn strings<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn keys(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str))
}

/// The first example of a schema, as TOML.
pub(super) fn example(schema: &Value) -> Option<String> {
    let given = schema.pointer("/examples/0").or_else(|| schema.get("default"));
    let value = given.or_else(|| schema.pointer("/enum/0"))?;
    toml::Value::try_from(value).ok().map(|value| value.to_string())
}
