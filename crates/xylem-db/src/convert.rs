//! Between the database's few types and those of the model.
//!
//! PostgreSQL and SQLite share 64-bit signed integers, text without zero bytes, byte strings and
//! UUIDs; everything is stored as one of these. Values from callers are checked on the way in, so
//! that both backends take and refuse the same; stored values are checked on the way out.

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use unicode_normalization::UnicodeNormalization;
use xylem_model::{Stamp, Timestamp};

use crate::DbError;

/// Longest name of a site, category, server, computer, token or setting, in characters.
pub const MAX_NAME_CHARS: usize = 200;
/// Longest free text (reasons, versions, addresses), in characters; more is cut off.
pub const MAX_TEXT_CHARS: usize = 2_000;

/// Longest sealed secret, in characters: every backend's text column holds it.
pub(crate) const MAX_SEALED_CHARS: usize = 48_000;
/// Largest JSON text or signed document in one row, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;
/// Most rows returned by one call of a paged list.
pub const MAX_PAGE: u64 = 1_000;

/// A number for a signed 64-bit column.
pub(crate) fn int(what: &'static str, number: u64) -> Result<i64, DbError> {
    i64::try_from(number).map_err(|_| DbError::Invalid {
        what,
        problem: format!("{number} is larger than any database number"),
    })
}

/// A stored number that cannot be negative.
pub(crate) fn uint(what: &'static str, number: i64) -> Result<u64, DbError> {
    u64::try_from(number)
        .map_err(|_| DbError::Corrupt { what, problem: format!("{number} is negative") })
}

/// A stored count that cannot be negative.
pub(crate) fn count(what: &'static str, number: i32) -> Result<u32, DbError> {
    u32::try_from(number)
        .map_err(|_| DbError::Corrupt { what, problem: format!("{number} is negative") })
}

/// A count for a signed 32-bit column.
pub(crate) fn small(what: &'static str, number: u32) -> Result<i32, DbError> {
    i32::try_from(number)
        .map_err(|_| DbError::Invalid { what, problem: format!("{number} is too large") })
}

/// A stored stamp.
pub(crate) fn stamp(epoch: i64, generation: i64) -> Result<Stamp, DbError> {
    Ok(Stamp::new(uint("epoch", epoch)?, uint("generation", generation)?))
}

/// A stamp for its two columns.
pub(crate) fn columns(stamp: Stamp) -> Result<(i64, i64), DbError> {
    Ok((int("epoch", stamp.epoch.0)?, int("generation", stamp.generation.0)?))
}

/// How many rows a caller gets who asks for `limit`.
pub(crate) fn page(limit: u64) -> u64 {
    limit.min(MAX_PAGE)
}

/// A stored moment that may be absent.
pub(crate) fn moment(ms: Option<i64>) -> Option<Timestamp> {
    ms.map(Timestamp::from_unix_ms)
}

/// A stored digest or other 32 bytes.
pub(crate) fn bytes32(what: &'static str, bytes: &[u8]) -> Result<[u8; 32], DbError> {
    fixed(what, bytes)
}

/// Stored bytes of a fixed length.
pub(crate) fn fixed<const BYTES: usize>(
    what: &'static str,
    bytes: &[u8],
) -> Result<[u8; BYTES], DbError> {
    bytes.try_into().map_err(|_| DbError::Corrupt {
        what,
        problem: format!("{} bytes instead of {BYTES}", bytes.len()),
    })
}

/// A stored word or name, read back as the type it was written from.
pub(crate) fn parsed<T: FromStr>(what: &'static str, text: &str) -> Result<T, DbError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| DbError::Corrupt { what, problem: error.to_string() })
}

