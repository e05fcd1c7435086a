//! Scripts, and what is none.

use std::io;

use super::super::{Making, not, renamed, taken};
use crate::plan::ItemKind::Script;
use crate::reason::ReasonCode;
use crate::report::Outcome::Refused;

impl Making {
    pub(super) fn scripts(&mut self) -> io::Result<()> {
        let n = self.n();
        let name = format!("setup {n}.sh");
        let text = format!("#!/bin/sh\necho {n}\n");
        self.file(self.at("Scripts", &name), text.as_bytes(), taken(Script, name))?;
        let name = format!("What? {n}");
        let mended = renamed(Script, format!("What_ {n}"));
        self.file(self.at("Scripts", name), text.as_bytes(), mended)?;
        let path = self.at("Scripts", format!("notes {n}.txt"));
        self.file(path, b"remember the milk\n", not(Refused, ReasonCode::ScriptRefused))
    }

    pub(super) fn encodings(&mut self) -> io::Result<()> {
        let n = self.n();
        let lines = |text: &str| format!("#!/bin/sh\necho {text} {n}\n");
        let (plain, umlaut) = (lines("x"), lines("\u{fc}"));
        let dos = plain.replace('\n', "\r\n").into_bytes();
        let wide = umlaut.encode_utf16().flat_map(u16::to_le_bytes);
        let wide = [0xff, 0xfe].into_iter().chain(wide).collect();
        // The letter in the encoding of old Macs, with their line breaks.
        let roman = umlaut.chars().map(|c| match c {
            '\n' => b'\r',
            '\u{fc}' => 0x9f,
            c => u8::try_from(c).unwrap_or(b'?'),
        });
        let roman = roman.collect();
        for (name, bytes, kept) in
            [("crlf", dos, &plain), ("utf16", wide, &umlaut), ("roman", roman, &umlaut)]
        {
            let name = format!("{name} {n}.sh");
            let path = self.at("Scripts", &name);
            self.write(&path, &bytes)?;
            self.expect(path, taken(Script, name).holding(kept.as_bytes()));
        }
        Ok(())
    }

    pub(super) fn apple_scripts(&mut self) -> io::Result<()> {
        let n = self.n();
        for (name, bytes) in [
            (format!("compiled {n}.scpt"), &b"FasdUAS 1.101.10\x0e"[..]),
            (format!("text {n}.applescript"), b"tell application \"Finder\" to beep\n"),
            (format!("osascript {n}"), b"#!/usr/bin/osascript\nbeep\n"),
        ] {
            self.file(self.at("Scripts", name), bytes, not(Refused, ReasonCode::AppleScript))?;
        }
        Ok(())
    }
}
