//! What kind of user data a text is: the beginning decides, as in cloud-init ("User-data formats" in its documentation).

use std::fmt;

/// So far cloud-init looks for the header of a MIME message, whatever comes before.
const MIME_HEAD: usize = 4096;

/// A kind of user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, or nothing that cloud-init takes for user data.
    Nothing,
    /// Settings in YAML, possibly as a template of jinja.
    CloudConfig,
    /// A program that runs on the first boot, or on each.
    Script,
    /// A container of other kinds, or a reference to them, so that what it sets is not seen.
    Opaque(Opaque),
}

/// A kind of user data that may hold settings which are not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opaque {
    /// Several parts in one MIME message.
    MultiPart,
    /// A list of parts in YAML.
    Archive,
    /// Addresses from which the rest is fetched.
    Include,
    /// A patch of other parts.
    Patch,
    /// A program in Python that takes other parts.
    PartHandler,
    /// Bytes that are no text, such as by gzip.
    Binary,
}

impl Kind {
    /// The kind of a text.
    pub fn of(text: &str) -> Self {
        let text = text.trim_start_matches('\u{feff}').trim_start();
        let text = match text.strip_prefix("## template: jinja") {
            // The template is taken as it is: it only fills in values.
            Some(rest) => rest.trim_start(),
            None => text,
        };
        let head: String = text.chars().take(MIME_HEAD).collect();
        if head.to_ascii_lowercase().contains("mime-version:") {
            return Self::Opaque(Opaque::MultiPart);
        }
        let first = text.lines().next().unwrap_or_default().to_ascii_lowercase();
        let starts = |start: &str| first.starts_with(start);
        // The longer ones first.
        match () {
            () if starts("#cloud-config-archive") => Self::Opaque(Opaque::Archive),
            () if starts("#cloud-config-jsonp") || starts("#cloud-config-patch") => {
                Self::Opaque(Opaque::Patch)
            }
            () if starts("#cloud-config") => Self::CloudConfig,
            () if starts("#include") => Self::Opaque(Opaque::Include),
            () if starts("#part-handler") => Self::Opaque(Opaque::PartHandler),
            () if starts("#!") || starts("#cloud-boothook") || starts("#upstart-job") => Self::Script,
            () => Self::Nothing,
        }
    }
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MultiPart => "a MIME message of several parts",
            Self::Archive => "a #cloud-config-archive",
            Self::Include => "an #include of other files",
            Self::Patch => "a patch of other user data",
            Self::PartHandler => "a #part-handler",
            Self::Binary => "not a text (packed by gzip, for example)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_decides() {
        for (text, want) in [
            ("", Kind::Nothing),
            ("users: []\n", Kind::Nothing),
            ("\n #Cloud-Config # mine\nusers: []\n", Kind::CloudConfig),
            ("## template: jinja\n#cloud-config\n", Kind::CloudConfig),
            ("\u{feff}#cloud-config\n", Kind::CloudConfig),
            ("#cloud-config-archive\n- x\n", Kind::Opaque(Opaque::Archive)),
            ("#cloud-config-jsonp\n[]\n", Kind::Opaque(Opaque::Patch)),
            ("#include\nhttp://x\n", Kind::Opaque(Opaque::Include)),
            ("#include-once\nhttp://x\n", Kind::Opaque(Opaque::Include)),
            ("#part-handler\n", Kind::Opaque(Opaque::PartHandler)),
            ("#!/bin/sh\n", Kind::Script),
            ("#cloud-boothook\n", Kind::Script),
            (
                "Content-Type: multipart/mixed; boundary=x\nMIME-Version: 1.0\n",
                Kind::Opaque(Opaque::MultiPart),
            ),
            ("MIME-Version: 1.0\n", Kind::Opaque(Opaque::MultiPart)),
        ] {
            assert_eq!(Kind::of(text), want, "{text:?}");
        }
    }
}
