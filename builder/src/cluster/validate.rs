//! Checks every key and value of the file against the schema and reports all problems together.
//!
//! Invalid parts are reported and removed, so that the rest of the file can still be read and checked.

use serde_json::Value;
use serde_spanned::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::field::Span;
use super::field_type::{self, SecretText};
use super::problem::Problems;
use super::schema_query::{alternative, alternatives, example, expected, keys, kinds_of, strings};
use super::suggest::nearest;
use crate::value::DatastoreEndpoint;

/// Checks a whole file.
pub(super) fn check(schema: &Value, file: &mut Spanned<DeTable<'_>>, problems: &mut Problems<'_>) {
    let top = Place { name: String::new(), many: false };
    Shape { whole: schema, problems }.table(schema, file.get_mut(), &(0..0), &top);
}

struct Shape<'a, 'p> {
    whole: &'a Value,
    problems: &'a mut Problems<'p>,
}

/// A table of the file, by its header.
#[derive(Clone)]
struct Place {
    name: String,
    many: bool,
}

impl Place {
    fn below(&self, key: &str) -> Self {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Self { name, many: false }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { name, .. } if name.is_empty() => f.write_str("at the top of the file"),
            Self { name, many: true } => write!(f, "in [[{name}]]"),
            Self { name, many: false } => write!(f, "in [{name}]"),
        }
    }
}

impl Shape<'_, '_> {
    fn table(&mut self, schema: &Value, table: &mut DeTable<'_>, span: &Span, place: &Place) {
        self.required(schema, table, span, place);
        let mut bad = Vec::new();
        for (key, value) in table.iter_mut() {
            let name: &str = key.get_ref();
            let good = match expected(schema, name) {
                Some(inner) => {
                    self.key(schema, name, &key.span()) && self.value(inner, value, &place.below(name))
                }
                None => {
                    // The value may be a secret under a mistyped key.
                    self.problems.hide(value.span());
                    self.unknown(schema, name, &key.span(), place);
                    false
                }
            };
            if !good {
                bad.push(name.to_owned());
            }
        }
        for key in bad {
            table.remove(key.as_str());
        }
    }

    fn required(&mut self, schema: &Value, table: &DeTable<'_>, span: &Span, place: &Place) {
        for key in strings(schema, "required").filter(|key| !table.contains_key(*key)) {
            let inner = schema.pointer(&format!("/properties/{key}")).unwrap_or(&Value::Null);
            let of_tables = inner.pointer("/items/type").is_some_and(|kind| kind == "object");
            let (what, hint) = match (of_tables, example(inner)) {
                (true, _) => (format!("[[{key}]]"), format!("add a [[{key}]] table for each")),
                (false, Some(example)) => {
                    (format!("`{key}`"), format!("add a line such as {key} = {example}"))
                }
                (false, None) => (format!("`{key}`"), "add it".to_owned()),
            };
            let message = match place.name.is_empty() {
                true => format!("missing {what}"),
                false => format!("missing {what} {place}"),
            };
            self.problems.error(span, message, hint);
        }
    }

    /// A key chosen by the user.
    fn key(&mut self, schema: &Value, name: &str, span: &Span) -> bool {
        if schema.pointer("/properties").is_some() {
            return true;
        }
        let title = schema.pointer("/propertyNames/title").and_then(Value::as_str);
        self.field_type(title, name, span)
    }

