//! The renaming rule: what a file is called when its own name cannot be published.
//!
//! Deterministic and minimal. A name that may be published stays as it is; of any other as much as
//! possible is kept, so that an administrator recognises it. The steps, in this order:
//!
//! 1. Bytes that are no UTF-8 become `_`; the rest is brought to normalisation form C.
//! 2. `/ : \ |` become `-`; `< [` become `(`; `> ]` become `)`; double quotes become `'`; `? *` and
//!    control characters become `_`; marks that nobody sees go.
//! 3. Blanks and dots at the edges go. What has no name left before its ending is `unnamed`.
//! 4. A name that Windows keeps for a device gets `_` behind its first part.
//! 5. A name of more than 255 bytes is cut before its ending, between two characters.
//!
//! Names that then collide get ` (2)`, ` (3)` … before the ending ([`numbered`]).

use unicode_normalization::UnicodeNormalization as _;
use xylem_model::{FileName, FileNameError, MAX_FILE_NAME_BYTES, is_invisible};

/// Longest ending with its dot; what is longer is part of the name.
const MAX_ENDING_BYTES: usize = 16;

/// Endings of two parts.
const DOUBLE_ENDINGS: [&str; 4] = [".pkg.zip", ".mpkg.zip", ".app.zip", ".tar.gz"];

/// How far a name had to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    /// Not at all.
    None,
    /// The same text in another Unicode form.
    Form,
    /// It is another text.
    Text,
}

/// The name that a file is published under, with `.zip` behind it for a folder that is zipped.
pub(crate) fn publishable(raw: &[u8], zipped: bool) -> Result<(FileName, Change), FileNameError> {
    let own = std::str::from_utf8(raw).ok().map(|own| format!("{own}{}", end(zipped)));
    if let Some(own) = &own
        && let Ok(name) = FileName::new(own)
    {
        let change = if name.as_str() == own { Change::None } else { Change::Form };
        return Ok((name, change));
    }
    let text = format!("{}{}", readable(raw), end(zipped));
    let name = fitting(&text, "");
    match FileName::new(&name) {
        Err(FileNameError::DeviceName { .. }) => {
            let (first, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
            FileName::new(&fitting(&format!("{first}_{rest}"), ""))
        }
        other => other,
    }
    .map(|name| (name, Change::Text))
}

fn end(zipped: bool) -> &'static str {
    if zipped { ".zip" } else { "" }
}

/// The name with a number before its ending.
pub(crate) fn numbered(name: &FileName, number: usize) -> Result<FileName, FileNameError> {
    FileName::new(&fitting(name.as_str(), &format!(" ({number})")))
}

/// Steps 1 to 3: text that a name could be, however long. What kind of file it is is read off this.
pub(crate) fn readable(raw: &[u8]) -> String {
    let mut text = String::new();
    for chunk in raw.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '_'));
    }
    let text: String = text.nfc().filter_map(replaced).collect();
    // Without the marks between them letters may compose further.
    let text: String = text.nfc().collect();
    let text = text.trim_end_matches(is_edge);
    let (stem, ending) = split_ending(text);
    match stem.trim_start_matches(is_edge) {
        // Nothing but edges: what looks like an ending of nothing.
        "" if !ending.is_empty() => format!("unnamed{ending}"),
        "" => "unnamed".to_owned(),
        stem => format!("{stem}{ending}"),
    }
}

fn replaced(c: char) -> Option<char> {
    Some(match c {
        '/' | ':' | '\\' | '|' => '-',
        '<' | '[' => '(',
        '>' | ']' => ')',
        '"' | '\u{201c}' | '\u{201d}' => '\'',
        '?' | '*' => '_',
        c if is_invisible(c) => return None,
        c if c.is_control() => '_',
        c => c,
    })
}

fn is_edge(c: char) -> bool {
    c.is_whitespace() || c == '.'
}

/// The name before its ending, and the ending with its dot, in one of the two empty.
pub(crate) fn split_ending(name: &str) -> (&str, &str) {
    let double = DOUBLE_ENDINGS.iter().find_map(|ending| {
        let at = name.len().checked_sub(ending.len())?;
        name.get(at..)?.eq_ignore_ascii_case(ending).then_some(at)
    });
    let single = || name.rfind('.').filter(|at| name.len() - at <= MAX_ENDING_BYTES);
    // A number such as in `Office 16.0` is an ending too: that decides no more than where to cut.
    double.or_else(single).map_or((name, ""), |at| name.split_at(at))
}

