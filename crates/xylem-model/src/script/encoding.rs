//! Which text the bytes of a script are.
//!
//! Bytes say which encoding they are in only where they begin with a mark. What has none and is
//! not UTF-8 was most likely written on an old Mac, so it is read as Mac OS Roman, and the report
//! says where to look. Its table is here and not a dependency: 128 characters against the tables of
//! every encoding there is.

use super::contents::{Normalised, ScriptError};

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_LITTLE_MARK: &[u8] = b"\xff\xfe";
const UTF16_BIG_MARK: &[u8] = b"\xfe\xff";

/// What compiled AppleScripts begin with, if not with a line for a shell.
const COMPILED_APPLESCRIPT: &[u8] = b"FasdUAS";

/// Control characters that a text may hold: tab, both line endings, form feed, escape.
const TEXT_CONTROLS: &[u8] = b"\t\n\r\x0c\x1b";

/// What the bytes 0x80 to 0xff stand for in Mac OS Roman (Unicode's ROMAN.TXT).
const MAC_ROMAN: &str = "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø¿¡¬√ƒ≈∆«»…\u{a0}ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\u{f8ff}ÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";

/// The text, and what had to be done to get it.
pub(super) fn decode(bytes: &[u8]) -> Result<(String, Option<Normalised>), ScriptError> {
    if let Some(rest) = bytes.strip_prefix(UTF8_MARK) {
        let text = str::from_utf8(rest).map_err(|_| ScriptError::NotAsMarked("UTF-8"))?;
        return whole(text.to_owned(), Some(Normalised::ByteOrderMark));
    }
    if let Some(rest) = bytes.strip_prefix(UTF16_LITTLE_MARK) {
        let text = utf16(rest, u16::from_le_bytes)?;
        return whole(text, Some(Normalised::Utf16 { order: "little-endian" }));
    }
    if let Some(rest) = bytes.strip_prefix(UTF16_BIG_MARK) {
        let text = utf16(rest, u16::from_be_bytes)?;
        return whole(text, Some(Normalised::Utf16 { order: "big-endian" }));
    }
    if is_compiled_applescript(bytes) {
        return Err(ScriptError::CompiledAppleScript);
    }
    match str::from_utf8(bytes) {
        Ok(text) => whole(text.to_owned(), None),
        Err(error) => mac_roman(bytes, error.valid_up_to()),
    }
}

/// They begin with their mark, or have it behind the interpreter line that made them programs; a
/// text that only speaks of it holds no zero bytes.
fn is_compiled_applescript(bytes: &[u8]) -> bool {
    let held = || bytes.windows(COMPILED_APPLESCRIPT.len()).any(|it| it == COMPILED_APPLESCRIPT);
    bytes.starts_with(COMPILED_APPLESCRIPT) || (bytes.contains(&0) && held())
}

fn whole(
    text: String,
    report: Option<Normalised>,
) -> Result<(String, Option<Normalised>), ScriptError> {
    match text.contains('\0') {
        true => Err(ScriptError::Binary),
        false => Ok((text, report)),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, ScriptError> {
    let (pairs, []) = bytes.as_chunks::<2>() else {
        return Err(ScriptError::NotAsMarked("UTF-16"));
    };
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| ScriptError::NotAsMarked("UTF-16"))
}

/// Every byte is a character of Mac OS Roman, so it takes more to tell a text from a program.
fn mac_roman(bytes: &[u8], first: usize) -> Result<(String, Option<Normalised>), ScriptError> {
    let is_binary = |byte: &u8| byte.is_ascii_control() && !TEXT_CONTROLS.contains(byte);
    if bytes.iter().any(is_binary) {
        return Err(ScriptError::Binary);
    }
    let upper: Vec<char> = MAC_ROMAN.chars().collect();
    let read = |byte: &u8| match byte.checked_sub(0x80) {
        None => char::from(*byte),
        Some(place) => upper.get(usize::from(place)).copied().unwrap_or('\u{fffd}'),
    };
    let text: String = bytes.iter().map(read).collect();
    let characters = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let first_line = 1 + line_ends(bytes.get(..first).unwrap_or_default());
    Ok((text, Some(Normalised::MacRoman { characters, first_line })))
}

/// How many lines end there, whichever way.
fn line_ends(bytes: &[u8]) -> usize {
    let ends = bytes.iter().filter(|byte| b"\r\n".contains(byte)).count();
    ends - bytes.windows(2).filter(|pair| pair == b"\r\n").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_a_character_for_each_byte() {
        assert_eq!(MAC_ROMAN.chars().count(), 128);
        let upper: Vec<char> = MAC_ROMAN.chars().collect();
        for (byte, character) in
            [(0x80, 'Ä'), (0x8e, 'é'), (0xa9, '©'), (0xca, '\u{a0}'), (0xdb, '€'), (0xff, 'ˇ')]
        {
            assert_eq!(upper[byte - 0x80], character, "{byte:x}");
        }
    }

    #[test]
    fn encodings_are_read_by_their_mark_or_as_old_macs_wrote() {
        let little = Normalised::Utf16 { order: "little-endian" };
        let big = Normalised::Utf16 { order: "big-endian" };
        let roman = Normalised::MacRoman { characters: 2, first_line: 3 };
        for (bytes, text, report) in [
            (&b"caf\xc3\xa9"[..], "café", None),
            (b"\xef\xbb\xbfcaf\xc3\xa9", "café", Some(Normalised::ByteOrderMark)),
            (b"\xff\xfec\0\xe9\0", "cé", Some(little)),
            (b"\xfe\xff\0c\0\xe9", "cé", Some(big)),
            (b"a\r\nb\rcaf\x8e \xa9", "a\r\nb\rcafé ©", Some(roman)),
        ] {
            assert_eq!(decode(bytes).unwrap(), (text.to_owned(), report), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        for (bytes, error) in [
            (&b"FasdUAS 1.101.10"[..], ScriptError::CompiledAppleScript),
            (b"#!/usr/bin/osascript\nFasdUAS 1.101.10\0\0", ScriptError::CompiledAppleScript),
            (b"\xcf\xfa\xed\xfe\x07\0\0\x01", ScriptError::Binary),
            (b"#!/bin/sh\n\0", ScriptError::Binary),
            (b"#!/bin/sh\n\xe9\x01", ScriptError::Binary),
            (b"\xff\xfe\0\0", ScriptError::Binary),
            (b"\xef\xbb\xbf\xe9", ScriptError::NotAsMarked("UTF-8")),
            (b"\xff\xfea", ScriptError::NotAsMarked("UTF-16")),
            (b"\xfe\xff\xd8\0", ScriptError::NotAsMarked("UTF-16")),
        ] {
            assert_eq!(decode(bytes).unwrap_err(), error, "{bytes:?}");
        }
        assert!(decode(b"#!/bin/sh\n# FasdUAS is what they begin with\n").is_ok());
    }
}
