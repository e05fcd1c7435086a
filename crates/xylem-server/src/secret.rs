//! Secrets that are shown once: API tokens and invitation codes. Only their hashes are kept.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xylem_api::server::Scope;
use xylem_pki::new_password;
use xylem_runtime::{Rng, random_array};

/// Begins every API token, so that scanners recognise one that got lost.
const TOKEN_PREFIX: &str = "xyl_";

/// Longest text that is hashed to be looked up, in bytes.
const MAX_SECRET_BYTES: usize = 200;

/// Makes an API token: the prefix and 32 random bytes in base64url.
pub(crate) fn new_token(rng: &dyn Rng) -> String {
    format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(random_array::<32>(rng)))
}

/// Makes an invitation code that can be read aloud: `7K3MQ2-…`.
pub(crate) fn new_code(rng: &dyn Rng) -> String {
    new_password(rng).to_ascii_uppercase()
}

/// What is kept of a token.
pub(crate) fn token_hash(token: &str) -> [u8; 32] {
    hash("xylem api token 1", token.trim())
}

/// What is kept of an invitation code. Case, hyphens and blanks do not matter, and letters that
/// are mistaken for digits count as these.
pub(crate) fn code_hash(code: &str) -> [u8; 32] {
    let read: String = code
        .chars()
        .take(MAX_SECRET_BYTES)
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    hash("xylem invitation 1", &read)
}

/// SHA-256 is enough for secrets of this many random bits: there is nothing to guess.
fn hash(purpose: &str, secret: &str) -> [u8; 32] {
    let secret = secret.as_bytes();
    let bounded = secret.get(..MAX_SECRET_BYTES).unwrap_or(secret);
    let message = [purpose.as_bytes(), &[0], bounded].concat();
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &message).as_ref());
    bytes
}

/// A scope's word in the API and the database.
pub(crate) const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Admin => "admin",
        Scope::Read => "read",
        Scope::Files => "files",
        Scope::Install => "install",
        Scope::Metrics => "metrics",
        Scope::Scripts => "scripts",
    }
}

/// The scope of a word; a word of a newer version means nothing here.
pub(crate) fn scope_of(word: &str) -> Option<Scope> {
    Scope::ALL.iter().copied().find(|scope| scope_word(*scope) == word)
}

#[cfg(test)]
mod tests {
    use xylem_runtime::SystemRng;

    use super::*;

    #[test]
    fn codes_are_found_again_however_they_are_typed() {
        let code = new_code(&SystemRng);
        assert_eq!(code.len(), 27, "{code}");
        let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(code_hash(&typed), code_hash(&code), "{code} {typed}");
        assert_ne!(code_hash(&new_code(&SystemRng)), code_hash(&code));
        assert_eq!(code_hash("o0-iI-lL-1A"), code_hash("0011111a"));
    }

    #[test]
    fn tokens_are_long_recognisable_and_hashed_apart_from_codes() {
        let token = new_token(&SystemRng);
        assert!(token.starts_with("xyl_") && token.len() == 47, "{token}");
        assert_ne!(token_hash("ABC"), code_hash("ABC"));
    }
}
