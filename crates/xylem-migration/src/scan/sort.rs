//! What a file or folder is, by its name, where it lies, and its first bytes.

use std::io;

use xylem_artifact::{Form, LooksLike};
use xylem_model::FileKind;

use super::layout::Place;
use crate::reason::{Reason, ReasonCode};
use crate::script;

/// Bytes that tell a script from other texts.
pub(super) const HEAD_BYTES: u64 = 512;

/// What becomes of something, before it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sorted {
    /// A folder that is one application.
    Application,
    /// A file that may be published.
    File(FileKind, Form),
    /// Not worth taking.
    Leave(Reason),
    /// A folder that is one package.
    Package,
    /// What Munki knows of a package.
    PackageInfo,
    /// Wanted perhaps, but it cannot be taken.
    Refuse(Reason),
    /// A text that is to be read as a script.
    Script,
}

/// Folders that are one thing to a Mac and none that is distributed, and what to do with them.
const ONE_THING: [(&str, &str); 14] = [
    (".epub", PACK_BOOK),
    (".ibooks", PACK_BOOK),
    (".sparsebundle", "convert it to a disk image: hdiutil convert -format UDZO"),
    (".download", "it is an unfinished download of Safari"),
    (".workflow", PACK),
    (".framework", PACK),
    (".bundle", PACK),
    (".plugin", PACK),
    (".prefpane", PACK),
    (".kext", PACK),
    (".saver", PACK),
    (".mdimporter", PACK),
    (".qlgenerator", PACK),
    (".rtfd", "it is a text document"),
];
const PACK: &str = "make a package that installs it: pkgbuild --component or --root";
const PACK_BOOK: &str = "export the book again, as one file";

/// Endings of files that some people distribute and that no Mac can be given as they are.
const UNSUPPORTED: [(&str, &str); 13] = [
    (".7z", UNPACK),
    (".rar", UNPACK),
    (".gz", UNPACK),
    (".tgz", UNPACK),
    (".tar", UNPACK),
    (".sit", UNPACK),
    (".iso", CONVERT),
    (".cdr", CONVERT),
    (".img", CONVERT),
    (".toast", CONVERT),
    (".sparseimage", CONVERT),
    (".dmgpart", "join the parts into one disk image first: hdiutil convert -format UDZO"),
    (".part", "it is an unfinished download"),
];
const UNPACK: &str = "unpack it, and put a package, a disk image or a zip archive in its place";
const CONVERT: &str = "convert it to a disk image: hdiutil convert -format UDZO";

/// Endings of texts that are scripts even where their first line does not say so; whether that will
/// do is for the reader of scripts to say.
const SCRIPT_ENDINGS: [&str; 10] =
    [".bash", ".command", ".csh", ".ksh", ".php", ".pl", ".py", ".rb", ".sh", ".zsh"];

/// What a folder is, if it is one thing.
pub(super) fn one_folder(name: &str) -> Option<Sorted> {
    let ending = ending(name)?;
    Some(match ending.as_str() {
        ".pkg" | ".mpkg" => Sorted::Package,
        ".app" => Sorted::Application,
        ".scptd" => Sorted::Refuse(script::apple_script("it is a bundle of AppleScript")),
        other => {
            let (_, advice) = ONE_THING.iter().find(|(known, _)| *known == other)?;
            let text = format!("a folder that ends in {other} is no package: {advice}");
            Sorted::Refuse(Reason::new(ReasonCode::Unsupported, text))
        }
    })
}

/// What a file that is not empty is. Its first bytes are read only where its name does not say.
pub(super) fn file(place: Place, name: &str, head: impl FnOnce() -> io::Result<Vec<u8>>) -> Sorted {
    match place {
        Place::Not(why) => {
            let text = format!("not taken: {why}");
            return Sorted::Leave(Reason::new(ReasonCode::KnownFolder, text));
        }
        Place::PackageInfo => return Sorted::PackageInfo,
        Place::Anywhere | Place::Packages | Place::Scripts => {}
    }
    let form = |kind: &FileKind| Form::of_name(*kind, name).map(|form| Sorted::File(*kind, form));
    if let Some(file) = FileKind::ALL.iter().find_map(form) {
        return file;
    }
    let ending = ending(name).unwrap_or_default();
    if let Some((ending, advice)) = UNSUPPORTED.iter().find(|(known, _)| *known == ending) {
        let text = format!("files that end in {ending} are not distributed: {advice}");
        return Sorted::Refuse(Reason::new(ReasonCode::Unsupported, text));
    }
    if matches!(ending.as_str(), ".scpt" | ".applescript") {
        return Sorted::Refuse(script::apple_script("its name says that it is AppleScript"));
    }
    match head() {
        Ok(head) => by_head(place, &ending, &head),
        Err(error) => Sorted::Refuse(unreadable(&error)),
    }
}

