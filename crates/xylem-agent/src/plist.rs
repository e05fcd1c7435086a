//! Reads one text of a property list in XML: system versions and receipts.
//!
//! Binary property lists, which macOS writes for its own receipts, are no error but yield nothing.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::Event;

/// Largest property list that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Most elements looked at.
const MAX_EVENTS: usize = 20_000;

/// The depth of a key in the outermost dictionary: plist, dict, key.
const TOP_LEVEL: usize = 3;

/// The texts and dates of the outermost dictionary of a file, as far as they are in plain XML.
pub(crate) fn read(path: &Path) -> Vec<(String, String)> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)) {
        Ok(_) => entries(&bytes).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

/// The value under a key.
pub(crate) fn value<'a>(entries: &'a [(String, String)], key: &str) -> Option<&'a str> {
    entries.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn entries(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let mut reader = Reader::from_reader(bytes);
    let (mut depth, mut text, mut key) = (0_usize, String::new(), String::new());
    let mut entries = Vec::new();
    for _ in 0..MAX_EVENTS {
        match reader.read_event().ok()? {
            Event::Start(_) => {
                depth += 1;
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece.decode().ok()?),
            Event::GeneralRef(name) => text.push(match &name.decode().ok()?[..] {
                "amp" => '&',
                "apos" => '\'',
                "gt" => '>',
                "lt" => '<',
                "quot" => '"',
                _ => name.resolve_char_ref().ok()??,
            }),
            Event::End(end) => {
                match end.name().as_ref() {
                    b"key" if depth == TOP_LEVEL => key = std::mem::take(&mut text),
                    b"string" | b"date" if depth == TOP_LEVEL => {
                        entries.push((std::mem::take(&mut key), std::mem::take(&mut text)));
                    }
                    _ => {}
                }
                depth = depth.checked_sub(1)?;
            }
            Event::Eof => return Some(entries),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECEIPT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
  <key>Inner</key><dict><key>PackageVersion</key><string>9</string></dict>
  <key>PackageFileName</key><string>A &amp; B&#x2e;pkg</string>
  <key>PackageVersion</key><string>1.2</string>
</dict></plist>"#;

    #[test]
    fn only_the_outermost_dictionary_is_read() {
        let entries = entries(RECEIPT.as_bytes()).unwrap();
        assert_eq!(value(&entries, "PackageVersion"), Some("1.2"));
        assert_eq!(value(&entries, "PackageFileName"), Some("A & B.pkg"));
        assert_eq!(value(&entries, "InstallDate"), None);
    }

    #[test]
    fn other_files_yield_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.plist");
        for bytes in [&b"bplist00\xd1\x01"[..], b"<plist><dict><key>a</key>", b"</a>", b""] {
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path).is_empty(), "{bytes:?}");
        }
        assert!(read(&folder.path().join("missing")).is_empty());
    }
}
