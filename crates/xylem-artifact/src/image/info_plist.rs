//! The texts at the top of a bundle's `Info.plist`, in either of its two forms.
//!
//! Only the top is read. Binary lists refer to their parts by number, also to one part many times:
//! whoever follows all of that can be made to build a list far larger than memory.

use std::collections::BTreeMap;
use std::io;

use super::fields::{Fields, broken};
use crate::error::ArtifactError;
use crate::xml::{Document, Node};

/// Largest list that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Most keys of its top that are looked at.
const MAX_KEYS: u64 = 10_000;
const BINARY_MAGIC: &[u8] = b"bplist00";
const TRAILER_BYTES: usize = 32;

/// The texts that belong to these keys, as far as they are there.
pub(super) fn texts(bytes: &[u8], keys: &[&str]) -> io::Result<BTreeMap<String, String>> {
    if bytes.starts_with(BINARY_MAGIC) {
        Binary::open(Fields(bytes))?.texts(keys)
    } else {
        xml_texts(bytes, keys).map_err(|error| broken(error.to_string()))
    }
}

fn xml_texts(bytes: &[u8], keys: &[&str]) -> Result<BTreeMap<String, String>, ArtifactError> {
    let mut document = Document::property_list(bytes, "it", MAX_BYTES);
    let (mut depth, mut texts) = (0, BTreeMap::new());
    let (mut key, mut text) = (String::new(), String::new());
    let mut name = Vec::new();
    loop {
        match document.next()? {
            Node::Open(element) => {
                depth += 1;
                text.clear();
                name = element.name().to_vec();
            }
            Node::Text(piece) if depth == 3 => text.push_str(&piece),
            Node::Close => {
                depth -= 1;
                // Inside `plist` and `dict`.
                if depth == 2 && name == b"key" {
                    key = std::mem::take(&mut text);
                } else if depth == 2 && name == b"string" && keys.contains(&key.as_str()) {
                    texts.insert(std::mem::take(&mut key), std::mem::take(&mut text));
                }
                name.clear();
            }
            Node::Text(_) | Node::Ignored => {}
            Node::End => return Ok(texts),
        }
    }
}

/// A binary list: objects anywhere, a table of where they are, and a trailer.
struct Binary<'a> {
    fields: Fields<'a>,
    offset_bytes: usize,
    reference_bytes: usize,
    objects: u64,
    root: u64,
    table_at: u64,
}

impl<'a> Binary<'a> {
    fn open(fields: Fields<'a>) -> io::Result<Self> {
        let at = fields.0.len().checked_sub(TRAILER_BYTES).ok_or_else(|| broken("too short"))?;
        let trailer = fields.from(at)?;
        Ok(Self {
            fields,
            offset_bytes: trailer.u8(6)?.into(),
            reference_bytes: trailer.u8(7)?.into(),
            objects: trailer.be64(8)?,
            root: trailer.be64(16)?,
            table_at: trailer.be64(24)?,
        })
    }

    fn texts(&self, keys: &[&str]) -> io::Result<BTreeMap<String, String>> {
        let (kind, count, at) = self.object(self.root)?;
        if kind != 0xd || count > MAX_KEYS {
            return Err(broken("it is no dictionary, or too large a one"));
        }
        let mut texts = BTreeMap::new();
        for index in 0..count {
            let Some(key) = self.text(self.reference(at, index)?)? else { continue };
            if keys.contains(&key.as_str())
                && let Some(text) = self.text(self.reference(at, count + index)?)?
            {
                texts.insert(key, text);
            }
        }
        Ok(texts)
    }

    /// A text; absent when the object is something else.
    fn text(&self, number: u64) -> io::Result<Option<String>> {
        let (kind, count, at) = self.object(number)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(match kind {
            5 => Some(String::from_utf8_lossy(self.fields.bytes(at, count)?).into_owned()),
            6 => {
                let bytes = self.fields.bytes(at, count.saturating_mul(2))?;
                let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
                Some(String::from_utf16_lossy(&units.collect::<Vec<u16>>()))
            }
            _ => None,
        })
    }

