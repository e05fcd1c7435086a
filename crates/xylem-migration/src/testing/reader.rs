//! A reader of scripts for tests.

use crate::script::ReadScript;

/// A reader of scripts as plain as can be: whatever begins with `#!` is one, in UTF-8, UTF-16 or
/// the old encoding of Macs, of which it knows ASCII and `\u{fc}`; line breaks become Unix's.
///
/// # Errors
/// What does not begin so.
pub fn read_any_script(bytes: &[u8]) -> Result<ReadScript, String> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
            Err(_) => bytes.iter().copied().map(roman).collect(),
        },
    };
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if !text.starts_with("#!") {
        return Err("its first line does not begin with #!".to_owned());
    }
    let was_converted = text.as_bytes() != bytes;
    let notes = if was_converted { vec!["its encoding was converted".to_owned()] } else { vec![] };
    Ok(ReadScript { contents: text.into_bytes(), notes })
}

fn roman(byte: u8) -> char {
    match byte {
        0x9f => '\u{fc}',
        byte if byte.is_ascii() => char::from(byte),
        _ => '?',
    }
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).map(|c| c.unwrap_or('?')).collect()
}
