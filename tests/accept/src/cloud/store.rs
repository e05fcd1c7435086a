//! What a part needs of a store, whoever's it is.

use std::path::Path;

use anyhow::Context as _;

use super::bucket::{Names, Object};

/// A store of somebody else's, running, with what looks into it.
///
/// What it tells of itself comes from that provider's own client and no code of ours.
pub(super) trait Store {
    /// The provider's word, in figures and in the names of parts.
    fn provider(&self) -> &'static str;

    /// The port of this machine that content is sent to.
    fn port(&self) -> u16;

    /// What an administrator types after `xylem cloud`, where content is sent through `port`. Secrets
    /// go into files below `folder`, beside everything that our programs write.
    fn set_words(&self, folder: &Path, port: u16) -> anyhow::Result<Vec<String>>;

    /// Everything in it, by its names; what was begun and not ended beside it: uploads in parts, or
    /// segments that no object names.
    fn names(&self) -> anyhow::Result<Names>;

    /// Downloads everything that is an object of its own: no segments.
    fn read_all(&self) -> anyhow::Result<Vec<Object>>;

    /// Downloads one of them.
    fn read(&self, key: &str) -> anyhow::Result<Object> {
        let found = self.read_all()?.into_iter().find(|object| object.key == key);
        found.with_context(|| format!("there is no object `{key}`"))
    }

    /// Bytes of objects that somebody else gave out for it so far: a delivery network. `None` where
    /// there is none, and it gives out by itself.
    fn given_bytes(&self) -> anyhow::Result<Option<u64>> {
        Ok(None)
    }

    /// Whether it keeps our SHA-256 and the name with an object.
    fn keeps_what_was_told(&self) -> bool {
        true
    }

    /// What has to have come to pass at it by the end of a life, beside what lies there.
    fn lived(&self) -> anyhow::Result<()> {
        Ok(())
    }
}
