//! The text of a script, in one form.

use std::fmt;

use super::{encoding, interpreter};
use crate::ContentId;

/// Largest script, in bytes as it is given and as it is kept.
pub const MAX_SCRIPT_BYTES: usize = 1 << 20;

/// What may be decided about contents by an administrator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScriptRules {
    /// Whether a script may have `osascript` as its interpreter.
    pub allow_osascript: bool,
}

/// The contents of a script: UTF-8 with LF at the end of each line, beginning with the line that
/// names the interpreter.
#[derive(Clone, PartialEq, Eq)]
pub struct ScriptContents(String);

/// What was changed of the bytes that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalised {
    /// A mark at the start, which would hide the interpreter line from the kernel, was removed.
    ByteOrderMark,
    /// A line feed was added at the end.
    FinalNewline,
    /// Line endings of other systems became LF.
    LineEndings {
        /// Those of Windows, CR LF.
        crlf: usize,
        /// Those of old Macs, CR alone.
        cr: usize,
    },
    /// It was not UTF-8, and was taken for Mac OS Roman.
    MacRoman {
        /// How many characters depend on that.
        characters: usize,
        /// The line of the first of them, from 1.
        first_line: usize,
    },
    /// It was UTF-16 by its mark.
    Utf16 {
        /// Which byte comes first, in words.
        order: &'static str,
    },
}

/// Why contents are refused. Every message says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// Nothing is in it.
    #[error("the script is empty: write at least its interpreter line, such as #!/bin/sh")]
    Empty,
    /// It is too large.
    #[error(
        "the script has {0} bytes; at most {MAX_SCRIPT_BYTES} are kept: put data into a package \
         and have the script read it there"
    )]
    TooLarge(usize),
    /// It is no text.
    #[error(
        "the script holds bytes that no text holds: it is a program or another kind of file, or \
         UTF-16 without its mark. Programs go into packages; save a text as UTF-8"
    )]
    Binary,
    /// It is an AppleScript that was compiled.
    #[error(
        "it is a compiled AppleScript, which is not taken: write it as a script for a shell or \
         another interpreter"
    )]
    CompiledAppleScript,
    /// It is the text of an AppleScript.
    #[error(
        "it is the text of an AppleScript, which is not taken: write it as a script for a shell or \
         another interpreter, with a first line such as #!/bin/sh"
    )]
    AppleScriptText,
    /// It begins with the mark of an encoding that it is not in.
    #[error("the script begins with the mark of {0}, but is not {0}: save it anew as UTF-8")]
    NotAsMarked(&'static str),
    /// Nothing says what runs it.
    #[error(
        "the script's first line does not name its interpreter: begin with a line such as \
         #!/bin/sh or #!/usr/bin/env python3"
    )]
    NoInterpreterLine,
    /// What is to run it cannot be found.
    #[error(
        "the script's first line `{0}` names no interpreter by its whole path: write a line such as \
         #!/bin/sh or #!/usr/bin/env python3"
    )]
    Interpreter(String),
    /// The first line is too long for macOS.
    #[error("the script's first line has {0} bytes, of which macOS reads 512: shorten it")]
    LongInterpreterLine(usize),
    /// `osascript` is to run it.
    #[error(
        "the script is run by osascript, which is not taken here: use a shell or another \
         interpreter, or have an administrator allow it with `xylem script settings \
         allow-osascript=yes`"
    )]
    Osascript,
}

impl ScriptContents {
    /// Reads bytes as a script: brings them to the one form, and says what that took.
    ///
    /// # Errors
    /// Where they are no script that a managed Mac could run, or none that is taken.
    pub fn read(given: &[u8], rules: ScriptRules) -> Result<(Self, Vec<Normalised>), ScriptError> {
        bounded(given.len())?;
        let (text, recoded) = encoding::decode(given)?;
        let mut report: Vec<Normalised> = recoded.into_iter().collect();
        if text.trim().is_empty() {
            return Err(ScriptError::Empty);
        }
        let text = with_unix_lines(text, &mut report);
        bounded(text.len())?;
        interpreter::check(&text, rules)?;
        Ok((Self(text), report))
    }

    /// Wraps contents that came from the database. They were read when they were stored, by the
    /// rules of that time.
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, to be kept.
    pub fn into_string(self) -> String {
        self.0
    }

    /// BLAKE3 of the text.
    pub fn digest(&self) -> ContentId {
        ContentId::of(self.0.as_bytes())
    }
}

fn bounded(bytes: usize) -> Result<(), ScriptError> {
    match bytes <= MAX_SCRIPT_BYTES {
        true => Ok(()),
        false => Err(ScriptError::TooLarge(bytes)),
    }
}

