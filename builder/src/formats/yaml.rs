//! The little YAML that configuration files for k3s need: a tree and its writer. Texts are always quoted, see [`quoted`].

use std::borrow::Cow;

use hc_common::text::yaml::quoted;

/// A value of a YAML file. It may be secret, so it does not print.
#[derive(Clone, PartialEq)]
pub enum Node {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A truth value.
    Switch(bool),
    /// Texts in their order.
    List(Vec<String>),
    /// Keys and values in their order.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A word of the program that reads the file, such as `tls-san`: written as it is.
    Plain(Cow<'static, str>),
    /// Any text.
    Quoted(String),
}

impl From<&'static str> for Key {
    fn from(word: &'static str) -> Self {
        Self::Plain(word.into())
    }
}

impl Node {
    /// Text.
    pub(crate) fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// Texts.
    pub(crate) fn list<T: ToString>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| text.to_string()).collect())
    }
}

/// The lines of one entry of the outermost mapping.
pub(crate) fn entry(key: &Key, node: &Node) -> String {
    let mut out = String::new();
    write_entry(&mut out, 0, key, node);
    out
}

/// The lines of a mapping.
pub(crate) fn document<'n>(entries: impl IntoIterator<Item = &'n (Key, Node)>) -> String {
    entries.into_iter().map(|(key, node)| entry(key, node)).collect()
}

fn write_entry(out: &mut String, depth: usize, key: &Key, node: &Node) {
    out.push_str(&"  ".repeat(depth));
    match key {
        Key::Plain(word) => out.push_str(word),
        Key::Quoted(text) => out.push_str(&quoted(text)),
    }
    out.push(':');
    match node {
        Node::Text(text) => out.push_str(&format!(" {}\n", quoted(text))),
        Node::Number(number) => out.push_str(&format!(" {number}\n")),
        Node::Switch(on) => out.push_str(&format!(" {on}\n")),
        Node::List(items) if items.is_empty() => out.push_str(" []\n"),
        Node::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Node::List(items) => {
            out.push('\n');
            let indent = "  ".repeat(depth.saturating_add(1));
            items.iter().for_each(|item| out.push_str(&format!("{indent}- {}\n", quoted(item))));
        }
        Node::Map(entries) => {
            out.push('\n');
            entries.iter().for_each(|(key, node)| write_entry(out, depth.saturating_add(1), key, node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_written_in_its_order_and_indented() {
        let inner = Node::Map(vec![
            (Key::Quoted("*".into()), Node::list(["a", "b\n"])),
            ("none".into(), Node::List(Vec::new())),
            ("empty".into(), Node::Map(Vec::new())),
        ]);
        let tree = [
            ("number".into(), Node::Number(-1)),
            ("switch".into(), Node::Switch(true)),
            ("text".into(), Node::text("true")),
            ("map".into(), inner),
        ];
        assert_eq!(
            document(&tree),
            "number: -1\nswitch: true\ntext: \"true\"\nmap:\n  \"*\":\n    - \"a\"\n    - \"b\\U0000000a\"\n  none: []\n  \
             empty: {}\n"
        );
    }
}
