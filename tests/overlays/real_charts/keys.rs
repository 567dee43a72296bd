//! Whether a chart knows the keys that it is given.

use std::fmt;

use hc_common::text::yaml_load;
use serde_json::Value;
use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

/// What is wrong with a value that a chart is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The keys that lead to it.
    pub(super) path: Vec<String>,
    pub(super) kind: ProblemKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProblemKind {
    /// Neither the values of the chart nor their schema have the key.
    Unknown,
    /// It is a mapping, and the chart has a text or the like.
    Mapping,
    /// It is a text or the like, and the chart has a mapping.
    NoMapping,
}

impl Problem {
    fn new(path: &[String], kind: ProblemKind) -> Self {
        Self { path: path.to_owned(), kind }
    }

    /// Values that take the key away again.
    pub(super) fn without(&self) -> String {
        let wrap = |inner: Value, key: &String| Value::Object([(key.clone(), inner)].into_iter().collect());
        self.path.iter().rev().fold(Value::Null, wrap).to_string()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ProblemKind::Unknown => "is no key of the chart",
            ProblemKind::Mapping => "is a mapping, and the chart has none there",
            ProblemKind::NoMapping => "is no mapping, and the chart has one there",
        };
        write!(f, "{} {what}", self.path.join("."))
    }
}

/// What a chart knows: its `values.yaml`, with those of its own charts below their names, and its `values.schema.json`.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) values: Yaml,
    pub(super) schema: Value,
}

impl Known {
    /// # Panics
    /// Where one of them cannot be read.
    pub(super) fn new(values: &str, schema: &str) -> Self {
        let values = first(values);
        let schema = if schema.is_empty() { Value::Null } else { serde_json::from_str(schema).unwrap() };
        Self { values, schema }
    }

    /// With what a chart within it knows, below the name that it has there.
    pub(super) fn with(mut self, name: &str, inner: Self) -> Self {
        let mut below = Hash::new();
        below.insert(Yaml::String(name.to_owned()), inner.values);
        self.values = merged(self.values, Yaml::Hash(below));
        self
    }

    /// Keys that the chart does not know, and mappings that are not where it has them.
    ///
    /// A mapping that is empty or null in the chart takes any key, and so does a list.
    pub(super) fn problems(&self, given: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let place = Place { values: Some(&self.values), schema: self.resolved(&self.schema) };
        self.walk(&first(given), place, &[], &mut problems);
        problems
    }

    fn walk(&self, given: &Yaml, place: Place<'_>, path: &[String], problems: &mut Vec<Problem>) {
        let Yaml::Hash(fields) = given else {
            // Null takes a key of the chart away.
            if *given != Yaml::Null && place.values.and_then(Yaml::as_hash).is_some_and(|of| !of.is_empty()) {
                problems.push(Problem::new(path, ProblemKind::NoMapping));
            }
            return;
        };
        let properties = place.schema.and_then(|schema| schema["properties"].as_object());
        let known = match place.values {
            Some(Yaml::Hash(known)) if !known.is_empty() => Some(known),
            Some(Yaml::Hash(_) | Yaml::Null | Yaml::Array(_)) | None if properties.is_none() => return,
            Some(Yaml::Hash(_) | Yaml::Null | Yaml::Array(_)) | None => None,
            Some(_) if properties.is_none() => {
                problems.push(Problem::new(path, ProblemKind::Mapping));
                return;
            }
            Some(_) => None,
        };
        for (key, value) in fields {
            let name = key.as_str().map_or_else(|| format!("{key:?}"), str::to_owned);
            let below = [path, std::slice::from_ref(&name)].concat();
            let values = known.and_then(|known| known.get(key));
            let schema = properties.and_then(|properties| properties.get(&name));
            let schema = schema.and_then(|schema| self.resolved(schema));
            if values.is_none() && schema.is_none() {
                problems.push(Problem::new(&below, ProblemKind::Unknown));
            } else {
                self.walk(value, Place { values, schema }, &below, problems);
            }
        }
    }

