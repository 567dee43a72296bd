//! Where apt takes packages from (sources.list(5)): `/etc/apt/sources.list`, and the files of `sources.list.d` in both
//! styles.

use super::deb822;

/// The file in the older style.
pub const PATH: &str = "/etc/apt/sources.list";
/// More files: `*.list` in the older style, `*.sources` in the newer one.
pub const DIR: &str = "/etc/apt/sources.list.d";

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AptSource {
    /// The archive's address.
    pub uri: String,
    /// Its suite, such as `bookworm-security`.
    pub suite: String,
    /// Its components, such as `main`.
    pub components: Vec<String>,
    /// The architectures that are taken from it; none stands for all.
    pub architectures: Vec<String>,
    /// Whose signature counts.
    pub signed_by: SignedBy,
    /// Where it is written, for messages.
    pub place: String,
}

/// Whose signature counts for a suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignedBy {
    /// That of any key which the system trusts.
    Anyone,
    /// That of a key in these files.
    Files(Vec<String>),
    /// That of a key which the source brings, in ASCII armour.
    Key(String),
}

/// The suites of one file with packages in binary form. `path` decides on its style.
///
/// # Errors
/// A text that follows a place when a line cannot be understood: what is left out of it might be what is needed.
pub fn parse(path: &str, text: &str) -> Result<Vec<AptSource>, String> {
    if path.ends_with(".sources") { new_style(path, text) } else { old_style(path, text) }
}

fn old_style(path: &str, text: &str) -> Result<Vec<AptSource>, String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(rest) = line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t', '['])) else {
            continue;
        };
        let place = format!("{path}, line {number}");
        let mut rest = rest.trim();
        let (mut architectures, mut signed_by) = (Vec::new(), SignedBy::Anyone);
        if let Some(after) = rest.strip_prefix('[') {
            let (options, after) =
                after.split_once(']').ok_or_else(|| format!("{place}: the options have no end"))?;
            rest = after.trim();
            for option in options.split_ascii_whitespace() {
                let (key, value) = option.split_once('=').unwrap_or((option, ""));
                let list = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
                match key {
                    "arch" => architectures = list(),
                    "signed-by" => signed_by = SignedBy::Files(list()),
                    _ => {}
                }
            }
        }
        let mut words = rest.split_ascii_whitespace().map(str::to_owned);
        let (Some(uri), Some(suite)) = (words.next(), words.next()) else {
            return Err(format!("{place}: expected `deb ADDRESS SUITE COMPONENTS`"));
        };
        let components = words.collect();
        found.push(AptSource { uri, suite, components, architectures, signed_by, place });
    }
    Ok(found)
}

fn new_style(path: &str, text: &str) -> Result<Vec<AptSource>, String> {
    let mut found = Vec::new();
    for (number, paragraph) in (1..).zip(deb822::paragraphs(text)) {
        let words = |name: &str| {
            let value = paragraph.field(name);
            value.into_iter().flat_map(deb822::Value::words).map(str::to_owned).collect::<Vec<_>>()
        };
        let is_off = paragraph.field("Enabled").is_some_and(|value| is_no(value.text()));
        if is_off || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        let place = format!("{path}, paragraph {number}");
        let (uris, suites) = (words("URIs"), words("Suites"));
        if uris.is_empty() || suites.is_empty() {
            return Err(format!("{place}: expected the fields URIs and Suites"));
        }
        let signed_by = match paragraph.field("Signed-By") {
            None => SignedBy::Anyone,
            Some(value) if value.lines().any(|line| line.starts_with("-----BEGIN")) => {
                // An empty line is a dot.
                let lines = value.lines().map(|line| if line == "." { "" } else { line });
                SignedBy::Key(lines.collect::<Vec<_>>().join("\n").trim_start().to_owned() + "\n")
            }
            Some(value) => {
                SignedBy::Files(value.words().flat_map(|word| word.split(',')).map(str::to_owned).collect())
            }
        };
        let (components, architectures) = (words("Components"), words("Architectures"));
        for uri in &uris {
            for suite in &suites {
                let (uri, suite, place) = (uri.clone(), suite.clone(), place.clone());
                let (components, architectures) = (components.clone(), architectures.clone());
                let signed_by = signed_by.clone();
                found.push(AptSource { uri, suite, components, architectures, signed_by, place });
            }
        }
    }
    Ok(found)
}

fn is_no(value: &str) -> bool {
    ["no", "false", "without", "off", "disable", "0"].iter().any(|no| value.eq_ignore_ascii_case(no))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(uri: &str, suite: &str, components: &[&str], place: &str) -> AptSource {
        AptSource {
            uri: uri.into(),
            suite: suite.into(),
            components: components.iter().map(|text| (*text).to_owned()).collect(),
            architectures: Vec::new(),
            signed_by: SignedBy::Anyone,
            place: place.into(),
        }
    }

    #[test]
    fn the_older_style_has_a_line_for_each_suite() {
        let text = "# deb http://a b c\ndeb http://e.org/debian bookworm main contrib # all\ndeb-src http://e.org/debian bookworm main\n\
                    deb [arch=arm64,armhf signed-by=/k/a.gpg,/k/b.gpg trusted=no] http://e.org/pi bookworm main\n\n";
        let place = |line: u32| format!("/etc/apt/sources.list, line {line}");
        let files = SignedBy::Files(vec!["/k/a.gpg".into(), "/k/b.gpg".into()]);
        let second = AptSource {
            architectures: vec!["arm64".into(), "armhf".into()],
            signed_by: files,
            ..source("http://e.org/pi", "bookworm", &["main"], &place(4))
        };
        let first = source("http://e.org/debian", "bookworm", &["main", "contrib"], &place(2));
        assert_eq!(parse(PATH, text), Ok(vec![first, second]));
        for bad in ["deb http://e.org", "deb [arch=arm64 http://e.org a b"] {
            assert!(parse(PATH, bad).unwrap_err().contains("line 1"), "{bad}");
        }
    }

    #[test]
    fn the_newer_style_has_a_paragraph_for_several() {
        let text = "# c\nTypes: deb deb-src\nURIs: http://a/debian http://b/debian\nSuites: x\n x-updates\nComponents: main\n\n\
                    Types: deb\nURIs: http://c/\nSuites: ./\nEnabled: no\n\n\
                    Types: deb\nURIs: http://d/\nSuites: y\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----\n";
        let found = parse("/etc/apt/sources.list.d/a.sources", text).unwrap();
        let names: Vec<_> = found.iter().map(|s| (s.uri.as_str(), s.suite.as_str())).collect();
        assert_eq!(
            names,
            [
                ("http://a/debian", "x"),
                ("http://a/debian", "x-updates"),
                ("http://b/debian", "x"),
                ("http://b/debian", "x-updates"),
                ("http://d/", "y")
            ]
        );
        let SignedBy::Key(key) = &found[4].signed_by else { panic!("{:?}", found[4]) };
        assert_eq!(key, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n");
        assert!(parse("/a.sources", "Types: deb\nURIs: http://a\n").unwrap_err().contains("Suites"));
    }

    proptest! {
        #[test]
        fn no_text_causes_a_panic(text in "[ \\t\\nA-Za-z:/#\\[\\]=,.-]{0,200}") {
            let _ = parse(PATH, &format!("deb {text}"));
            let _ = parse("/a.sources", &format!("Types: deb\n{text}"));
        }
    }
}
