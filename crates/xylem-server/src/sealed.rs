//! Secrets at rest: encrypted with a key that lies beside the database, not in it.
//!
//! AES-256 in Galois/Counter mode (NIST SP 800-38D) with a random nonce, and the row's identity as
//! associated data: a sealed text moved to another row does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of the key.
pub(crate) const KEY_BYTES: usize = 32;

/// Seals and opens.
pub(crate) struct Sealer(RandomizedNonceKey);

/// What was sealed cannot be opened, or nothing can be sealed.
#[derive(Debug, thiserror::Error)]
#[error(
    "a secret in the database cannot be opened: keys/secrets.key is another than when it was \
     stored; restore that file, or store the secret again"
)]
pub struct Unsealable;

impl Sealer {
    /// With this key.
    pub(crate) fn new(key: &[u8; KEY_BYTES]) -> Result<Self, Unsealable> {
        RandomizedNonceKey::new(&AES_256_GCM, key).map(Self).map_err(|_| Unsealable)
    }

    /// Seals a secret of a row, as text.
    pub(crate) fn seal(&self, row: &str, secret: &str) -> Result<String, Unsealable> {
        let mut bytes = secret.as_bytes().to_vec();
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(row.as_bytes()), &mut bytes)
            .map_err(|_| Unsealable)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(STANDARD.encode(sealed))
    }

    /// Opens what was sealed for a row.
    pub(crate) fn open(&self, row: &str, sealed: &str) -> Result<String, Unsealable> {
        let bytes = STANDARD.decode(sealed).map_err(|_| Unsealable)?;
        let (nonce, rest) = bytes.split_at_checked(NONCE_LEN).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut rest = rest.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(row.as_bytes()), &mut rest)
            .map_err(|_| Unsealable)?;
        String::from_utf8(opened.to_vec()).map_err(|_| Unsealable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_open_in_their_own_row_with_their_own_key_alone() {
        let sealer = Sealer::new(&[7; KEY_BYTES]).unwrap();
        let sealed = sealer.seal("row 1", "secret").unwrap();
        assert!(!sealed.contains("secret"));
        assert_ne!(sealed, sealer.seal("row 1", "secret").unwrap(), "a nonce each time");
        assert_eq!(sealer.open("row 1", &sealed).unwrap(), "secret");
        assert!(sealer.open("row 2", &sealed).is_err());
        assert!(Sealer::new(&[8; KEY_BYTES]).unwrap().open("row 1", &sealed).is_err());
        let mut bent = STANDARD.decode(&sealed).unwrap();
        bent[NONCE_LEN] ^= 1;
        assert!(sealer.open("row 1", &STANDARD.encode(bent)).is_err());
        for damaged in ["", "AA==", "no base64"] {
            assert!(sealer.open("row 1", damaged).is_err(), "{damaged}");
        }
    }
}
