//! The one way to read YAML: foreign text becomes a tree of bounded size, depth and cost.
//!
//! A few hundred bytes can mean gigabytes, by aliases of aliases, and a few thousand can nest deeper than any stack. So the
//! tree is built from the parser's events, which it gives out one by one without recursion, and every node is charged to a
//! budget: the copies that aliases make as well.

use std::collections::HashMap;

use yaml_rust2::parser::{Event, Parser, Tag};
use yaml_rust2::scanner::{Marker, TScalarStyle};
use yaml_rust2::yaml::Hash;
use yaml_rust2::{ScanError, Yaml};

/// The longest text in bytes. The definitions of large operators have a few megabytes.
pub const LONGEST: usize = 8 << 20;
/// The most marks of structure. The parser keeps all tokens of a list in brackets until it ends, about 200 bytes a mark.
const MOST_MARKS: usize = 500_000;
/// The deepest nesting. Schemas in definitions for Kubernetes reach about 50 levels.
const DEEPEST: usize = 128;
/// What all nodes together may cost, in bytes of the tree.
const BUDGET: usize = 32 << 20;
/// What a node costs besides its text.
const NODE: usize = 64;

/// Why a text is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} in line {line}")]
pub struct YamlError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

/// All documents of a text; one without content is [`Yaml::Null`].
///
/// # Errors
/// If the text is not YAML, or it is longer, nests deeper or unfolds to more than what is read.
pub fn load(text: &str) -> Result<Vec<Yaml>, YamlError> {
    load_in(text, Dialect::Core)
}

/// As [`load`], with the switches and numbers of YAML 1.1 that Kubernetes knows: `yes`, `on`, `1_000` (go-yaml 2, `resolve.go`, which
/// sigs.k8s.io/yaml has).
///
/// # Errors
/// Those of [`load`].
pub fn load_as_go(text: &str) -> Result<Vec<Yaml>, YamlError> {
    load_in(text, Dialect::Go)
}

/// What a scalar without quotes is by its look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// The core schema of YAML 1.2.
    Core,
    /// go-yaml 2.
    Go,
}

fn load_in(text: &str, dialect: Dialect) -> Result<Vec<Yaml>, YamlError> {
    if text.len() > LONGEST {
        let problem = format!("{} bytes of YAML, expected at most {LONGEST}", text.len());
        return Err(YamlError { line: 1, problem });
    }
    let marks = text.bytes().filter(|byte| b",:[]{}".contains(byte)).count();
    if marks > MOST_MARKS {
        let problem = format!("YAML with {marks} brackets, colons and commas, expected at most {MOST_MARKS}");
        return Err(YamlError { line: 1, problem });
    }
    let mut parser = Parser::new_from_str(text);
    let mut loader =
        Loader { documents: Vec::new(), open: Vec::new(), anchors: HashMap::new(), left: BUDGET, dialect };
    loop {
        let (event, mark) = parser.next_token().map_err(|error| syntax(&error))?;
        if event == Event::StreamEnd {
            return Ok(loader.documents);
        }
        loader.take(event, &mark)?;
    }
}

fn syntax(error: &ScanError) -> YamlError {
    refused(error.marker(), error.info())
}

fn refused(mark: &Marker, problem: impl Into<String>) -> YamlError {
    YamlError { line: mark.line(), problem: problem.into() }
}

/// A list or mapping that is not complete.
struct Open {
    node: Collection,
    anchor: usize,
    /// What it costs so far.
    cost: usize,
}

enum Collection {
    List(Vec<Yaml>),
    /// With the key that waits for its value.
    Map(Hash, Option<Yaml>),
}

struct Loader {
    documents: Vec<Yaml>,
    open: Vec<Open>,
    /// Complete nodes with an anchor, and what each costs.
    anchors: HashMap<usize, (Yaml, usize)>,
    left: usize,
    dialect: Dialect,
}

