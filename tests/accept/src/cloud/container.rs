//! What lies in a container of Swift, told by OpenStack's own client.

use anyhow::Context as _;
use serde::de::DeserializeOwned;

use super::authority::Authority;
use super::bucket::{Names, Object};
use super::swift::python;
use super::tools::ask;

/// What runs with that client.
const SCRIPT: &str = include_str!("container.py");

/// Who looks into it, by tempauth.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) auth_url: String,
    pub(super) user: String,
    pub(super) password: String,
}

/// A container, and keys to look into it.
#[derive(Debug)]
pub(super) struct Container {
    settings: [(&'static str, String); 5],
}

impl Container {
    /// A container as it is seen by somebody.
    pub(super) fn new(account: Account, container: &str, authority: &Authority) -> Self {
        let Account { auth_url, user, password } = account;
        let settings = [
            ("AUTH_URL", auth_url),
            ("SWIFT_USER", user),
            ("PASSWORD", password),
            ("CONTAINER", container.to_owned()),
            ("CA", authority.ca.display().to_string()),
        ];
        Self { settings }
    }

    /// Makes it.
    pub(super) fn create(&self) -> anyhow::Result<()> {
        self.ask::<bool>(&["create"]).map(drop)
    }

    /// Removes it and the one for its segments, with all that is in them.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        self.ask::<bool>(&["remove"]).map(drop)
    }

    /// Everything in it, by its names, and segments that none of it names.
    pub(super) fn names(&self) -> anyhow::Result<Names> {
        self.ask(&["names"])
    }

    /// Downloads an object.
    pub(super) fn read(&self, key: &str) -> anyhow::Result<Object> {
        self.ask(&["read", key])
    }

    /// Downloads everything in it.
    pub(super) fn read_all(&self) -> anyhow::Result<Vec<Object>> {
        self.ask(&["read-all"])
    }

    fn ask<A: DeserializeOwned>(&self, words: &[&str]) -> anyhow::Result<A> {
        ask(python(), SCRIPT, &self.settings, words).context("swiftclient")
    }
}
