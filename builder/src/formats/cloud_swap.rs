//! Swap by cloud-init (`cc_mounts`): the key `swap`, which makes a file, and lines of type swap in `mounts`.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use super::EditError;

/// The key that makes a swap file.
pub const SWAP: &str = "swap";
/// The key with lines as in fstab.
pub const MOUNTS: &str = "mounts";

/// The keys by which these settings switch swap on.
pub fn keys(settings: &Hash) -> Vec<&'static str> {
    let value = |key: &str| settings.get(&Yaml::String(key.to_owned()));
    let mut keys = Vec::new();
    if value(SWAP).is_some_and(makes_a_file) {
        keys.push(SWAP);
    }
    if value(MOUNTS).and_then(Yaml::as_vec).is_some_and(|lines| lines.iter().any(is_swap)) {
        keys.push(MOUNTS);
    }
    keys
}

/// Whether the value of `swap` sets a size: without one cloud-init makes no file.
pub fn makes_a_file(swap: &Yaml) -> bool {
    match &swap["size"] {
        Yaml::BadValue | Yaml::Null => false,
        Yaml::Integer(size) => *size != 0,
        Yaml::String(size) => size != "0",
        _ => true,
    }
}

/// A line of `mounts` whose type is swap, or whose device is called so: cloud-init has a line for that name.
fn is_swap(line: &Yaml) -> bool {
    let field = |number: usize| line[number].as_str().unwrap_or_default();
    field(2) == "swap" || field(0).starts_with("swap")
}

/// The settings without lines for swap; whether there were any.
pub fn without_swap_lines(settings: &mut Hash) -> bool {
    let key = Yaml::String(MOUNTS.to_owned());
    let Some(Yaml::Array(lines)) = settings.get_mut(&key) else { return false };
    let before = lines.len();
    lines.retain(|line| !is_swap(line));
    let (changed, empty) = (lines.len() != before, lines.is_empty());
    if changed && empty {
        settings.remove(&key);
    }
    changed
}

/// The same for the text, of which all other bytes stay. `settings` are what it says.
pub fn edit(text: &str, settings: &Hash) -> Result<String, EditError> {
    let Some(Yaml::Array(items)) = settings.get(&Yaml::String(MOUNTS.to_owned())) else {
        return Ok(text.to_owned());
    };
    let swaps: Vec<bool> = items.iter().map(is_swap).collect();
    if !swaps.contains(&true) {
        return Ok(text.to_owned());
    }
    let whole = swaps.iter().all(|is_swap| *is_swap);
    let mut place = Place::Elsewhere;
    let mut edited = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        place = place.after(line);
        let drop = match place {
            Place::Elsewhere => false,
            Place::Key => whole,
            Place::Item { number, .. } => whole || swaps.get(number).copied().unwrap_or(false),
        };
        if !drop || is_blank(line) {
            edited.push_str(line);
        }
    }
    Ok(edited)
}

/// Where a line of the text is.
#[derive(Clone, Copy)]
enum Place {
    /// Not below the key.
    Elsewhere,
    /// The key itself.
    Key,
    /// In an item of its list, which is indented so far.
    Item { indent: usize, number: usize },
}

impl Place {
    fn after(self, line: &str) -> Self {
        if is_blank(line) {
            return self;
        }
        let body = line.trim_start_matches(' ');
        let indent = line.len().saturating_sub(body.len());
        let is_item = body.starts_with("- ") || body.trim_end() == "-";
        match self {
            _ if indent == 0 && !is_item => {
                let key = line.split_once(':').map(|(key, _)| key.trim_end().trim_matches(['"', '\'']));
                if key == Some(MOUNTS) { Self::Key } else { Self::Elsewhere }
            }
            Self::Key if is_item => Self::Item { indent, number: 0 },
            Self::Item { indent: of_list, number } if is_item && indent == of_list => {
                Self::Item { indent, number: number.saturating_add(1) }
            }
            other => other,
        }
    }
}

/// Blank lines and comments, which stay.
fn is_blank(line: &str) -> bool {
    let body = line.trim();
    body.is_empty() || body.starts_with('#')
}

#[cfg(test)]
mod tests {
    use yaml_rust2::YamlLoader;

    use super::*;

    fn settings(text: &str) -> Hash {
        YamlLoader::load_from_str(text).unwrap().remove(0).into_hash().unwrap()
    }

    #[test]
    fn swap_is_found_by_its_key() {
        for (text, want) in [
            ("swap: {filename: /swap.img, size: auto}\n", &[SWAP][..]),
            ("swap: {filename: /swap.img, size: 1G}\n", &[SWAP]),
            ("swap: {size: 0}\n", &[]),
            ("swap: {filename: /swap.img}\n", &[]),
            ("mounts:\n- [/dev/sdb, none, swap, sw]\n", &[MOUNTS]),
            ("mounts: [[swap]]\n", &[MOUNTS]),
            ("mounts:\n- [/dev/sdb, /swap, ext4]\n", &[]),
            ("mounts: swap\n", &[]),
        ] {
            assert_eq!(keys(&settings(text)), want, "{text}");
        }
    }

    #[test]
    fn lines_for_swap_go_and_others_stay() {
        for (text, want) in [
            (
                "a: 1\nmounts:\n# mine\n- [/dev/sda1, /data, ext4]\n- [/dev/sdb, none, swap, sw, '0', '0']\n- [x, /y]\nb: 2\n",
                "a: 1\nmounts:\n# mine\n- [/dev/sda1, /data, ext4]\n- [x, /y]\nb: 2\n",
            ),
            (
                "mounts:\n  - - /dev/sdb\n    - none\n    - swap\n  - - /dev/sdc\n    - /c\nb: 2\n",
                "mounts:\n  - - /dev/sdc\n    - /c\nb: 2\n",
            ),
            ("a: 1\nmounts:\n  - [ swap, null ]\nb: 2\n", "a: 1\nb: 2\n"),
            ("a: 1\nmounts: [[/x, none, swap]]\n", "a: 1\n"),
            ("mounts:\n- [a, /a]\n", "mounts:\n- [a, /a]\n"),
        ] {
            let edited = edit(text, &settings(text)).unwrap();
            assert_eq!(edited, want);
            let mut wanted = settings(text);
            without_swap_lines(&mut wanted);
            assert_eq!(settings(&edited), wanted, "{text}");
        }
    }
}
