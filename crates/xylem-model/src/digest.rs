//! What names content: the BLAKE3 root, and the SHA-256 kept beside it.

use std::fmt;
use std::str::FromStr;

/// A digest that was not written as 64 hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}: 64 hexadecimal characters are expected")]
pub struct DigestError {
    what: &'static str,
    given: String,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 digest bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 digest bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// 64 lower-case hexadecimal characters.
            pub fn to_hex(&self) -> String {
                self.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Written for each answer: `hex::encode` would go letter by letter.
                let mut letters = [0; 64];
                hex::encode_to_slice(self.0, &mut letters).map_err(|_| fmt::Error)?;
                f.write_str(std::str::from_utf8(&letters).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestError {
                    what: $what,
                    given: text.chars().take(80).collect(),
                })?;
                Ok(Self(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.to_hex())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest! {
    /// The identity of a piece of content: its BLAKE3 root hash.
    ///
    /// Equal ids mean equal bytes, on every distribution point, for ever. It is also the strong
    /// ETag that every distribution server answers with.
    ContentId, "content id"
}

digest! {
    /// A SHA-256 digest (FIPS 180-4), the second digest every upload is checked against.
    Sha256, "SHA-256 digest"
}

impl ContentId {
    /// The content id of bytes held in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// The digests known before an upload is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Digests {
    /// BLAKE3 root: the content id.
    pub blake3: ContentId,
    /// SHA-256 of the whole file.
    pub sha256: Sha256,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_survives_text() {
        let id = ContentId::of(b"xylem");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn short_and_foreign_digests_are_refused() {
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            assert!(text.parse::<ContentId>().is_err(), "{text}");
        }
    }
}
