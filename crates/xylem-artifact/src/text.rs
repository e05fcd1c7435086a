//! Texts of a file as they are shown: printable, and of bounded length.

/// Longest text of a file that is shown, in bytes.
pub(crate) const MAX_SHOWN_BYTES: usize = 1024;

/// A text cut to [`MAX_SHOWN_BYTES`], without the characters that steer a terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.trim().chars() {
        let character =
            if character.is_control() { char::REPLACEMENT_CHARACTER } else { character };
        if shown.len() + character.len_utf8() > MAX_SHOWN_BYTES {
            break;
        }
        shown.push(character);
    }
    shown
}

/// The same for a text that may be absent; an empty one counts as absent.
pub(crate) fn shown_some(text: Option<&str>) -> Option<String> {
    text.map(shown).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_unprintable_texts_are_made_fit_to_show() {
        assert_eq!(shown(" a\u{1b}[31mb\0 "), "a\u{fffd}[31mb\u{fffd}");
        let long = shown(&"ä".repeat(2000));
        assert_eq!(long.len(), MAX_SHOWN_BYTES);
        assert_eq!(shown(&format!("a{}", "ä".repeat(2000))).len(), MAX_SHOWN_BYTES - 1);
        assert_eq!(shown_some(Some(" ")), None);
        assert_eq!(shown_some(None), None);
    }
}
