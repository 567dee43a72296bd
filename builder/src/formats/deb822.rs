//! Paragraphs of `Field: value` lines (deb-control(5), deb822(5)): dpkg's status, lists of packages, sources of apt.

/// The paragraphs in their order; blank lines separate them.
pub fn paragraphs(text: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = skip_blank_lines(rest);
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        for line in rest.split_inclusive('\n') {
            if line.trim().is_empty() {
                break;
            }
            end += line.len();
        }
        let (paragraph, after) = rest.split_at_checked(end)?;
        rest = after;
        Some(Paragraph(paragraph))
    })
}

fn skip_blank_lines(mut text: &str) -> &str {
    while let Some((_, after)) = text.split_once('\n').filter(|(line, _)| line.trim().is_empty()) {
        text = after;
    }
    if text.trim().is_empty() { "" } else { text }
}

/// One paragraph.
#[derive(Debug, Clone, Copy)]
pub struct Paragraph<'a>(&'a str);

impl<'a> Paragraph<'a> {
    /// The fields in their order, with values that may have several lines. Lines that are neither a field nor its
    /// continuation are skipped, comments among them.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            loop {
                let first = rest.split_inclusive('\n').next()?;
                let mut end = first.len();
                for line in rest.get(end..)?.split_inclusive('\n') {
                    if !line.starts_with([' ', '\t', '#']) {
                        break;
                    }
                    end += line.len();
                }
                let (field, after) = rest.split_at_checked(end)?;
                rest = after;
                if let Some((name, value)) = field.split_once(':')
                    && !name.is_empty()
                    && !name.contains(char::is_whitespace)
                    && !name.starts_with('#')
                {
                    return Some((name, Value(value)));
                }
            }
        })
    }

    /// The value of a field. Names are the same in capitals.
    pub fn field(self, name: &str) -> Option<Value<'a>> {
        self.fields().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A value, as written.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// The lines without blanks around them, and without comments.
    pub fn lines(self) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter(|line| !line.starts_with('#')).map(str::trim)
    }

    /// The words of all lines.
    pub fn words(self) -> impl Iterator<Item = &'a str> {
        self.lines().flat_map(str::split_ascii_whitespace)
    }

    /// The first line.
    pub fn text(self) -> &'a str {
        self.0.lines().next().unwrap_or_default().trim()
    }

    /// All of it, folded into one line.
    pub fn folded(self) -> String {
        self.lines().collect::<Vec<_>>().join(" ").trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paragraphs_have_fields_whose_values_may_be_folded() {
        let text = "\n \nPackage: a\nDepends: b,\n# not now\n c (>= 1),\n\td\nsha256:\n x 1 y\n\t\nnonsense\nPackage: z\n\n\n";
        let all: Vec<_> = paragraphs(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].field("depends").unwrap().folded(), "b, c (>= 1), d");
        assert_eq!(all[0].field("SHA256").unwrap().words().collect::<Vec<_>>(), ["x", "1", "y"]);
        assert_eq!(all[1].field("Package").unwrap().text(), "z");
        assert!(all[1].field("Depends").is_none());
        assert_eq!(paragraphs("").count() + paragraphs("\n\n").count(), 0);
    }

    #[test]
    fn a_comment_is_no_field() {
        let text = "# Types: deb\nTypes: deb-src\n";
        assert_eq!(paragraphs(text).next().unwrap().field("Types").unwrap().text(), "deb-src");
    }

    proptest! {
        /// No line with a field is lost between two paragraphs, wherever blanks, comments and folded lines stand.
        #[test]
        fn every_field_is_in_one_paragraph(text in "([ \\t]?[#a-c]?:?[a-c]{0,2}\\n){0,20}") {
            let is_field = |line: &&str| {
                line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && !name.contains(['#', ' ', '\t']))
            };
            let found: usize = paragraphs(&text).map(|paragraph| paragraph.fields().count()).sum();
            prop_assert_eq!(found, text.lines().filter(is_field).count());
        }
    }
}
