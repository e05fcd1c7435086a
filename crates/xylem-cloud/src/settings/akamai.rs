//! NetStorage, and the edge in front of it.

use serde::{Deserialize, Serialize};

use super::{SettingsError, plain_host, refused, word};
use crate::endpoint::Endpoint;
use crate::layout::Prefix;

/// Settings of NetStorage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AkamaiSettings {
    /// `https://…-nsu.akamaihd.net`.
    pub upload_host: Endpoint,
    /// The upload account's name.
    pub account: String,
    /// The CP code: the first step of every path there.
    pub cp_code: u32,
    /// The directory below the CP code that everything lies in.
    #[serde(default)]
    pub directory: Prefix,
    /// Where clients fetch; its path stands for the CP code's directory.
    pub delivery_url: Endpoint,
    /// What the token is called in the query.
    #[serde(default = "token_name")]
    pub token_name: String,
}

fn token_name() -> String {
    "__token__".to_owned()
}

impl AkamaiSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        word("account", &self.account)?;
        word("token_name", &self.token_name)?;
        plain_host("upload_host", &self.upload_host)?;
        // It parts the fields of a token, which has the path in it, not encoded.
        match self.delivery_url.base().contains('~') {
            true => Err(refused("delivery_url", "give it without `~`, which parts an edge token")),
            false => Ok(()),
        }
    }
}
