//! `docs/config.md`: the schema as a reference page.

use std::fmt;

use serde_json::Value;

use super::schema::schema;

/// The page.
pub fn reference() -> String {
    let schema = schema();
    let mut tables = Vec::new();
    collect(&schema, Header { path: String::new(), many: false }, "", &mut tables);
    let mut page = format!("{OPENING}{}\n\n{INTRODUCTION}", text(&schema, "description"));
    for table in &tables {
        let Table { header, .. } = table;
        let about = first_sentence(&table.about());
        page.push_str(&format!("| [{header}](#{}) | {about} |\n", header.anchor()));
    }
    for table in &tables {
        table.render(&mut page);
    }
    page
}

const OPENING: &str = "\
# The cluster file

<!-- Made from builder/src/cluster/file/: HCIMAGE_BLESS=1 cargo test -p hcimage --test cluster -->

";

const INTRODUCTION: &str = "\
The format is [TOML](https://toml.io). Unknown keys are errors, so typos are reported. The whole file is checked before
any work is done, and all problems are reported together, each with its line and a fix.

Editors with support for JSON schemas complete and check the file as you type: point them to
[cluster.schema.json](cluster.schema.json), for example with a first line `#:schema ./cluster.schema.json`.

Complete files: [one Pi at home](examples/one-pi/cluster.toml),
[four CM4 on a Turing Pi](examples/turing-pi/cluster.toml),
[three servers with etcd and two agents](examples/three-servers/cluster.toml),
[two more agents for a cluster that exists](examples/more-nodes/cluster.toml),
[a home cloud on one Pi](examples/home-cloud/cluster.toml),
[applications on a Turing Pi](examples/turing-pi-apps/cluster.toml),
[an office with three servers](examples/office-apps/cluster.toml),
[servers whose state is in an etcd elsewhere](examples/outside-database/cluster.toml),
[a site without internet](examples/closed-site/cluster.toml).

| table | contents |
|---|---|
";

/// The header of a table in the file.
#[derive(Clone)]
struct Header {
    path: String,
    many: bool,
}

impl Header {
    fn below(&self, key: &str, many: bool) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { path, many }
    }

    /// The anchor that GitHub makes from the heading: lower case, spaces as hyphens, other signs removed.
    fn anchor(&self) -> String {
        let keep = |c: char| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || c == '-' => Some(c.to_ascii_lowercase()),
            _ => None,
        };
        self.to_string().chars().filter_map(keep).collect()
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { path, .. } if path.is_empty() => f.write_str("The top of the file"),
            Self { path, many: true } => write!(f, "`[[{path}]]`"),
            Self { path, many: false } => write!(f, "`[{path}]`"),
        }
    }
}

/// A table of the file.
struct Table<'a> {
    header: Header,
    schema: &'a Value,
    /// The description where the table is used; it comes before the description of its type.
    at_use: &'a str,
}

/// The table and its inner tables, in the order of the types.
fn collect<'a>(schema: &'a Value, header: Header, at_use: &'a str, tables: &mut Vec<Table<'a>>) {
    tables.push(Table { header: header.clone(), schema, at_use });
    for (key, inner) in properties(schema) {
        let about = text(inner, "description");
        let named = inner.pointer("/propertyNames/title").and_then(Value::as_str);
        if inner.get("properties").is_some() {
            collect(inner, header.below(key, false), "", tables);
        } else if let Some(items) = inner.get("items").filter(|items| items.get("properties").is_some()) {
            collect(items, header.below(key, true), about, tables);
        } else if let (Some(name), Some(entry)) = (named, entry_table(inner)) {
            collect(entry, header.below(&format!("{key}.<{name}>"), false), about, tables);
        }
    }
}

/// The schema of the inner tables of a table with keys chosen by the user.
fn entry_table(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|entry| entry.get("properties").is_some())
}

fn is_table(schema: &Value) -> bool {
    schema.get("properties").is_some()
        || schema.pointer("/items/properties").is_some()
        || entry_table(schema).is_some()
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

impl Table<'_> {
    fn about(&self) -> String {
        match (self.header.path.is_empty(), self.at_use) {
            (true, _) => "The version of the format, the cluster's name, and general settings.".to_owned(),
            (false, "") => text(self.schema, "description").to_owned(),
            (false, at_use) => format!("{at_use} {}", text(self.schema, "description")),
        }
    }

    fn render(&self, page: &mut String) {
        page.push_str(&format!("\n## {}\n\n{}\n", self.header, self.about().trim_end()));
        let required = self.schema.get("required").and_then(Value::as_array);
        for (key, schema) in properties(self.schema).filter(|(_, schema)| !is_table(schema)) {
            let needed = required.is_some_and(|keys| keys.iter().any(|needed| needed == key));
            page.push_str(&render_key(key, schema, needed));
        }
    }
}

fn render_key(key: &str, schema: &Value, needed: bool) -> String {
    let default = match (needed, schema.get("default").and_then(toml)) {
        (true, _) => "; required".to_owned(),
        (false, Some(default)) => format!("; default `{default}`"),
        (false, None) => String::new(),
    };
    let mut entry =
        format!("\n### `{key}`\n\n*{}{default}*\n\n{}\n", kind(schema), text(schema, "description"));
    let examples = schema.get("examples").and_then(Value::as_array);
    let examples: Vec<String> = examples.into_iter().flatten().filter_map(toml).collect();
    if !examples.is_empty() {
        entry.push_str("\n```toml\n");
        for example in examples {
            entry.push_str(&format!("{key} = {example}\n"));
        }
        entry.push_str("```\n");
    }
    entry
}

/// The type of a key's value, in words.
fn kind(schema: &Value) -> String {
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words.iter().filter_map(toml).map(|word| format!("`{word}`")).collect();
        return format!("one of {}", words.join(", "));
    }
    if let Some(secret) = schema.pointer("/anyOf/0") {
        return format!("{}, or `{{ file = \"…\" }}`", kind(secret));
    }
    let named = || schema.get("title").and_then(Value::as_str).unwrap_or("text").to_owned();
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => named(),
        Some("integer") => "whole number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => format!("list: {}", schema.get("items").map(kind).unwrap_or_default()),
        Some("object") => {
            let key = schema.pointer("/propertyNames/title").and_then(Value::as_str).unwrap_or("key");
            format!("table: {key} = {}", schema.get("additionalProperties").map(kind).unwrap_or_default())
        }
        _ if schema.get("type").is_some() => "text, number, `true` or `false`, list".to_owned(),
        _ => "anything".to_owned(),
    }
}

fn toml(value: &Value) -> Option<String> {
    toml::Value::try_from(value).ok().map(|value| value.to_string())
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.split_once(". ") {
        Some((first, _)) => format!("{first}."),
        None => text,
    }
}
