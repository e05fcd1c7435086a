//! One lock, and whose way it is in.

use std::time::Duration;

use dav_server::davpath::DavPath;
use dav_server::ls::DavLock;
use serde::{Deserialize, Serialize};
use xmltree::{Element, Namespace};
use xylem_model::Timestamp;

use crate::entry::system_time;
use crate::place::Place;

/// How long a lock lasts whose owner does not say, or says for ever.
const LIFETIME: Duration = Duration::from_secs(600);

/// Longest a lock may last without being refreshed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Longest text that says whose lock it is, in bytes.
const MAX_OWNER_BYTES: usize = 4 << 10;

/// One lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lock {
    pub(super) token: String,
    /// Its root as it was asked for, encoded, with the share's prefix.
    pub(super) url: String,
    pub(super) prefix: String,
    pub(super) principal: Option<String>,
    /// XML, as it was sent.
    pub(super) owner: Option<String>,
    pub(super) expires: Timestamp,
    pub(super) seconds: u64,
    pub(super) is_shared: bool,
    pub(super) is_deep: bool,
    #[serde(skip)]
    pub(super) place: Place,
}

/// Whether a lock keeps others from writing a place.
pub(super) fn covers(lock: &Lock, place: &Place) -> bool {
    lock.place == *place || (lock.is_deep && place.is_within(&lock.place))
}

/// Who asks, and with which tokens.
pub(super) struct Claim<'a> {
    pub(super) principal: Option<&'a str>,
    pub(super) any_principal: bool,
    pub(super) tokens: &'a [String],
}

impl Claim<'_> {
    pub(super) fn holds(&self, lock: &Lock) -> bool {
        self.tokens.contains(&lock.token)
            && (self.any_principal || self.principal == lock.principal.as_deref())
    }

    /// A lock of somebody else on the way to a place. With one shared lock held, those of others
    /// beside it do not matter.
    pub(super) fn conflict_above<'l>(
        &self,
        locks: &[&'l Lock],
        place: &Place,
        shared_ok: bool,
    ) -> Option<&'l Lock> {
        let above = || locks.iter().copied().filter(|lock| covers(lock, place));
        let exclusive = above().find(|lock| !lock.is_shared && !self.holds(lock));
        let holds_one = above().any(|lock| self.holds(lock));
        exclusive.or_else(|| above().find(|_| !shared_ok && !holds_one))
    }

    /// A lock of somebody else on a place or below it.
    pub(super) fn conflict_below<'l>(
        &self,
        locks: &[&'l Lock],
        place: &Place,
        shared_ok: bool,
    ) -> Option<&'l Lock> {
        let mut below = locks.iter().copied().filter(|lock| lock.place.is_within(place));
        below.find(|lock| !(self.holds(lock) || (lock.is_shared && shared_ok)))
    }
}

pub(super) const NOBODY: Claim<'static> =
    Claim { principal: None, any_principal: true, tokens: &[] };

pub(super) fn dav_path(lock: &Lock) -> Option<DavPath> {
    let mut path = DavPath::new(&lock.url).ok()?;
    path.set_prefix(&lock.prefix).ok()?;
    Some(path)
}

/// As dav-server wants to have it. A lock whose path is not read any more cannot be among ours.
pub(super) fn answer(lock: &Lock, path: &DavPath) -> DavLock {
    DavLock {
        token: lock.token.clone(),
        path: Box::new(dav_path(lock).unwrap_or_else(|| path.clone())),
        principal: lock.principal.clone(),
        owner: lock
            .owner
            .as_ref()
            .and_then(|xml| Element::parse(xml.as_bytes()).ok())
            .map(Box::new),
        timeout_at: Some(system_time(lock.expires)),
        timeout: Some(Duration::from_secs(lock.seconds)),
        shared: lock.is_shared,
        deep: lock.is_deep,
    }
}

pub(super) fn lifetime(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(LIFETIME).min(MAX_LIFETIME)
}

pub(super) fn owner_text(owner: Option<&Element>) -> Option<String> {
    let (mut owner, mut bytes) = (owner?.clone(), Vec::new());
    // dav-server gives it this prefix, whatever its sender called the namespace.
    owner.namespaces.get_or_insert_with(Namespace::empty).put("D", "DAV:");
    owner.write(&mut bytes).ok()?;
    String::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_OWNER_BYTES)
}