/// A name chosen by a person: not empty, not too long, no control characters. Brought to Unicode
/// normalisation form C, so that it looks and compares the same from every keyboard.
pub(crate) fn name(what: &'static str, text: &str) -> Result<String, DbError> {
    let invalid = |problem: String| Err(DbError::Invalid { what, problem });
    if text.trim().is_empty() {
        return invalid("it is empty: give a name".into());
    }
    let text: String = text.trim().nfc().take(MAX_NAME_CHARS + 1).collect();
    if text.chars().count() > MAX_NAME_CHARS {
        return invalid(format!("it has more than {MAX_NAME_CHARS} characters: shorten it"));
    }
    if let Some(control) = text.chars().find(|c| c.is_control()) {
        return invalid(format!("it holds the control character U+{:04X}", u32::from(control)));
    }
    Ok(text)
}

/// What must be unique among names that a person tells apart: the name without regard to case.
pub(crate) fn name_key(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// Free text as some machine reported it: cut to a bounded length, without the zero bytes that
/// PostgreSQL cannot hold.
pub(crate) fn clip(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(MAX_TEXT_CHARS).collect()
}

/// A JSON value as text, which never holds a zero byte (JSON escapes it).
pub(crate) fn json(what: &'static str, value: &serde_json::Value) -> Result<String, DbError> {
    let text = value.to_string();
    bounded(what, text.len())?;
    Ok(text)
}

/// A stored JSON text.
pub(crate) fn parsed_json(what: &'static str, text: &str) -> Result<serde_json::Value, DbError> {
    serde_json::from_str(text)
        .map_err(|error| DbError::Corrupt { what, problem: error.to_string() })
}

/// Text that must be kept exactly: refused rather than cut where it is too long or holds a zero
/// byte.
pub(crate) fn storable(what: &'static str, text: &str) -> Result<(), DbError> {
    bounded(what, text.len())?;
    match text.contains('\0') {
        true => Err(DbError::Invalid { what, problem: "it holds a zero byte".into() }),
        false => Ok(()),
    }
}

/// Text that a person wrote and wants back: refused rather than cut where it is too long.
pub(crate) fn short(what: &'static str, text: &str, limit: usize) -> Result<(), DbError> {
    let problem = match text.len() {
        bytes if bytes > limit => format!("it has {bytes} bytes; at most {limit} are kept"),
        _ if text.contains('\0') => "it holds a zero byte".into(),
        _ => return Ok(()),
    };
    Err(DbError::Invalid { what, problem })
}

/// Refuses a document of more than [`MAX_DOCUMENT_BYTES`].
pub(crate) fn bounded(what: &'static str, bytes: usize) -> Result<(), DbError> {
    if bytes <= MAX_DOCUMENT_BYTES {
        return Ok(());
    }
    let problem = format!("it has {bytes} bytes; at most {MAX_DOCUMENT_BYTES} are kept");
    Err(DbError::Invalid { what, problem })
}

/// Something as JSON, for a column of text.
pub(crate) fn json_text<T: Serialize>(what: &'static str, value: &T) -> Result<String, DbError> {
    let text = serde_json::to_string(value)
        .map_err(|error| DbError::Invalid { what, problem: error.to_string() })?;
    bounded(what, text.len())?;
    Ok(text)
}

/// Back from a column that may be empty.
pub(crate) fn from_json_text<T: DeserializeOwned>(
    what: &'static str,
    text: Option<&str>,
) -> Result<Option<T>, DbError> {
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|error| DbError::Corrupt { what, problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_composed() {
        assert_eq!(name("site", "  Cafe\u{301} ").unwrap(), "Caf\u{e9}");
        assert_eq!(name_key("STRASSE"), name_key("Straße"));
    }

    #[test]
    fn names_no_backend_should_hold_are_refused() {
        for text in ["", "   ", "a\0b", "a\nb", &"x".repeat(MAX_NAME_CHARS + 1)] {
            assert!(name("site", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn reported_text_is_cut_and_cleaned() {
        assert_eq!(clip("a\0b"), "ab");
        assert_eq!(clip(&"é".repeat(MAX_TEXT_CHARS + 5)).chars().count(), MAX_TEXT_CHARS);
    }

    #[test]
    fn numbers_outside_the_columns_are_refused() {
        assert!(int("size", u64::MAX).is_err());
        assert!(uint("size", -1).is_err());
        assert!(bytes32("digest", &[0; 31]).is_err());
    }
}
