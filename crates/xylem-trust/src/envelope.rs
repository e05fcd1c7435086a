//! The wrapper of every signed document.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{Document, KeyId, SigningKey};

/// The largest envelope anybody reads, in bytes of its wire form.
pub const MAX_ENVELOPE_BYTES: usize = 5 << 20;

/// Most signatures on one document.
const MAX_SIGNATURES: usize = 16;

/// Begins every signed message, so that nothing signed here can pass for anything else.
const DOMAIN: &[u8] = b"xylem-signed-v1";

/// A document as it was signed: its type, its exact bytes, its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The document's type; part of what is signed.
    #[serde(rename = "type")]
    pub kind: String,
    /// The document: JSON text, kept byte for byte.
    #[serde(with = "base64_bytes")]
    pub payload: Vec<u8>,
    /// Signatures over type and payload.
    pub signatures: Vec<Signature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The key that made it.
    pub key: KeyId,
    /// Its 64 bytes.
    #[serde(with = "base64_bytes")]
    pub signature: Vec<u8>,
}

/// Bytes that are no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Beyond [`MAX_ENVELOPE_BYTES`].
    #[error("a signed document of {0} bytes is larger than any that Xylem makes")]
    TooLarge(usize),
    /// Not the JSON of an envelope.
    #[error("not a signed document: {0}")]
    Malformed(String),
}

impl Envelope {
    /// Signs a document with one or more keys.
    pub fn sign<D: Document>(document: &D, keys: &[&SigningKey]) -> Result<Self, EnvelopeError> {
        let payload =
            serde_json::to_vec(document).map_err(|e| EnvelopeError::Malformed(e.to_string()))?;
        let message = message(D::TYPE, &payload);
        let signatures = keys
            .iter()
            .map(|key| Signature { key: key.public().id(), signature: key.sign(&message) })
            .collect();
        Ok(Self { kind: D::TYPE.to_owned(), payload, signatures })
    }

    /// The bytes each signature is over.
    pub fn message(&self) -> Vec<u8> {
        message(&self.kind, &self.payload)
    }

    /// The wire and file form: one JSON object.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings and byte arrays only: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads the wire form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let envelope: Self =
            serde_json::from_slice(bytes).map_err(|e| EnvelopeError::Malformed(e.to_string()))?;
        if envelope.signatures.len() > MAX_SIGNATURES {
            return Err(EnvelopeError::Malformed("too many signatures".to_owned()));
        }
        Ok(envelope)
    }

    /// The form that fits into an HTTP header: the wire form in base64url (RFC 4648 section 5).
    pub fn to_header(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// Reads the form that fits into an HTTP header.
    pub fn from_header(text: &str) -> Result<Self, EnvelopeError> {
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim())
            .map_err(|e| EnvelopeError::Malformed(e.to_string()))?;
        Self::from_bytes(&bytes)
    }
}

/// Lengths are written before parts, so that no two (type, payload) pairs give one message.
fn message(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(DOMAIN.len() + kind.len() + payload.len() + 16);
    for part in [DOMAIN, kind.as_bytes(), payload] {
        message.extend_from_slice(&(part.len() as u64).to_le_bytes());
        message.extend_from_slice(part);
    }
    message
}

mod base64_bytes {
    use super::{Engine, STANDARD};
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(d)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