fn by_head(place: Place, ending: &str, head: &[u8]) -> Sorted {
    if let Some(reason) = script::apple_script_in(head) {
        return Sorted::Refuse(reason);
    }
    let is_script = script::first_line(head).starts_with("#!");
    if is_script || place == Place::Scripts || SCRIPT_ENDINGS.contains(&ending) {
        return Sorted::Script;
    }
    let looks = LooksLike::of_head(head);
    let text = format!(
        "it looks like {looks}, and its name does not say that it is distributed: packages end in \
         {}, apps in {}, eBooks in {}",
        FileKind::Package.endings(),
        FileKind::App.endings(),
        FileKind::Ebook.endings(),
    );
    let reason = Reason::new(ReasonCode::NotDistributed, text);
    // Where packages lie somebody may miss it; elsewhere texts and pictures are nothing to mend.
    if place == Place::Packages { Sorted::Refuse(reason) } else { Sorted::Leave(reason) }
}

pub(crate) fn unreadable(error: &io::Error) -> Reason {
    let text = format!("it cannot be read: {error}: see to its permissions and the disk");
    Reason::new(ReasonCode::Unreadable, text)
}

/// What comes after the last dot, with the dot, in lower case.
fn ending(name: &str) -> Option<String> {
    let dot = name.rfind('.').filter(|at| *at > 0)?;
    name.get(dot..).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(place: Place, name: &str, head: &'static [u8]) -> Sorted {
        file(place, name, || Ok(head.to_vec()))
    }

    fn code(sorted: &Sorted) -> Option<ReasonCode> {
        match sorted {
            Sorted::Leave(reason) | Sorted::Refuse(reason) => Some(reason.code),
            _ => None,
        }
    }

    #[test]
    fn names_say_what_files_are() {
        for (name, kind) in [
            ("a.pkg", FileKind::Package),
            ("A.MPKG", FileKind::Package),
            ("a.dmg", FileKind::Package),
            ("a.pkg.zip", FileKind::Package),
            ("a.ipa", FileKind::App),
            ("a.epub", FileKind::Ebook),
            ("a.ibooks", FileKind::Ebook),
            ("a.pdf", FileKind::Ebook),
        ] {
            let found = sorted(Place::Anywhere, name, b"");
            assert!(matches!(found, Sorted::File(it, _) if it == kind), "{name}: {found:?}");
        }
    }

    #[test]
    fn scripts_are_known_by_their_place_their_ending_or_their_first_line() {
        for (place, name, head) in [
            (Place::Anywhere, "setup", &b"#!/bin/sh\n"[..]),
            (Place::Packages, "setup", b"#!/bin/sh\n"),
            (Place::Anywhere, "setup", b"\xef\xbb\xbf#!/bin/sh\n"),
            (Place::Anywhere, "setup", b"\xff\xfe#\0!\0/\0"),
            (Place::Anywhere, "setup.py", b"import os\n"),
            (Place::Scripts, "anything.txt", b"echo\n"),
        ] {
            assert_eq!(sorted(place, name, head), Sorted::Script, "{name}");
        }
    }

    #[test]
    fn the_rest_is_refused_where_packages_lie_and_left_out_elsewhere() {
        for (place, name, head, expected) in [
            (Place::Scripts, "a.scpt", &b""[..], ReasonCode::AppleScript),
            (Place::Scripts, "a", b"FasdUAS 1.101", ReasonCode::AppleScript),
            (Place::Scripts, "a.sh", b"#!/usr/bin/osascript\n", ReasonCode::AppleScript),
            (Place::Packages, "a.iso", b"", ReasonCode::Unsupported),
            (Place::Packages, "a.tar.gz", b"", ReasonCode::Unsupported),
            (Place::Anywhere, "read me.txt", b"Hello", ReasonCode::NotDistributed),
            (Place::Not("x"), "a.dmg", b"", ReasonCode::KnownFolder),
        ] {
            assert_eq!(code(&sorted(place, name, head)), Some(expected), "{name}");
        }
        assert!(matches!(sorted(Place::Packages, "a.bin", b"\0"), Sorted::Refuse(_)));
        assert!(matches!(sorted(Place::Anywhere, "a.bin", b"\0"), Sorted::Leave(_)));
    }

    #[test]
    fn folders_that_are_one_thing() {
        assert_eq!(one_folder("Old.PKG"), Some(Sorted::Package));
        assert_eq!(one_folder("Suite.mpkg"), Some(Sorted::Package));
        assert_eq!(one_folder("Mail.app"), Some(Sorted::Application));
        assert_eq!(code(&one_folder("x.scptd").unwrap()), Some(ReasonCode::AppleScript));
        assert_eq!(code(&one_folder("x.sparsebundle").unwrap()), Some(ReasonCode::Unsupported));
        assert_eq!(one_folder("Packages 2.0"), None);
        assert_eq!(one_folder(".pkg"), None);
    }
}
