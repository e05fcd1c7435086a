//! Property lists, binary and XML, within bounds.
//!
//! The `plist` crate's own tree is not used: a binary list of a kilobyte can refer to one part from
//! many places and so stand for more values than memory holds, and a list of nothing but opening
//! brackets nests deeper than the tree can be dropped. Here the crate only delivers one event after
//! the other, which are counted.

use std::io::Cursor;
use std::time::UNIX_EPOCH;

use ::plist::stream::{BinaryReader, OwnedEvent, XmlReader};
use ::plist::{Date, stream::Event};

use crate::error::ArtifactError;
use crate::text::shown;

/// Largest property list read, in bytes. Those of apps and bundles have a few kilobytes,
/// provisioning profiles for hundreds of devices some tens.
pub(crate) const MAX_PLIST_BYTES: u64 = 1 << 20;
/// Deepest nesting; genuine lists have about six levels.
const MAX_DEPTH: usize = 16;
/// Most values, all levels together. Each takes a byte of the file at least, but for references.
const MAX_VALUES: usize = 50_000;
/// Most bytes of all texts and data together: those of the file, and as much again for parts that
/// are referred to from several places.
const MAX_CONTENT_BYTES: usize = 2 << 20;

/// A value, as far as facts are made of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Flag(bool),
    /// Seconds since 1970.
    Date(i64),
    List(Vec<Value>),
    Dictionary(Vec<(String, Value)>),
    /// Data and numbers that are no integers: nothing is made of them.
    Other,
}

impl Value {
    /// Reads a property list, called `what` in errors.
    ///
    /// # Errors
    /// When it is no property list, a damaged one, or exceeds a limit.
    pub(crate) fn parse(bytes: &[u8], what: &str) -> Result<Self, ArtifactError> {
        let mut tree = Tree { what, open: Vec::new(), values: 0, content_bytes: 0 };
        if bytes.starts_with(b"bplist00") {
            tree.build(BinaryReader::new(Cursor::new(bytes)))
        } else {
            tree.build(XmlReader::new(bytes.trim_ascii_start()))
        }
    }

    /// The value of a key, in a dictionary.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Dictionary(pairs) => {
                pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// A key's text, fit to be shown; an empty one counts as absent.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key)?.as_text().map(shown).filter(|text| !text.is_empty())
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number of a key, also where it is written as text.
    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_integer()
    }

    pub(crate) fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key) == Some(&Self::Flag(true))
    }

    pub(crate) fn unix_seconds(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Self::Date(seconds) => Some(*seconds),
            _ => None,
        }
    }

    /// The values of a list; none of anything else.
    pub(crate) fn list(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }
}

/// A tree that grows by events.
struct Tree<'a> {
    what: &'a str,
    open: Vec<Collection>,
    values: usize,
    content_bytes: usize,
}

enum Collection {
    List(Vec<Value>),
    Dictionary { pairs: Vec<(String, Value)>, key: Option<String> },
}

impl Tree<'_> {
    fn build(
        &mut self,
        events: impl Iterator<Item = Result<OwnedEvent, ::plist::Error>>,
    ) -> Result<Value, ArtifactError> {
        for event in events {
            let event = event.map_err(|error| self.damaged(&error.to_string()))?;
            if let Some(value) = self.step(event)? {
                // What a reader makes of bytes behind the outermost value is of no interest.
                return Ok(value);
            }
        }
        Err(self.damaged("it holds no complete value"))
    }

    /// Takes an event; the outermost value, once it is complete.
    fn step(&mut self, event: OwnedEvent) -> Result<Option<Value>, ArtifactError> {
        self.count(&event)?;
        let value = match event {
            Event::StartArray(_) => {
                self.open.push(Collection::List(Vec::new()));
                return Ok(None);
            }
            Event::StartDictionary(_) => {
                self.open.push(Collection::Dictionary { pairs: Vec::new(), key: None });
                return Ok(None);
            }
            Event::EndCollection => match self.open.pop() {
                Some(Collection::List(values)) => Value::List(values),
                Some(Collection::Dictionary { pairs, key: None }) => Value::Dictionary(pairs),
                _ => return Err(self.damaged("a key has no value")),
            },
            Event::Boolean(flag) => Value::Flag(flag),
            Event::Date(date) => unix_seconds(date).map_or(Value::Other, Value::Date),
            Event::Integer(number) => number.as_signed().map_or(Value::Other, Value::Integer),
            Event::String(text) => Value::Text(text.into_owned()),
            _ => Value::Other,
        };
        self.place(value)
    }

    fn place(&mut self, value: Value) -> Result<Option<Value>, ArtifactError> {
        match (self.open.last_mut(), value) {
            (None, value) => return Ok(Some(value)),
            (Some(Collection::List(values)), value) => values.push(value),
            (Some(Collection::Dictionary { pairs, key }), value) => match (key.take(), value) {
                (Some(key), value) => pairs.push((key, value)),
                (None, Value::Text(text)) => *key = Some(text),
                (None, _) => return Err(self.damaged("a key is no text")),
            },
        }
        Ok(None)
    }

    fn count(&mut self, event: &OwnedEvent) -> Result<(), ArtifactError> {
        self.values += 1;
        self.content_bytes += match event {
            Event::String(text) => text.len(),
            Event::Data(bytes) => bytes.len(),
            _ => 0,
        };
        for (name, found, limit) in [
            ("the nesting", self.open.len(), MAX_DEPTH),
            ("the number of values", self.values, MAX_VALUES),
            ("the length of all texts, in bytes,", self.content_bytes, MAX_CONTENT_BYTES),
        ] {
            if found > limit {
                return Err(ArtifactError::TooLarge {
                    what: format!("{name} in {}", self.what),
                    found: found as u64,
                    limit: limit as u64,
                });
            }
        }
        Ok(())
    }

    fn damaged(&self, reason: &str) -> ArtifactError {
        ArtifactError::malformed(
            self.what,
            format!("it is no sound property list: {}", shown(reason)),
        )
    }
}

