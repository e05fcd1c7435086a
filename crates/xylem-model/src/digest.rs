//! What names content: the BLAKE3 root, and the other digests kept beside it.

use std::fmt;
use std::str::FromStr;

/// A digest that was not written as so many hexadecimal characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {what}: {characters} hexadecimal characters are expected")]
pub struct DigestError {
    what: &'static str,
    given: String,
    characters: usize,
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $what:literal, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// How many bytes it has.
            pub const BYTES: usize = $bytes;

            /// Wraps the bytes of a digest.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// The bytes of the digest.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Two lower-case hexadecimal characters for each byte.
            pub fn to_hex(&self) -> String {
                self.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Written for each answer: `hex::encode` would go letter by letter.
                let mut letters = [0; 2 * $bytes];
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
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes).map_err(|_| DigestError {
                    what: $what,
                    given: text.chars().take(80).collect(),
                    characters: 2 * $bytes,
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
    ContentId, "content id", 32
}

digest! {
    /// A SHA-256 digest (FIPS 180-4), the second digest every upload is checked against.
    Sha256, "SHA-256 digest", 32
}

digest! {
    /// An MD5 digest (RFC 1321). It proves nothing; old clients ask for it.
    Md5, "MD5 digest", 16
}

digest! {
    /// A SHA-512 digest (FIPS 180-4).
    Sha512, "SHA-512 digest", 64
}

digest! {
    /// A SHA3-512 digest (FIPS 202).
    Sha3_512, "SHA3-512 digest", 64
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
        let (short, long) = (Md5::from_bytes([0xa5; 16]), Sha512::from_bytes([0x5a; 64]));
        assert_eq!((short.to_hex().len(), short.to_string().parse()), (32, Ok(short)));
        assert_eq!((long.to_hex().len(), long.to_string().parse()), (128, Ok(long)));
    }

    #[test]
    fn short_and_foreign_digests_are_refused() {
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            assert!(text.parse::<ContentId>().is_err(), "{text}");
        }
        let error = ContentId::of(b"").to_string().parse::<Md5>().unwrap_err().to_string();
        assert!(error.ends_with("is not a MD5 digest: 32 hexadecimal characters are expected"));
    }
}
