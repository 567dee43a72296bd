//! What the cluster file can say of an overlay.

use std::collections::BTreeMap;

use hcimage::overlays::{Overlay, Parameter, ParameterType, ParameterValue};

use crate::table;

/// What is chosen, and the table that says so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    /// `release=1.20, hubble=true`; `the required parameters` where nothing else is set.
    pub(super) label: String,
    pub(super) table: String,
    /// The same with all other parameters that may be left out, and all secrets: a choice may need them.
    pub(super) with_all: String,
}

/// The required parameters; each other choice of a parameter; each pair of them.
pub(super) fn of(overlay: &Overlay) -> Vec<Choice> {
    let others: Vec<(&str, toml::Value)> = overlay
        .parameters
        .iter()
        .flat_map(|(name, parameter)| others(parameter).into_iter().map(move |value| (name.as_str(), value)))
        .collect();
    let mut choices = vec![choice(overlay, &[])];
    choices.extend(others.iter().map(|one| choice(overlay, &[one])));
    for (place, one) in others.iter().enumerate() {
        let rest = others.iter().skip(place + 1).filter(|other| other.0 != one.0);
        choices.extend(rest.map(|other| choice(overlay, &[one, other])));
    }
    choices
}

/// What a parameter can be but for what it is by itself. Texts and numbers without choices are taken as they are, and have the
/// example where they may be left out.
fn others(parameter: &Parameter) -> Vec<toml::Value> {
    let value = |value: ParameterValue| toml::Value::try_from(value).unwrap();
    let choices = parameter.choices.iter().cloned();
    let mut values: Vec<ParameterValue> = match (parameter.kind, &parameter.example) {
        (ParameterType::Switch, _) => vec![ParameterValue::Switch(true), ParameterValue::Switch(false)],
        (ParameterType::Texts, _) if !parameter.choices.is_empty() => {
            let all = ParameterValue::List(parameter.choices.clone());
            choices.map(|choice| ParameterValue::List(vec![choice])).chain([all]).collect()
        }
        _ if !parameter.choices.is_empty() => choices.map(ParameterValue::Text).collect(),
        (_, Some(example)) if parameter.optional || parameter.default.is_some() => vec![example.clone()],
        _ => Vec::new(),
    };
    values.retain(|value| parameter.default.as_ref() != Some(value));
    values.into_iter().map(value).collect()
}

fn choice(overlay: &Overlay, set: &[&(&str, toml::Value)]) -> Choice {
    let name = overlay.name.as_str();
    let required: BTreeMap<String, BTreeMap<String, toml::Table>> = toml::from_str(&table(overlay)).unwrap();
    let mut entries = required["overlays"][name].clone();
    for (key, value) in set {
        entries.insert((*key).to_owned(), value.clone());
    }
    let mut all = entries.clone();
    for (key, parameter) in overlay.parameters.iter().filter(|(_, parameter)| parameter.optional) {
        if let Some(example) = &parameter.example {
            all.entry(key.clone()).or_insert_with(|| toml::Value::try_from(example.clone()).unwrap());
        }
    }
    for (key, _) in overlay.secrets.iter().filter(|(_, secret)| secret.given) {
        all.entry(key.clone()).or_insert_with(|| "hunter2".into());
    }
    let label = match set {
        [] => "the required parameters".to_owned(),
        _ => set.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", "),
    };
    let text = |entries: &toml::Table| format!("[overlays.{name}]\n{}", toml::to_string(entries).unwrap());
    Choice { label, table: text(&entries), with_all: text(&all) }
}
