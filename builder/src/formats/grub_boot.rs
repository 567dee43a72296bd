//! What a `grub.cfg` boots: the commands of the entry that starts by itself.
//!
//! Only as much of GRUB's language as update-grub and the images' publishers write (GRUB manual, "Writing full
//! configuration files directly"): commands with quoted words, and blocks of entries. Conditions are not evaluated: all
//! branches of an entry count.

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its name and arguments, without quotes.
    pub words: Vec<String>,
}

/// An entry of the menu.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What the menu shows.
    pub title: String,
    /// Its own commands, without those of a submenu's entries.
    pub commands: Vec<Command>,
    id: Option<String>,
    kind: Kind,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Menu,
    Entry,
    /// A function's body runs where it is called.
    Function,
}

/// Deeper blocks are read as part of the one around them.
const DEEPEST: usize = 16;

/// The entry that GRUB starts without a key being pressed; none where there is no entry. A default that only the running
/// system knows (`saved`) counts as the first.
pub fn default_entry(text: &str) -> Option<Entry> {
    let menu = menu(text);
    let literal = |command: &&Command| matches!(command.words.as_slice(), [set, word] if set == "set" && word.starts_with("default=") && !word.contains('$'));
    let default = menu.commands.iter().rfind(literal).and_then(|command| command.words.last());
    let wanted = default.and_then(|word| word.strip_prefix("default=")).unwrap_or("0");
    let chosen = wanted.split('>').try_fold(&menu, |menu, name| menu.entry(name));
    let first = |mut entry: &'_ Entry| {
        while entry.commands.is_empty()
            && let Some(inner) = entry.entries.first()
        {
            entry = inner;
        }
        entry.clone()
    };
    chosen.filter(|entry| entry.kind == Kind::Entry).or_else(|| menu.entry("0")).map(first)
}

/// All commands of a file without entries, such as the one on an EFI system partition that leads to the real one.
pub fn commands(text: &str) -> Vec<Command> {
    menu(text).commands
}

impl Entry {
    /// By number, ID or title.
    fn entry(&self, name: &str) -> Option<&Self> {
        let entries = || self.entries.iter().filter(|entry| entry.kind == Kind::Entry);
        let by_number = name.parse().ok().and_then(|number| entries().nth(number));
        by_number.or_else(|| entries().find(|entry| entry.title == name || entry.id.as_deref() == Some(name)))
    }

    fn opened_by(command: &Command) -> Option<Self> {
        let (name, rest) = command.words.split_first()?;
        let kind = match name.as_str() {
            "menuentry" | "submenu" => Kind::Entry,
            "function" => Kind::Function,
            _ => return None,
        };
        let behind = |option: &str| rest.iter().skip_while(move |word| *word != option).nth(1).cloned();
        let joined = || rest.iter().find_map(|word| word.strip_prefix("--id=")).map(str::to_owned);
        let id = behind("--id").or_else(joined).or_else(|| behind("$menuentry_id_option"));
        Some(Self { title: rest.first()?.clone(), id, kind, ..Self::default() })
    }
}

fn menu(text: &str) -> Entry {
    let mut open = vec![Entry::default()];
    for command in Words::of(text).commands() {
        let begins = command.words.last().is_some_and(|word| word == "{") && open.len() < DEEPEST;
        if let Some(entry) = Entry::opened_by(&command).filter(|_| begins) {
            open.push(entry);
        } else if command.words == ["}"] {
            close(&mut open);
        } else if let Some(innermost) = open.last_mut() {
            innermost.commands.push(command);
        }
    }
    while open.len() > 1 {
        close(&mut open);
    }
    open.pop().unwrap_or_default()
}

fn close(open: &mut Vec<Entry>) {
    if open.len() > 1
        && let Some(entry) = open.pop()
        && let Some(around) = open.last_mut()
    {
        around.entries.push(entry);
    }
}