fn with_unix_lines(mut text: String, report: &mut Vec<Normalised>) -> String {
    let crlf = text.matches("\r\n").count();
    let cr = text.matches('\r').count() - crlf;
    if crlf + cr > 0 {
        report.push(Normalised::LineEndings { crlf, cr });
        text = text.replace("\r\n", "\n").replace('\r', "\n");
    }
    if !text.ends_with('\n') {
        report.push(Normalised::FinalNewline);
        text.push('\n');
    }
    text
}

impl fmt::Debug for ScriptContents {
    /// Bodies of scripts are shown in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ScriptContents({} bytes)", self.0.len())
    }
}

impl Normalised {
    /// A stable word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ByteOrderMark => "byte-order-mark",
            Self::FinalNewline => "final-newline",
            Self::LineEndings { .. } => "line-endings",
            Self::MacRoman { .. } => "mac-roman",
            Self::Utf16 { .. } => "utf-16",
        }
    }
}

impl fmt::Display for Normalised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("the byte order mark at its start was removed"),
            Self::FinalNewline => f.write_str("a line feed was added at its end"),
            Self::LineEndings { crlf, cr } => write!(
                f,
                "line endings became LF: {crlf} of Windows (CR LF), {cr} of old Macs (CR)"
            ),
            Self::MacRoman { characters, first_line } => write!(
                f,
                "it is not UTF-8 and was read as Mac OS Roman: look at what is beyond ASCII, \
                 first in line {first_line} (characters in all: {characters})"
            ),
            Self::Utf16 { order } => write!(f, "UTF-16 ({order}) became UTF-8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, Vec<&'static str>), ScriptError> {
        let (contents, report) = ScriptContents::read(bytes, ScriptRules::default())?;
        Ok((contents.into_string(), report.into_iter().map(Normalised::word).collect()))
    }

    #[test]
    fn what_is_in_the_one_form_stays_as_it_is() {
        let text = "#!/bin/sh\n\necho \"caf\u{e9}\"\t\u{1b}[0m\n";
        assert_eq!(read(text.as_bytes()).unwrap(), (text.to_owned(), vec![]));
    }

    #[test]
    fn all_else_is_brought_to_it_with_a_report() {
        let text = "#!/bin/sh\necho caf\u{e9}\n";
        let utf16: Vec<u8> =
            "\u{feff}#!/bin/sh\r\necho café".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (given, report) in [
            (&b"#!/bin/sh\r\necho caf\xc3\xa9\r\n"[..], &["line-endings"][..]),
            (b"#!/bin/sh\necho caf\xc3\xa9", &["final-newline"]),
            (b"#!/bin/sh\recho caf\x8e\r", &["mac-roman", "line-endings"]),
            (b"\xef\xbb\xbf#!/bin/sh\necho caf\xc3\xa9\n", &["byte-order-mark"]),
            (&utf16, &["utf-16", "line-endings", "final-newline"]),
        ] {
            assert_eq!(read(given).unwrap(), (text.to_owned(), report.to_vec()), "{given:?}");
        }
        let (_, report) =
            ScriptContents::read(b"#!/bin/sh\r\na\rb\n", ScriptRules::default()).unwrap();
        assert_eq!(
            report[0].to_string(),
            "line endings became LF: 1 of Windows (CR LF), 1 of old Macs (CR)"
        );
        let (_, report) =
            ScriptContents::read(b"#!/bin/sh\ncaf\x8e\n", ScriptRules::default()).unwrap();
        assert!(report[0].to_string().ends_with("first in line 2 (characters in all: 1)"));
    }

    #[test]
    fn what_is_no_script_is_refused_with_what_to_do() {
        let large = [b"#!/bin/sh\n".to_vec(), vec![b'x'; MAX_SCRIPT_BYTES]].concat();
        // Twice as long in UTF-8 as in Mac OS Roman.
        let grows = [b"#!/bin/sh\n".to_vec(), vec![0x8e; MAX_SCRIPT_BYTES - 20]].concat();
        for (given, expected) in [
            (&b""[..], "empty"),
            (b" \r\n\n", "empty"),
            (&large, "1048586 bytes"),
            (&grows, "bytes; at most 1048576"),
            (b"FasdUAS 1.101.10\x0e\0\0", "compiled AppleScript"),
            (b"tell application \"Finder\" to activate\r", "text of an AppleScript"),
            (b"#!/usr/bin/osascript\rbeep\r", "osascript"),
            (b"echo hello\n", "#!/bin/sh"),
            (b"#!python\n", "`#!python`"),
        ] {
            let error = read(given).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn contents_are_not_shown_by_accident() {
        let (contents, _) =
            ScriptContents::read(b"#!/bin/sh\nsecret\n", ScriptRules::default()).unwrap();
        assert_eq!(format!("{contents:?}"), "ScriptContents(17 bytes)");
        assert_eq!(contents.digest(), ContentId::of(b"#!/bin/sh\nsecret\n"));
    }
}