impl Loader {
    fn take(&mut self, event: Event, mark: &Marker) -> Result<(), YamlError> {
        match event {
            Event::DocumentStart => self.anchors.clear(),
            Event::SequenceStart(anchor, _) => self.begin(Collection::List(Vec::new()), anchor, mark)?,
            Event::MappingStart(anchor, _) => self.begin(Collection::Map(Hash::new(), None), anchor, mark)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { node, anchor, cost }) = self.open.pop() else {
                    return Err(refused(mark, "end of a collection that did not begin"));
                };
                let node = match node {
                    Collection::List(items) => Yaml::Array(items),
                    Collection::Map(entries, _) => Yaml::Hash(entries),
                };
                self.complete(node, anchor, cost, mark)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let cost = NODE.saturating_add(text.len());
                self.charge(cost, mark)?;
                self.complete(scalar(text, style, tag.as_ref(), self.dialect), anchor, cost, mark)?;
            }
            Event::Alias(anchor) => {
                let Some((_, cost)) = self.anchors.get(&anchor) else {
                    return Err(refused(mark, "alias inside of what it stands for"));
                };
                let cost = *cost;
                self.charge(cost, mark)?;
                let node = self.anchors.get(&anchor).map(|(node, _)| node.clone()).unwrap_or(Yaml::BadValue);
                self.complete(node, 0, cost, mark)?;
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn charge(&mut self, cost: usize, mark: &Marker) -> Result<(), YamlError> {
        let left = self.left.checked_sub(cost);
        self.left = left.ok_or_else(|| {
            refused(
                mark,
                format!("the YAML unfolds to more than {} MiB, by its aliases or its size", BUDGET >> 20),
            )
        })?;
        Ok(())
    }

    fn begin(&mut self, node: Collection, anchor: usize, mark: &Marker) -> Result<(), YamlError> {
        if self.open.len() >= DEEPEST {
            return Err(refused(mark, format!("nested too deeply, expected at most {DEEPEST} levels")));
        }
        self.charge(NODE, mark)?;
        self.open.push(Open { node, anchor, cost: NODE });
        Ok(())
    }

    /// Puts a complete node where it belongs.
    fn complete(&mut self, node: Yaml, anchor: usize, cost: usize, mark: &Marker) -> Result<(), YamlError> {
        // The parser counts anchors from 1.
        if anchor > 0 {
            self.charge(cost, mark)?;
            self.anchors.insert(anchor, (node.clone(), cost));
        }
        let Some(parent) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        parent.cost = parent.cost.saturating_add(cost);
        match &mut parent.node {
            Collection::List(items) => items.push(node),
            Collection::Map(entries, key) => match key.take() {
                None => *key = Some(node),
                Some(key) if entries.contains_key(&key) => {
                    return Err(refused(mark, "duplicate key in a mapping"));
                }
                Some(key) => drop(entries.insert(key, node)),
            },
        }
        Ok(())
    }
}

/// The value of a scalar by its tag, or by its look.
fn scalar(text: String, style: TScalarStyle, tag: Option<&Tag>, dialect: Dialect) -> Yaml {
    if style != TScalarStyle::Plain {
        return Yaml::String(text);
    }
    let Some(tag) = tag else {
        return if dialect == Dialect::Go { as_go(&text) } else { Yaml::from_str(&text) };
    };
    if tag.handle != "tag:yaml.org,2002:" {
        return Yaml::String(text);
    }
    let value = Yaml::from_str(&text);
    let fits = match tag.suffix.as_str() {
        "bool" => value.as_bool().is_some(),
        "int" => value.as_i64().is_some(),
        "float" => value.as_f64().is_some(),
        "null" => value.is_null(),
        _ => return Yaml::String(text),
    };
    if fits { value } else { Yaml::BadValue }
}

/// A plain scalar as go-yaml 2 resolves it.
fn as_go(text: &str) -> Yaml {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Yaml::Boolean(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Yaml::Boolean(false),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') && text.contains('_') => {
            match Yaml::from_str(&text.replace('_', "")) {
                number @ (Yaml::Integer(_) | Yaml::Real(_)) => number,
                _ => Yaml::String(text.to_owned()),
            }
        }
        _ => Yaml::from_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use yaml_rust2::YamlLoader;

    #[test]
    fn switches_and_numbers_are_those_of_go_where_that_is_wanted() {
        let text = "[yes, 'yes', Off, n, 1_000, -1_0.5, 1_a, _1, !!str on, yesterday]";
        let value = |text: &str| Yaml::String(text.to_owned());
        let expected = [
            Yaml::Boolean(true),
            value("yes"),
            Yaml::Boolean(false),
            Yaml::Boolean(false),
            Yaml::Integer(1000),
            Yaml::Real("-10.5".to_owned()),
            value("1_a"),
            value("_1"),
            value("on"),
            value("yesterday"),
        ];
        assert_eq!(load_as_go(text).unwrap()[0].as_vec().unwrap(), &expected);
        assert!(load(text).unwrap()[0].as_vec().unwrap().iter().all(|value| value.as_str().is_some()));
    }

    /// What the crate's own loader reads, this one reads as the same.
    #[test]
    fn ordinary_texts_are_read_as_by_the_crate() {
        for text in [
            "",
            "# only a comment\n",
            "a: 1\nb: [x, 'y', \"z\", 1.5, true, ~, null, 0x10]\nc: {d: e}\n---\n- f\n- {g: h}\n",
            "base: &b {x: 1}\nother: *b\nlist: &l [a, b]\nagain: [*l, *l]\n",
            "- !!int 7\n- !!str 7\n- !!bool true\n- !!null ~\n- !mine 7\n- !!float 1.5\n- !!int x\n",
            "? [complex, key]\n: value\n",
            "text: |\n  one\n  two\nfolded: >\n  three\n  four\n",
            "---\n---\na: b\n...\n",
            "a:\nb: ''\n",
        ] {
            assert_eq!(load(text).ok(), YamlLoader::load_from_str(text).ok(), "{text:?}");
        }
        for text in ["a: b: c\n", "a: [1, 2\n", "*unknown\n", "a: 1\na: 2\n", "{a: 1, a: 2}", "\"x"] {
            assert!(load(text).is_err() && YamlLoader::load_from_str(text).is_err(), "{text:?}");
        }
        assert_eq!(load("a: b\nc: [\n").unwrap_err().line, 3);
    }

    /// Ten levels of ten aliases each.
    fn laughs(leaf: &str) -> String {
        let mut text = format!("a0: &a0 {leaf}\n");
        for level in 1..10 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        text
    }

    #[test]
    fn aliases_are_charged_for_what_they_copy() {
        let long = format!("'{}'", "x".repeat(1 << 20));
        let one_long = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 1000].join(", "));
        let as_keys =
            format!("a: &a [{}]\nb:\n{}", vec!["x"; 1000].join(", "), "- {? *a : *a}\n".repeat(2000));
        for text in [laughs("lol"), laughs("{x: y}"), one_long, as_keys] {
            let error = load(&text).unwrap_err();
            assert!(error.problem.contains("unfolds"), "{error}");
        }
        let error = load("a: &a [*a]\n").unwrap_err();
        assert!(error.problem.contains("alias inside"), "{error}");
    }

    #[test]
    fn depth_is_bounded_in_every_style() {
        for (text, closing) in
            [("- ", ""), ("? ", ""), ("[", "]"), ("{a: ", "}"), ("- ? ", ""), ("[{x: ", "}]")]
        {
            for times in [200, 10_000, 100_000] {
                let deep = format!("{}x{}", text.repeat(times), closing.repeat(times));
                assert!(load(&deep).is_err(), "{times} times {text:?}");
            }
        }
        let steps: String = (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(load(&steps).is_err());
        let fits = format!("{}x{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(load(&fits).unwrap().len(), 1);
    }

    #[test]
    fn size_and_number_of_nodes_are_bounded() {
        assert!(load(&"#".repeat(LONGEST + 1)).is_err());
        assert!(load(&format!("[{}]", "0,".repeat(LONGEST / 2 - 10))).is_err());
        assert!(load(&"- a\n".repeat(LONGEST / 4)).is_err());
        assert_eq!(load(&"- a\n".repeat(100_000)).unwrap()[0].as_vec().unwrap().len(), 100_000);
    }
}
