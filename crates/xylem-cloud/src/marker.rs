//! `xylem.json`, which says whose a prefix is.

use serde::{Deserialize, Serialize};
use xylem_model::Sha256;

use crate::digest;

/// Most bytes of a marker that are read.
pub const MAX_MARKER_BYTES: usize = 4096;
/// The layout this code writes.
pub const LAYOUT: u32 = 1;

/// `xylem.json`: whose catalogue the objects belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    /// The layout below the prefix: [`LAYOUT`].
    pub layout: u32,
    /// SHA-256 of what was made once, as the catalogue was set up, and is in all its backups.
    pub catalogue: Sha256,
}

/// A marker that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// Not the JSON that we write.
    #[error("the object `xylem.json` is not one of ours: {0}; choose another prefix")]
    Malformed(String),
    /// Of a later version.
    #[error("the prefix has layout {0}, this program knows 1: update the management server")]
    Layout(u32),
}

impl Marker {
    /// The marker of the catalogue that has this id.
    pub fn of(catalogue: &str) -> Self {
        Self { layout: LAYOUT, catalogue: digest::sha256(catalogue.as_bytes()) }
    }

    /// The bytes of `xylem.json`.
    pub fn to_json(&self) -> Vec<u8> {
        format!("{{\"layout\":{},\"catalogue\":\"{}\"}}\n", self.layout, self.catalogue)
            .into_bytes()
    }

    /// Reads `xylem.json`.
    ///
    /// # Errors
    /// When it is longer than [`MAX_MARKER_BYTES`], not of our form, or of another layout.
    pub fn parse(bytes: &[u8]) -> Result<Self, MarkerError> {
        if bytes.len() > MAX_MARKER_BYTES {
            return Err(MarkerError::Malformed("it is longer than 4 KiB".to_owned()));
        }
        // The layout first: a later one may have fields of its own.
        let value: serde_json::Value = serde_json::from_slice(bytes)
            .map_err(|error| MarkerError::Malformed(error.to_string()))?;
        match value.get("layout").and_then(serde_json::Value::as_u64) {
            Some(layout) if layout != u64::from(LAYOUT) => {
                Err(MarkerError::Layout(u32::try_from(layout).unwrap_or(u32::MAX)))
            }
            _ => serde_json::from_value(value)
                .map_err(|error| MarkerError::Malformed(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_survive_and_others_are_refused() {
        let marker = Marker { layout: LAYOUT, catalogue: Sha256::from_bytes([7; 32]) };
        assert_eq!(Marker::parse(&marker.to_json()), Ok(marker));
        assert_eq!(Marker::parse(br#"{"layout":2,"new":1}"#), Err(MarkerError::Layout(2)));
        for bytes in [&b""[..], b"{}", b"[]", &[b' '; MAX_MARKER_BYTES + 1]] {
            assert!(matches!(Marker::parse(bytes), Err(MarkerError::Malformed(_))));
        }
    }
}
