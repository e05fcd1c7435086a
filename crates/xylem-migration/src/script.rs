//! Texts that are to become scripts.
//!
//! What a script may be is decided elsewhere, and handed in as a [`ScriptReader`]; here AppleScript
//! is told from the rest, because what to do about it differs.

use crate::reason::{Reason, ReasonCode};

/// Longest script that is read; no genuine one comes near.
pub const MAX_SCRIPT_BYTES: u64 = 1 << 20;

/// A script as it would be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadScript {
    /// Its contents, after whatever had to be converted.
    pub contents: Vec<u8>,
    /// What was converted, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the bytes of a file as a script, or says why they are none and what to do.
pub type ScriptReader<'a> = dyn Fn(&[u8]) -> Result<ReadScript, String> + 'a;

pub(crate) fn apple_script(why: &str) -> Reason {
    let text = format!(
        "AppleScript is not taken: {why}: rewrite it as a shell script, or install it by a package"
    );
    Reason::new(ReasonCode::AppleScript, text)
}

/// Whether a file's first bytes are those of AppleScript, in one of its three forms.
pub(crate) fn apple_script_in(head: &[u8]) -> Option<Reason> {
    if head.starts_with(b"FasdUAS") {
        return Some(apple_script("it is compiled"));
    }
    let line = first_line(head);
    if let Some(interpreter) = line.strip_prefix("#!") {
        let mut words = interpreter.split_whitespace();
        let runs = words.any(|word| word.rsplit('/').next() == Some("osascript"));
        return runs.then(|| apple_script("its first line names osascript"));
    }
    let line = line.to_lowercase();
    let begins =
        ["tell application ", "tell app ", "on run", "display dialog ", "use applescript "];
    let is_text = begins.iter().any(|begin| line.starts_with(begin));
    is_text.then(|| apple_script("its first line is one of AppleScript"))
}

/// The first line of a text in UTF-8, UTF-16 or an encoding that has ASCII in its place.
pub(crate) fn first_line(head: &[u8]) -> String {
    let wide = |pair: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.as_chunks::<2>().0.iter().map(|unit| pair(*unit));
        char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>()
    };
    let text = match head {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.split(['\n', '\r']).next().unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apple_script_has_three_forms() {
        for (head, is_apple_script) in [
            (&b"FasdUAS 1.101.10"[..], true),
            (b"#!/usr/bin/osascript\ntell", true),
            (b"#! /usr/bin/env osascript -l JavaScript\r", true),
            (b"tell application \"Finder\"\r", true),
            (b"\xfe\xff\0t\0e\0l\0l\0 \0a\0p\0p\0 \0\"", true),
            (b"#!/bin/sh\nosascript -e 'beep'", false),
            (b"#!/bin/sh", false),
            (b"", false),
        ] {
            let found = apple_script_in(head).is_some();
            assert_eq!(found, is_apple_script, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn first_lines_are_found_in_every_encoding() {
        for head in [
            &b"#!/bin/sh\r\necho"[..],
            b"#!/bin/sh\recho",
            b"\xef\xbb\xbf#!/bin/sh \n",
            b"\xff\xfe#\0!\0/\0b\0i\0n\0/\0s\0h\0\n\0",
            b"\xfe\xff\0#\0!\0/\0b\0i\0n\0/\0s\0h\0\n",
        ] {
            assert_eq!(first_line(head), "#!/bin/sh", "{}", head.escape_ascii());
        }
    }
}
