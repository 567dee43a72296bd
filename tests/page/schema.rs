//! docs/status.schema.json against what the types write: each member that occurs is in it, and each that is in it occurs.

use std::collections::BTreeSet;
use std::path::Path;

use hc_firstboot::phase;
use hc_firstboot::report::{RunStatus, View};
use hc_firstboot::state::PhaseName;
use serde_json::{Value, json};

use crate::views;

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/status.schema.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Every shape that a report has.
fn views() -> Vec<View> {
    let nothing = View::new(None, None, std::time::Duration::ZERO);
    // The last one is in no report.
    let all = phase::all()
        .iter()
        .map(|phase| phase.name())
        .filter(|name| *name != PhaseName::Finish)
        .collect::<Vec<_>>();
    vec![nothing, views::running(), views::ready(), views::failed(), views::after(&all)]
}

/// What does not follow the schema, as far as this schema goes; `seen` gets the members that occurred.
fn check(schema: &Value, value: &Value, place: &str, seen: &mut BTreeSet<String>) {
    let types = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(types) => types.iter().map(|name| name.as_str().unwrap()).collect(),
        other => panic!("{place}: no type: {other}"),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) => {
            assert!(number.is_u64(), "{place}");
            "integer"
        }
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.contains(&kind), "{place} is {kind}, not {types:?}");
    if let Some(allowed) = schema.get("enum") {
        assert!(allowed.as_array().unwrap().contains(value), "{place}: {value} is not among {allowed}");
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(only, value, "{place}");
    }
    match value {
        Value::Array(items) => {
            items.iter().for_each(|item| check(&schema["items"], item, &format!("{place}[]"), seen))
        }
        Value::Object(members) => {
            for required in schema["required"].as_array().unwrap() {
                assert!(members.contains_key(required.as_str().unwrap()), "{place}: no {required}");
            }
            for (name, member) in members {
                let inner = format!("{place}.{name}");
                let described =
                    schema["properties"].get(name).unwrap_or_else(|| panic!("{inner} is not in the schema"));
                assert!(described["description"].is_string(), "{inner} has no description");
                seen.insert(inner.clone());
                check(described, member, &inner, seen);
            }
        }
        _ => {}
    }
}

/// The members of a schema, as places.
fn members(schema: &Value, place: &str, into: &mut BTreeSet<String>) {
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let inner = format!("{place}.{name}");
        into.insert(inner.clone());
        members(member, &inner, into);
    }
    if schema.get("items").is_some() {
        members(&schema["items"], &format!("{place}[]"), into);
    }
}

#[test]
fn the_schema_says_what_the_types_write() {
    let schema = schema();
    let (mut seen, mut described) = (BTreeSet::new(), BTreeSet::new());
    for view in views() {
        check(&schema, &serde_json::from_str(&view.json()).unwrap(), "", &mut seen);
    }
    members(&schema, "", &mut described);
    assert_eq!(seen, described);
}

/// The names are those of the types, no more and no fewer.
#[test]
fn the_schema_lists_every_name() {
    let schema = schema();
    let names: Vec<Value> =
        phase::all().iter().map(|phase| json!(phase.name())).filter(|name| name != "finish").collect();
    assert_eq!(schema["properties"]["phases"]["items"]["properties"]["name"]["enum"], json!(names));
    let all = [RunStatus::NotBegun, RunStatus::Running, RunStatus::Ready, RunStatus::Failed];
    assert_eq!(schema["properties"]["status"]["enum"], json!(all));
}

#[test]
#[should_panic(expected = ".extra is not in the schema")]
fn another_member_is_found() {
    let mut value: Value = serde_json::from_str(&views::running().json()).unwrap();
    value["extra"] = json!(1);
    check(&schema(), &value, "", &mut BTreeSet::new());
}
