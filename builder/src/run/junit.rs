//! The result of a run as JUnit XML, which services for continuous integration show. A run is a test suite, a node a test.

use hc_common::text::printable::printable_lines;

/// A node's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// The node.
    pub node: String,
    /// How long it took, in seconds.
    pub seconds: u64,
    /// Why it is not Ready, in one line, and the end of its console; none where it is.
    pub failure: Option<(String, String)>,
}

impl Case {
    /// That of a node of which the run has not seen the end yet.
    pub fn unseen(node: &str) -> Self {
        let why = "the run has ended before its time, or goes on".to_owned();
        Self { node: node.to_owned(), seconds: 0, failure: Some((why, String::new())) }
    }
}

/// The file. All texts may be foreign.
pub fn render(cluster: &str, seconds: u64, cases: &[Case]) -> String {
    let failures = cases.iter().filter(|case| case.failure.is_some()).count();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" time=\"{seconds}\"", cases.len());
    let cluster = escaped(cluster);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"hcimage run\" {counts}>\n  \
         <testsuite name=\"{cluster}\" {counts}>\n"
    );
    for Case { node, seconds, failure } in cases {
        let node = escaped(node);
        text.push_str(&format!("    <testcase classname=\"{cluster}\" name=\"{node}\" time=\"{seconds}\""));
        match failure {
            None => text.push_str("/>\n"),
            Some((why, console)) => text.push_str(&format!(
                ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                escaped(why),
                escaped(console)
            )),
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Text for XML 1.0, which has no place for most control characters nor for two that are no characters, not even escaped.
fn escaped(text: &str) -> String {
    let text = printable_lines(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_a_test_and_foreign_text_is_escaped() {
        let why = "no disk \"<k8s>\" & \u{1b}[31m\u{ffff}".to_owned();
        let cases = [
            Case { node: "hc-1".to_owned(), seconds: 61, failure: None },
            Case { node: "hc-2".to_owned(), seconds: 62, failure: Some((why, "a\n]]>b".to_owned())) },
        ];
        let text = render("home", 62, &cases);
        assert!(
            text.contains("<testsuite name=\"home\" tests=\"2\" failures=\"1\" errors=\"0\" time=\"62\">"),
            "{text}"
        );
        assert!(text.contains("<testcase classname=\"home\" name=\"hc-1\" time=\"61\"/>"), "{text}");
        assert!(
            text.contains(
                "message=\"no disk &quot;&lt;k8s&gt;&quot; &amp; \\u{1b}[31m\u{fffd}\">a\n]]&gt;b<"
            ),
            "{text}"
        );
    }
}