    /// A schema, or the one that it refers to.
    fn resolved<'a>(&'a self, mut schema: &'a Value) -> Option<&'a Value> {
        for _ in 0..16 {
            match schema["$ref"].as_str() {
                Some(place) => schema = self.schema.pointer(place.strip_prefix('#')?)?,
                None => return (!schema.is_null()).then_some(schema),
            }
        }
        None
    }
}

/// What a chart says of a key: in its values, and in their schema.
#[derive(Clone, Copy)]
struct Place<'a> {
    values: Option<&'a Yaml>,
    schema: Option<&'a Value>,
}

fn first(text: &str) -> Yaml {
    let documents = yaml_load::load(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    documents.into_iter().next().unwrap_or(Yaml::Null)
}

/// The keys of both.
fn merged(one: Yaml, other: Yaml) -> Yaml {
    match (one, other) {
        (Yaml::Hash(mut one), Yaml::Hash(other)) => {
            for (key, value) in other {
                let value = match one.remove(&key) {
                    Some(before) => merged(before, value),
                    None => value,
                };
                one.insert(key, value);
            }
            Yaml::Hash(one)
        }
        (Yaml::Null, other) => other,
        (one, _) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: &str = "\
image: {repository: shop, tag: \"\"}
labels: {}
resources: null
env: []
replicas: 1
pool:
  enabled: false
";

    fn said(known: &Known, given: &str) -> Vec<String> {
        known.problems(given).iter().map(Problem::to_string).collect()
    }

    fn problems(given: &str) -> Vec<String> {
        said(&Known::new(VALUES, ""), given)
    }

    #[test]
    fn a_key_can_be_taken_away_again() {
        let problems = Known::new(VALUES, "").problems("image: {a.b: {c: 1}}\n");
        assert_eq!(problems[0].without(), "{\"image\":{\"a.b\":null}}");
    }

    #[test]
    fn keys_of_the_chart_are_taken_and_others_are_named_with_their_path() {
        assert!(problems("image: {tag: '1'}\nreplicas: 2\npool: {enabled: true}\n").is_empty());
        assert!(problems("").is_empty());
        assert_eq!(
            problems("image: {tga: '1'}\nreplica: 2\n"),
            ["image.tga is no key of the chart", "replica is no key of the chart"]
        );
    }

    #[test]
    fn empty_mappings_nulls_and_lists_take_any_key() {
        assert!(
            problems("labels: {a: b}\nresources: {limits: {memory: 1Gi}}\nenv: [{name: a}]\n").is_empty()
        );
        assert!(problems("env: {a: b}\n").is_empty());
    }

    #[test]
    fn a_mapping_for_a_text_is_told_and_a_text_for_a_mapping() {
        assert_eq!(problems("image: shop:1\n"), ["image is no mapping, and the chart has one there"]);
        assert_eq!(problems("replicas: {a: 1}\n"), ["replicas is a mapping, and the chart has none there"]);
        assert!(problems("image: null\n").is_empty());
    }

    #[test]
    fn a_schema_knows_keys_that_the_values_leave_out() {
        let schema = "{\"properties\": {\"image\": {\"$ref\": \"#/$defs/image\"}, \"servers\": {\"type\": \"string\"}},
            \"$defs\": {\"image\": {\"properties\": {\"digest\": {\"type\": \"string\"}}}}}";
        let known = Known::new(VALUES, schema);
        assert!(known.problems("image: {digest: a, tag: b}\nservers: a\nreplicas: 1\n").is_empty());
        assert_eq!(said(&known, "image: {digset: a}\n"), ["image.digset is no key of the chart"]);
    }

    #[test]
    fn a_chart_within_the_chart_knows_keys_below_its_name() {
        let known = Known::new(VALUES, "").with("pool", Known::new("size: 1\n", ""));
        assert!(known.problems("pool: {enabled: true, size: 2}\n").is_empty());
        assert_eq!(said(&known, "pool: {sise: 2}\n"), ["pool.sise is no key of the chart"]);
    }
}
