//! Passwords of accounts: made here, never chosen, and kept only as Argon2id (RFC 9106).

use std::fmt;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::hmac;
use xylem_runtime::{Rng, random_array};

/// Memory of one hashing, in KiB: 19 MiB.
const MEMORY_KIB: u32 = 19 << 10;

/// Passes of one hashing over its memory.
const PASSES: u32 = 2;

/// Characters of a password: 24 of 5 bits each, 120 bits.
const CHARS: usize = 24;

/// Characters between two hyphens.
const GROUP: usize = 6;

/// Longest password that is looked at, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 256;

/// Crockford's base 32: no i, l, o or u, which people mistake for others.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A password that could not be hashed, or a hash that is none.
#[derive(Debug, thiserror::Error)]
#[error("the password cannot be hashed or compared: {0}")]
pub struct PasswordError(String);

/// What is kept of a password, in the PHC string format.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// Makes a password that can be read aloud: `7k3mq2-…`.
pub fn new_password(rng: &dyn Rng) -> String {
    let mut password = String::with_capacity(CHARS + CHARS / GROUP);
    for (place, byte) in random_array::<CHARS>(rng).into_iter().enumerate() {
        if place > 0 && place % GROUP == 0 {
            password.push('-');
        }
        // 256 is a multiple of 32, so each character is equally likely.
        password.push(char::from(ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or(b'0')));
    }
    password
}

impl PasswordHash {
    /// Hashes a password. Takes tens of milliseconds and 19 MiB: only where blocking is allowed.
    ///
    /// # Errors
    /// Where it is longer than [`MAX_PASSWORD_BYTES`].
    pub fn of(password: &str, rng: &dyn Rng) -> Result<Self, PasswordError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordError(format!("it is longer than {MAX_PASSWORD_BYTES} bytes")));
        }
        let salt = random_array::<16>(rng);
        let hash: Phc = hasher()?
            .hash_password_customized(password.as_bytes(), &salt, None, None, params()?)
            .map_err(|error| PasswordError(error.to_string()))?;
        Ok(Self(hash.to_string()))
    }

    /// Reads a hash. One that would cost other memory or time than ours is refused.
    ///
    /// # Errors
    /// Where it is none of ours.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        let wrong = |why: String| PasswordError(why);
        let hash = Phc::new(text).map_err(|error| wrong(error.to_string()))?;
        let given = Params::try_from(&hash).map_err(|error| wrong(error.to_string()))?;
        let (ours, algorithm) = (params()?, hash.algorithm);
        let same = algorithm == Algorithm::Argon2id.ident()
            && given.m_cost() == ours.m_cost()
            && given.t_cost() == ours.t_cost()
            && given.p_cost() == ours.p_cost();
        match same {
            true => Ok(Self(text.to_owned())),
            false => Err(wrong("it was made with other settings than ours".to_owned())),
        }
    }

    /// Whether it was made of this password. Costs what [`of`](Self::of) costs.
    pub fn matches(&self, password: &str) -> bool {
        let (Ok(hash), Ok(hasher)) = (Phc::new(&self.0), hasher()) else { return false };
        password.len() <= MAX_PASSWORD_BYTES
            && hasher.verify_password(password.as_bytes(), &hash).is_ok()
    }

    /// As it is kept.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Makes digests of passwords that nobody else can make: by them it can be remembered, for a
/// while and in memory, which passwords were found right.
pub struct PasswordDigests(hmac::Key);

impl PasswordDigests {
    /// Digests of their own.
    pub fn new(rng: &dyn Rng) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random_array::<32>(rng)))
    }

    /// The digest of an account's password.
    pub fn of(&self, account: &str, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&(account.len() as u64).to_le_bytes());
        context.update(account.as_bytes());
        context.update(password.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }
}

impl fmt::Debug for PasswordDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordDigests(…)")
    }
}

fn params() -> Result<Params, PasswordError> {
    Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| PasswordError(error.to_string()))
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params()?))
}

#[cfg(test)]
mod tests {
    use xylem_runtime::SystemRng;

    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let password = new_password(&SystemRng);
        assert_eq!(password.len(), 27, "{password}");
        let hash = PasswordHash::of(&password, &SystemRng).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let read = PasswordHash::parse(hash.as_str()).unwrap();
        assert!(read.matches(&password));
        assert!(!read.matches(&new_password(&SystemRng)));
        assert!(!read.matches(&"x".repeat(MAX_PASSWORD_BYTES + 1)));
        let again = PasswordHash::of(&password, &SystemRng).unwrap();
        assert_ne!(again, hash, "two salts must differ");
    }

    #[test]
    fn digests_are_of_one_account_and_one_maker() {
        let (ours, others) = (PasswordDigests::new(&SystemRng), PasswordDigests::new(&SystemRng));
        assert_eq!(ours.of("casper", "x"), ours.of("casper", "x"));
        assert_ne!(ours.of("casper", "x"), ours.of("caspe", "rx"));
        assert_ne!(ours.of("casper", "x"), others.of("casper", "x"));
    }

    #[test]
    fn a_hash_with_other_costs_is_refused() {
        let hash = PasswordHash::of("x", &SystemRng).unwrap();
        for (from, to) in [
            ("m=19456", "m=4000000"),
            ("t=2", "t=2000"),
            ("$argon2id$", "$argon2d$"),
            ("$argon2id$v=19$", "plain"),
        ] {
            let other = hash.as_str().replace(from, to);
            assert!(PasswordHash::parse(&other).is_err(), "{other}");
        }
        assert!(PasswordHash::of(&"x".repeat(300), &SystemRng).is_err());
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }
}
