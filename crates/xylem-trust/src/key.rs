//! Ed25519 keys.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// Names a public key: BLAKE3 of its 32 bytes, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key, 32 bytes, written in hexadecimal.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no Ed25519 private key.
    #[error("the signing key is damaged: {0} bytes are no Ed25519 seed of 32 bytes")]
    Seed(usize),
}

impl PublicKey {
    /// The key's name.
    pub fn id(&self) -> KeyId {
        KeyId(blake3::hash(&self.0).to_hex().to_string())
    }

    /// Whether `signature` over `message` was made with this key's private half.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", hex::encode(self.0))
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| serde::de::Error::custom("a public key is 64 hexadecimal characters"))?;
        Ok(Self(bytes))
    }
}

/// A private key. Never printed.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key that follows from a secret seed of 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, KeyError> {
        let error = || KeyError::Seed(seed.len());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| error())?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| error())?;
        Ok(Self { pair, public: PublicKey(public) })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}