    fn unknown(&mut self, schema: &Value, name: &str, span: &Span, place: &Place) {
        let known = || keys(schema);
        let hint = match (nearest(name, known()), elsewhere(self.whole, name)) {
            (Some(near), _) => format!("did you mean `{near}`?"),
            (None, Some(home)) => format!("it belongs {home}"),
            (None, None) => format!("known keys: {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.problems.error(span, format!("unknown key `{name}` {place}"), hint);
    }

    /// Whether the value is valid and stays.
    fn value(&mut self, schema: &Value, value: &mut Spanned<DeValue<'_>>, place: &Place) -> bool {
        if schema.get("writeOnly") == Some(&Value::Bool(true)) {
            self.problems.hide(value.span());
        }
        let found = kind(value.get_ref());
        let Some(schema) = alternative(schema, found) else {
            self.wrong_kind(schema, value, place);
            return false;
        };
        let span = value.span();
        match value.get_mut() {
            DeValue::Table(table) => {
                self.table(schema, table, &span, place);
                true
            }
            DeValue::Array(array) => {
                let is_empty = array.is_empty();
                self.array(schema, array, place);
                if is_empty && schema.get("minItems").is_some() {
                    let key = place.name.rsplit('.').next().unwrap_or_default();
                    let message = format!("`{key}` is an empty list");
                    self.problems.error(&span, message, "name at least one, or remove the line");
                    return false;
                }
                true
            }
            DeValue::String(text) => self.text(schema, text, &span, place),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
                self.number(schema, number, &span, place)
            }
            DeValue::Boolean(_) | DeValue::Float(_) | DeValue::Datetime(_) => true,
        }
    }

    fn array(&mut self, schema: &Value, array: &mut DeArray<'_>, place: &Place) {
        let Some(items) = schema.get("items") else { return };
        let place = Place { many: true, ..place.clone() };
        let mut good = DeArray::new();
        for mut item in std::mem::replace(array, DeArray::new()) {
            if self.value(items, &mut item, &place) {
                good.push(item);
            }
        }
        *array = good;
    }

    fn text(&mut self, schema: &Value, text: &str, span: &Span, place: &Place) -> bool {
        let words: Vec<&str> = strings(schema, "enum").collect();
        if !words.is_empty() && !words.contains(&text) {
            if is_delicate(text) {
                self.problems.hide(span.clone());
            }
            let hint = match nearest(text, words.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("use one of: {}", words.join(", ")),
            };
            let key = place.name.rsplit('.').next().unwrap_or_default();
            let message = match is_delicate(text) {
                true => format!("invalid value for `{key}`: an address with a password"),
                false => format!("unknown value {text:?} for `{key}`"),
            };
            self.problems.error(span, message, hint);
            return false;
        }
        self.field_type(schema.get("title").and_then(Value::as_str), text, span)
    }

    fn field_type(&mut self, title: Option<&str>, text: &str, span: &Span) -> bool {
        match title.and_then(field_type::check_of).map(|check| check(text)) {
            // What an endpoint is refused for never repeats it, and a password is allowed there.
            Some(Err(refusal)) if is_delicate(text) && title != Some(DatastoreEndpoint::TITLE) => {
                self.problems.hide(span.clone());
                let message = "this value contains a password or private key, which is not allowed here";
                self.problems.error(span, message, refusal.hint);
                false
            }
            Some(Err(refusal)) => {
                self.problems.invalid(span, refusal);
                false
            }
            Some(Ok(())) | None => true,
        }
    }

    fn number(&mut self, schema: &Value, number: Option<i64>, span: &Span, place: &Place) -> bool {
        let limit = |name: &str| schema.get(name).and_then(Value::as_i64);
        let (least, most) = (limit("minimum").unwrap_or(i64::MIN), limit("maximum").unwrap_or(i64::MAX));
        if number.is_some_and(|number| (least..=most).contains(&number)) {
            return true;
        }
        let key = place.name.rsplit('.').next().unwrap_or_default();
        let hint = format!("use a whole number from {least} to {most}");
        self.problems.error(span, format!("the value of `{key}` is out of range"), hint);
        false
    }

    fn wrong_kind(&mut self, schema: &Value, value: &Spanned<DeValue<'_>>, place: &Place) {
        let kinds: Vec<&str> = alternatives(schema).flat_map(kinds_of).collect();
        let wanted = match kinds.split_last() {
            Some((last, [])) => in_words(last).to_owned(),
            Some((last, others)) => {
                let others: Vec<&str> = others.iter().map(|kind| in_words(kind)).collect();
                format!("{} or {}", others.join(", "), in_words(last))
            }
            None => "something else".to_owned(),
        };
        let found = kind(value.get_ref());
        let key = place.name.rsplit('.').next().unwrap_or_default();
        let of_tables = schema.pointer("/items/type").is_some_and(|kind| kind == "object");
        let hint = match (kinds.as_slice(), found) {
            (["array"], "object") if of_tables => {
                format!("use two brackets in its header: [[{}]]", place.name)
            }
            (["array"], _) if of_tables => format!("use a [[{}]] table for each", place.name),
            (["array"], _) => "put the value in brackets: [ … ]".to_owned(),
            (["object"], "array") if holds_tables(value.get_ref()) => {
                format!("use one bracket in its header: [{}]", place.name)
            }
            (["boolean"], "string") => "use true or false without quotes".to_owned(),
            (["integer"], "string") => "remove the quotes".to_owned(),
            (_, "integer" | "number" | "boolean" | "datetime") if kinds.contains(&"string") => {
                "put the value in quotes".to_owned()
            }
            _ => {
                example(schema).map_or_else(String::new, |example| format!("use the form {key} = {example}"))
            }
        };
        let message = format!("wrong type of `{key}`: expected {wanted}, found {}", in_words(found));
        self.problems.error(&value.span(), message, hint);
    }
}

/// Whether a text is secret under any key: an address with a password, or a private key.
fn is_delicate(text: &str) -> bool {
    text.contains("PRIVATE KEY") || text.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
}

fn holds_tables(value: &DeValue<'_>) -> bool {
    value.as_array().is_some_and(|array| array.iter().any(|item| item.get_ref().is_table()))
}

/// The name of the type in the schema.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "datetime",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn in_words(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number with a fraction",
        "boolean" => "true or false",
        "datetime" => "a date or time",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

/// The table that has this key, if there is exactly one.
fn elsewhere(whole: &Value, key: &str) -> Option<String> {
    let mut found = Vec::new();
    collect(whole, key, &Place { name: String::new(), many: false }, &mut found);
    match found.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

fn collect(schema: &Value, key: &str, place: &Place, found: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    // Overlays have words of their own.
    for (name, inner) in properties.iter().filter(|(name, _)| *name != "overlays") {
        if name == key {
            found.push(place.to_string());
        }
        let below = place.below(name);
        collect(inner, key, &below, found);
        if let Some(items) = inner.get("items") {
            collect(items, key, &Place { many: true, ..below }, found);
        }
    }
}