    /// An object's kind, how long it is, and where its content starts.
    fn object(&self, number: u64) -> io::Result<(u8, u64, usize)> {
        if number >= self.objects {
            return Err(broken("it refers to an object that is not there"));
        }
        let at = usize::try_from(self.number(self.table_at, number, self.offset_bytes)?);
        let at = at.map_err(|_| broken("an object lies outside"))?;
        let marker = self.fields.u8(at)?;
        let (kind, count) = (marker >> 4, marker & 0x0f);
        if count != 0x0f {
            return Ok((kind, count.into(), at + 1));
        }
        // A longer count is an integer of its own.
        let len = 1 << (self.fields.u8(at + 1)? & 3);
        Ok((kind, number_of(self.fields.bytes(at + 2, len)?), at + 2 + len))
    }

    fn reference(&self, at: usize, index: u64) -> io::Result<u64> {
        self.number(at as u64, index, self.reference_bytes)
    }

    /// One of the numbers that follow each other from a place on.
    fn number(&self, at: u64, index: u64, len: usize) -> io::Result<u64> {
        let at = index.checked_mul(len as u64).and_then(|skip| at.checked_add(skip));
        let at = at.and_then(|at| usize::try_from(at).ok());
        let at = at.ok_or_else(|| broken("a number lies outside"))?;
        self.fields.bytes(at, len.min(8)).map(number_of)
    }
}

fn number_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 2] = ["CFBundleIdentifier", "CFBundleVersion"];

    /// A binary list of a dictionary with these texts.
    fn binary(texts: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = BINARY_MAGIC.to_vec();
        let mut offsets = vec![8_u8];
        bytes.push(0xd0 | texts.len() as u8);
        bytes.extend((0..texts.len() * 2).map(|number| number as u8 + 1));
        let (keys, values): (Vec<_>, Vec<_>) = texts.iter().copied().unzip();
        for text in keys.into_iter().chain(values) {
            offsets.push(bytes.len() as u8);
            if text.is_ascii() {
                bytes.extend([0x5f, 0x10, text.len() as u8]);
                bytes.extend(text.bytes());
            } else {
                bytes.push(0x60 | text.encode_utf16().count() as u8);
                bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
            }
        }
        let table_at = bytes.len() as u64;
        bytes.extend(&offsets);
        bytes.extend([0, 0, 0, 0, 0, 0, 1, 1]);
        for number in [offsets.len() as u64, 0, table_at] {
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn both_forms_give_the_texts_that_are_asked_for() {
        let xml = "<?xml version=\"1.0\"?><!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
                   \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"><plist><dict>\
                   <key>CFBundleVersion</key><string>1 &amp; 2</string>\
                   <key>Other</key><dict><key>CFBundleIdentifier</key><string>no</string></dict>\
                   <key>CFBundleIdentifier</key><string>größe</string>\
                   <key>LSRequiresCarbon</key><true/></dict></plist>";
        let binary = binary(&[("Other", "x"), ("CFBundleVersion", "1 & 2"), (KEYS[0], "größe")]);
        let marked = format!("\u{feff}{xml}");
        for (name, bytes) in
            [("XML", xml.as_bytes()), ("marked", marked.as_bytes()), ("binary", &binary)]
        {
            let texts = texts(bytes, &KEYS).unwrap();
            assert_eq!(texts.get("CFBundleVersion").unwrap(), "1 & 2", "{name}");
            assert_eq!(texts.get("CFBundleIdentifier").unwrap(), "größe", "{name}");
            assert_eq!(texts.len(), 2, "{name}");
        }
    }

    #[test]
    fn broken_lists_are_errors_wherever_they_are_cut() {
        let whole = binary(&[(KEYS[0], "a"), (KEYS[1], "b")]);
        for len in 0..whole.len() {
            assert!(texts(&whole[..len], &KEYS).is_err(), "cut to {len} bytes");
        }
        for (name, xml) in [
            ("a declaring document type", "<!DOCTYPE p [<!ENTITY a 'b'>]><plist>&a;</plist>"),
            ("no XML", "{ CFBundleVersion = 1; }"),
            ("an open element", "<plist><dict>"),
        ] {
            assert!(texts(xml.as_bytes(), &KEYS).is_err(), "{name}");
        }
    }
}