/// A text that is split into commands.
struct Words<'a> {
    text: std::iter::Peekable<std::str::Chars<'a>>,
    line: usize,
    found: Vec<Command>,
    words: Vec<String>,
    began: usize,
    word: Option<String>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let text = text.chars().peekable();
        Self { text, line: 1, found: Vec::new(), words: Vec::new(), began: 1, word: None }
    }

    fn commands(mut self) -> Vec<Command> {
        while let Some(character) = self.next() {
            match character {
                '\n' | ';' => self.end_command(),
                '#' if self.word.is_none() => self.skip_comment(),
                character if character.is_whitespace() => self.end_word(),
                '\'' => self.quoted('\''),
                '"' => self.quoted('"'),
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(escaped) => self.push(escaped),
                },
                character => self.push(character),
            }
        }
        self.end_command();
        self.found
    }

    fn next(&mut self) -> Option<char> {
        let character = self.text.next()?;
        self.line += usize::from(character == '\n');
        Some(character)
    }

    fn push(&mut self, character: char) {
        if self.words.is_empty() && self.word.is_none() {
            self.began = self.line;
        }
        self.word.get_or_insert_default().push(character);
    }

    fn quoted(&mut self, quote: char) {
        if self.words.is_empty() && self.word.is_none() {
            self.began = self.line;
        }
        self.word.get_or_insert_default();
        while let Some(character) = self.next() {
            match character {
                end if end == quote => return,
                '\\' if quote == '"' && self.text.peek().is_some_and(|next| "\"\\$".contains(*next)) => {
                    let escaped = self.next().unwrap_or_default();
                    self.push(escaped);
                }
                other => self.push(other),
            }
        }
    }

    fn skip_comment(&mut self) {
        while self.text.peek().is_some_and(|next| *next != '\n') {
            self.next();
        }
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        let words = std::mem::take(&mut self.words);
        if !words.is_empty() {
            self.found.push(Command { line: self.began, words });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
# menuentry 'no' {
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
else
   set default="DEFAULT"
fi
function savedefault {
  save_env saved_entry
}
menuentry 'First' --class os $menuentry_id_option 'gnulinux-simple' {
	set root='hd0,gpt1'
	search --no-floppy --fs-uuid --set=root 5a0b
	linux	/vmlinuz "root=LABEL=my root" \
	  ro
}
submenu 'Advanced' --id=more {
	menuentry 'Second' --id second { 
		linux /second
	}
}
"#;

    fn of(default: &str) -> (String, Vec<String>) {
        let entry = default_entry(&CONFIG.replace("DEFAULT", default)).unwrap();
        let shown = |command: &Command| format!("{}: {}", command.line, command.words.join("|"));
        (entry.title.clone(), entry.commands.iter().map(shown).collect())
    }

    #[test]
    fn the_default_is_found_by_number_id_and_title() {
        for (default, title) in [
            ("0", "First"),
            ("gnulinux-simple", "First"),
            ("1>0", "Second"),
            ("more>second", "Second"),
            ("Advanced>Second", "Second"),
            ("1", "Second"),
            ("gone", "First"),
            ("7", "First"),
        ] {
            assert_eq!(of(default).0, title, "{default}");
        }
        let saved = CONFIG.replace("\"DEFAULT\"", "\"${saved_entry}\"");
        assert_eq!(default_entry(&saved).unwrap().title, "First");
        assert_eq!(default_entry("placeholder for grub.cfg"), None);
        assert_eq!(default_entry(""), None);
    }

    #[test]
    fn words_are_without_quotes_and_lines_are_counted() {
        assert_eq!(
            of("0").1,
            [
                "12: set|root=hd0,gpt1",
                "13: search|--no-floppy|--fs-uuid|--set=root|5a0b",
                "14: linux|/vmlinuz|root=LABEL=my root|ro"
            ]
        );
        let stub = "search.fs_uuid 5a0b root hd0,gpt1 \nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n";
        let words: Vec<_> = commands(stub).into_iter().map(|command| command.words.join("|")).collect();
        assert_eq!(words[1..], ["set|prefix=($root)/boot/grub", "configfile|$prefix/grub.cfg"]);
    }

    #[test]
    fn a_broken_file_is_read_to_its_end() {
        for text in ["'", "\"a", "menuentry {", "}", "} } }", "\\", &"menuentry a {\n".repeat(100)] {
            let _ = default_entry(text);
        }
        let open = default_entry("menuentry 'a' {\nlinux /v\n").unwrap();
        assert_eq!(open.commands.len(), 1);
    }
}