fn unix_seconds(date: Date) -> Option<i64> {
    let time = std::time::SystemTime::from(date);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RefusalCode;

    fn refused(bytes: &[u8]) -> RefusalCode {
        Value::parse(bytes, "the list").unwrap_err().code()
    }

    /// A binary list of `levels` arrays, each of which refers to the next one `width` times.
    fn binary(levels: u8, width: u8) -> Vec<u8> {
        let mut bytes = b"bplist00".to_vec();
        let mut offsets = Vec::new();
        for level in 0..levels {
            offsets.push(bytes.len() as u8);
            bytes.push(0xa0 | width);
            bytes.extend(std::iter::repeat_n(level + 1, width.into()));
        }
        offsets.push(bytes.len() as u8);
        bytes.push(0x09);
        let table = bytes.len() as u64;
        bytes.extend_from_slice(&offsets);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 1, 1]);
        bytes.extend_from_slice(&(offsets.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&0_u64.to_be_bytes());
        bytes.extend_from_slice(&table.to_be_bytes());
        bytes
    }

    #[test]
    fn both_encodings_are_read() {
        let xml = b"\n<?xml version=\"1.0\"?><!DOCTYPE plist PUBLIC \"x\" \"y\"><plist><dict>\
            <key>a</key><string> b&amp; </string><key>n</key><integer>-7</integer>\
            <key>t</key><true/><key>d</key><date>2001-01-01T00:00:00Z</date>\
            <key>l</key><array><string>x</string><data>AAAA</data></array></dict></plist>";
        let value = Value::parse(xml, "the list").unwrap();
        assert_eq!(value.text("a").as_deref(), Some("b&"));
        assert_eq!(value.integer("n"), Some(-7));
        assert!(value.flag("t") && !value.flag("a"));
        assert_eq!(value.unix_seconds("d"), Some(978_307_200));
        assert_eq!(value.list("l"), [Value::Text("x".to_owned()), Value::Other]);
        let value = Value::parse(&binary(1, 2), "the list").unwrap();
        assert_eq!(value, Value::List(vec![Value::Flag(true), Value::Flag(true)]));
    }

    #[test]
    fn small_lists_that_stand_for_large_ones_are_refused() {
        assert_eq!(refused(&binary(14, 14)), RefusalCode::TooLarge, "14 to the power of 14 values");
        assert_eq!(refused(&binary(17, 1)), RefusalCode::TooLarge, "17 levels");
        assert!(Value::parse(&binary(16, 1), "the list").is_ok(), "16 levels");
        let deep = format!("<plist>{}", "<array>".repeat(100_000));
        assert_eq!(refused(deep.as_bytes()), RefusalCode::TooLarge);
        let many = format!("<plist><array>{}", "<true/>".repeat(MAX_VALUES));
        assert_eq!(refused(many.as_bytes()), RefusalCode::TooLarge);
        let long = format!("<plist><string>{}</string>", "a".repeat(MAX_CONTENT_BYTES + 1));
        assert_eq!(refused(long.as_bytes()), RefusalCode::TooLarge);
    }

    #[test]
    fn what_is_no_property_list_is_refused() {
        let cases: [&[u8]; 8] = [
            b"",
            b"text",
            b"bplist00",
            b"<plist><dict>",
            b"<plist><dict><key>a</key></dict></plist>",
            b"<plist><dict><true/><true/></dict></plist>",
            b"<plist></plist>",
            b"<html></html>",
        ];
        for bytes in cases {
            assert_eq!(refused(bytes), RefusalCode::Damaged, "{}", bytes.escape_ascii());
        }
    }
}
