//! The few property lists that receipts need: one dictionary of texts and dates, as XML.
//!
//! Reading takes only that shape too. A binary property list (as macOS writes receipts itself) is
//! no error but yields nothing.

use std::io;

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer};

/// Largest property list that is read, in bytes.
pub(crate) const MAX_PLIST_BYTES: u64 = 1024 * 1024;

/// Most elements looked at in one property list.
const MAX_EVENTS: usize = 20_000;

/// A value of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A moment, already in the form `2026-01-31T08:00:00Z`.
    Date(&'a str),
}

/// Writes a property list with one dictionary.
pub(crate) fn write(entries: &[(&str, Value<'_>)]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b'\t', 1);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.write_event(Event::DocType(BytesText::from_escaped(
        "plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"",
    )))?;
    let plist = BytesStart::new("plist").with_attributes([("version", "1.0")]);
    writer.write_event(Event::Start(plist))?;
    writer.write_event(Event::Start(BytesStart::new("dict")))?;
    for (key, value) in entries {
        let (element, text) = match value {
            Value::Text(text) => ("string", text),
            Value::Date(text) => ("date", text),
        };
        writer.create_element("key").write_text_content(BytesText::new(key))?;
        writer.create_element(element).write_text_content(BytesText::new(text))?;
    }
    writer.write_event(Event::End(BytesEnd::new("dict")))?;
    writer.write_event(Event::End(BytesEnd::new("plist")))?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

/// The text or date under `key` of the outermost dictionary, if `bytes` is such a property list.
pub(crate) fn value_of(bytes: &[u8], key: &str) -> Option<String> {
    let mut reader = Reader::from_reader(bytes);
    let mut depth = 0_usize;
    let mut text = String::new();
    let mut last_key = String::new();
    for _ in 0..MAX_EVENTS {
        match reader.read_event().ok()? {
            Event::Start(_) => {
                depth += 1;
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece.decode().ok()?),
            Event::GeneralRef(reference) => text.push(resolve(&reference)?),
            Event::End(end) => {
                // plist > dict > key: values of inner dictionaries are deeper.
                match (depth, end.name().as_ref()) {
                    (3, b"key") => last_key = text.clone(),
                    (3, b"string" | b"date" | b"integer") if last_key == key => {
                        return Some(text);
                    }
                    _ => {}
                }
                depth = depth.checked_sub(1)?;
            }
            Event::Eof => return None,
            _ => {}
        }
    }
    None
}

fn resolve(reference: &quick_xml::events::BytesRef<'_>) -> Option<char> {
    if let Some(character) = reference.resolve_char_ref().ok()? {
        return Some(character);
    }
    match reference.decode().ok()?.as_ref() {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = write(&[
            ("PackageIdentifier", Value::Text("org.example.a")),
            ("PackageFileName", Value::Text("R&D <1> \"beta\".pkg")),
            ("InstallDate", Value::Date("2026-01-31T08:00:00Z")),
        ])
        .unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist"));
        assert!(text.contains("<date>2026-01-31T08:00:00Z</date>"));
        assert_eq!(value_of(&bytes, "PackageIdentifier").unwrap(), "org.example.a");
        assert_eq!(value_of(&bytes, "PackageFileName").unwrap(), "R&D <1> \"beta\".pkg");
        assert_eq!(value_of(&bytes, "PackageVersion"), None);
    }

    #[test]
    fn inner_dictionaries_and_foreign_bytes_yield_nothing() {
        let inner = b"<plist><dict><key>a</key><dict><key>v</key><string>x</string></dict>\
                      <key>v</key><string>y</string></dict></plist>";
        assert_eq!(value_of(inner, "v").unwrap(), "y");
        for bytes in [&b"bplist00\xd1\x01\x02"[..], b"", b"<plist><dict><key>v</key><string>"] {
            assert_eq!(value_of(bytes, "v"), None);
        }
    }
}
