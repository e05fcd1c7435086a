//! WebDAV accounts: for people and tools that have no certificate.

use std::fmt;
use std::str::FromStr;

use crate::word::words;

/// Longest name of an account, in bytes.
pub const MAX_ACCOUNT_NAME_BYTES: usize = 64;

words! {
    /// What an account may do on its distribution server.
    AccountAccess, "access of an account", "read or write",
    /// Read everything that is published there.
    Read = "read",
    /// Also publish, rename and delete.
    Write = "write",
}

/// The name of a WebDAV account: ASCII letters, digits and `.`, `_`, `-`, `@`, so that it is
/// written the same in every tool. It is unique on its distribution server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

/// A text that can be no account's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` can be no account's name: use 1 to {MAX_ACCOUNT_NAME_BYTES} letters (a to z), \
     digits and the characters . _ - @"
)]
pub struct AccountNameError {
    given: String,
}

impl AccountName {
    /// Checks a name.
    ///
    /// # Errors
    /// Where it is empty, too long or holds any other character.
    pub fn new(text: &str) -> Result<Self, AccountNameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let fits = (1..=MAX_ACCOUNT_NAME_BYTES).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            return Ok(Self(text.to_owned()));
        }
        Err(AccountNameError { given: text.chars().take(80).collect() })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = AccountNameError;

    fn from_str(text: &str) -> Result<Self, AccountNameError> {
        Self::new(text)
    }
}

impl serde::Serialize for AccountName {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for AccountName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_every_tool_can_write() {
        for good in ["casper", "a", "site.7-upload_2@example.org", &"x".repeat(64)] {
            assert_eq!(AccountName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a:b", "jürgen", "a/b", "a\n", &"x".repeat(65)] {
            assert!(AccountName::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_checked_when_it_is_read() {
        assert!(serde_json::from_str::<AccountName>("\"a:b\"").is_err());
        let name: AccountName = serde_json::from_str("\"casper\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"casper\"");
    }
}
