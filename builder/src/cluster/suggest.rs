//! Suggestions for mistyped words.

/// The known word nearest to a mistyped one, if any is near: case and `_` for `-` are ignored, and one other difference
/// is allowed for every three letters.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// No known word is nearly as long.
    const LONGEST: usize = 100;
    if written.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let written = plain(written);
    let most = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(&written, &plain(word)), word))
        .filter(|(distance, word)| *distance <= most && *distance < word.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_near_word_is_suggested_and_a_far_one_is_not() {
        let known = ["address", "mac", "data-disk", "name"];
        for (written, want) in [
            ("adress", Some("address")),
            ("ADDRESS", Some("address")),
            ("data_disk", Some("data-disk")),
            ("amc", Some("mac")),
            ("nmae", Some("name")),
            ("ip", None),
            ("x", None),
            ("", None),
            ("hostname", None),
        ] {
            assert_eq!(nearest(written, known), want, "{written}");
        }
    }
}