/// The name with something before its ending, cut so that it fits.
fn fitting(name: &str, insert: &str) -> String {
    let (stem, ending) = split_ending(name);
    let room = MAX_FILE_NAME_BYTES.saturating_sub(insert.len() + ending.len());
    let mut cut = stem.len().min(room);
    while !stem.is_char_boundary(cut) {
        cut -= 1;
    }
    let kept = stem.get(..cut).unwrap_or_default();
    let kept = if cut < stem.len() { kept.trim_end_matches(is_edge) } else { kept };
    format!("{kept}{insert}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(raw: &[u8]) -> String {
        publishable(raw, false).unwrap().0.to_string()
    }

    #[test]
    fn each_kind_of_bad_name_has_its_good_one() {
        for (raw, good) in [
            (&b"Firefox 140.0.pkg"[..], "Firefox 140.0.pkg"),
            (b"Report 1/2:3.pkg", "Report 1-2-3.pkg"),
            (b"a\\b|c.pkg", "a-b-c.pkg"),
            (b"What?*.pkg", "What__.pkg"),
            (b"<Suite> [de] \"x\".dmg", "(Suite) (de) 'x'.dmg"),
            ("\u{201c}curly\u{201d}.pkg".as_bytes(), "'curly'.pkg"),
            (b"a\nb\t.pkg", "a_b_.pkg"),
            ("a\u{202e}gkp\u{200b}.pkg".as_bytes(), "agkp.pkg"),
            (b" a.pkg", "a.pkg"),
            (b"a.pkg ", "a.pkg"),
            (b"..a.pkg..", "a.pkg"),
            (b".pkg", "unnamed.pkg"),
            (b"...", "unnamed"),
            (b" .. .pkg", "unnamed.pkg"),
            (b"CON.pkg", "CON_.pkg"),
            (b"nul", "nul_"),
            (b"Lpt1.1.0.dmg", "Lpt1_.1.0.dmg"),
            (b"caf\xe9.pkg", "caf_.pkg"),
            ("Cafe\u{301}.pkg".as_bytes(), "Caf\u{e9}.pkg"),
            ("e\u{200b}\u{301}.pkg".as_bytes(), "\u{e9}.pkg"),
        ] {
            assert_eq!(renamed(raw), good, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn long_names_are_cut_before_their_ending_between_characters() {
        let long = format!("{}.pkg", "\u{e9}".repeat(200));
        let name = renamed(long.as_bytes());
        assert_eq!(name, format!("{}.pkg", "\u{e9}".repeat(125)));
        let long = format!("{} x.mpkg.zip", "y".repeat(245));
        assert_eq!(renamed(long.as_bytes()), format!("{}.mpkg.zip", "y".repeat(245)));
        let two = numbered(&FileName::new(&name).unwrap(), 2).unwrap();
        assert_eq!(two.as_str(), format!("{} (2).pkg", "\u{e9}".repeat(123)));
        let (zipped, change) = publishable("z".repeat(255).as_bytes(), true).unwrap();
        assert_eq!((zipped.as_str().len(), change), (255, Change::Text));
    }

    #[test]
    fn folders_get_the_ending_of_their_archive() {
        assert_eq!(publishable(b"Old.pkg", true).unwrap().0.as_str(), "Old.pkg.zip");
        assert_eq!(publishable(b"A:B.app", true).unwrap().0.as_str(), "A-B.app.zip");
        let two = numbered(&FileName::new("Old.pkg.zip").unwrap(), 2).unwrap();
        assert_eq!(two.as_str(), "Old (2).pkg.zip");
    }

    /// Names of characters that make trouble, in every order that a seed gives.
    #[test]
    fn whatever_the_name_the_result_may_be_published_and_stays_itself() {
        const PIECES: [&[u8]; 24] = [
            b"a",
            b"B",
            b".",
            b" ",
            b"/",
            b":",
            b"?",
            b"<",
            b"]",
            b"\"",
            b"\n",
            b"\xff",
            b"\xe2\x80",
            b".pkg",
            b".zip",
            b"con",
            b"nul.",
            b"e",
            b"\xcc\x81",
            b"\xe2\x80\x8b",
            b"\xf0\x9f\x8d\x8e",
            b"(2)",
            b"\xc2\xa0",
            b"12345678901234567890123456789012345678901234567890",
        ];
        let mut seed = crate::testing::Seed::new(11);
        for _ in 0..4_000 {
            let pieces = 1 + seed.below(12);
            let raw: Vec<u8> =
                (0..pieces).flat_map(|_| PIECES[seed.below(PIECES.len())].to_vec()).collect();
            let (name, _) = publishable(&raw, false)
                .unwrap_or_else(|error| panic!("{}: {error}", raw.escape_ascii()));
            let (again, change) = publishable(name.as_str().as_bytes(), false).unwrap();
            assert_eq!((&again, change), (&name, Change::None), "{}", raw.escape_ascii());
            if let Ok(own) = std::str::from_utf8(&raw)
                .map_err(drop)
                .and_then(|own| FileName::new(own).map_err(drop))
            {
                assert_eq!(own, name);
            }
            let numbers: Vec<FileName> = (2..5).map(|n| numbered(&name, n).unwrap()).collect();
            let mut keys: Vec<String> = numbers.iter().map(FileName::collision_key).collect();
            keys.push(name.collision_key());
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), 4, "{name}");
        }
    }
}
