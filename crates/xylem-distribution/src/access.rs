//! Who may fetch from this server, and where this server may fetch.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xylem_api::control::{ControlState, PeerAddress};
use xylem_api::error::ErrorCode;
use xylem_client::BaseUrl;
use xylem_http::ApiError;
use xylem_model::{ContentId, DistributionServerId, Party, Timestamp};
use xylem_sync::ServerSettings;
use xylem_trust::{
    Document, Envelope, GrantedEntries, Grants, Revocations, TrustError, TrustStore, check_window,
};

/// A server to fetch from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) id: DistributionServerId,
    pub(crate) name: String,
    pub(crate) url: BaseUrl,
    /// Whether it is asked only when none of the others gives something.
    pub(crate) is_fallback: bool,
    /// Whether it is below this server, which is the root, and asked for what that has lost: then
    /// its answers are not waited for, because it waits for this server itself.
    pub(crate) is_below: bool,
}

/// What `state/access.json` holds: the signed documents as they came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct AccessFile {
    pub(crate) grants: Envelope,
    pub(crate) revocations: Envelope,
    pub(crate) parents: Vec<PeerAddress>,
    #[serde(default)]
    pub(crate) principal: Option<PeerAddress>,
    pub(crate) is_root: bool,
    pub(crate) is_principal: bool,
    #[serde(default)]
    pub(crate) cloud_is_principal: bool,
    pub(crate) may_remove: bool,
    #[serde(default)]
    pub(crate) settings: ServerSettings,
    #[serde(default)]
    pub(crate) root_epoch: Option<u64>,
    #[serde(default)]
    pub(crate) marks: bool,
}

impl Granted {
    fn of(entries: &GrantedEntries) -> Self {
        match entries {
            GrantedEntries::All => Self::All,
            GrantedEntries::Only(contents) => Self::Only(contents.iter().copied().collect()),
        }
    }

    /// Whether a content is among them.
    pub(crate) fn has(&self, content: &ContentId) -> bool {
        match self {
            Self::All => true,
            Self::Only(contents) => contents.contains(content),
        }
    }
}

impl AccessFile {
    /// The part of a state that concerns access.
    pub(crate) fn of(state: &ControlState) -> Self {
        Self {
            grants: state.grants.clone(),
            revocations: state.revocations.clone(),
            parents: state.parents.clone(),
            principal: state.principal.clone(),
            is_root: state.is_root,
            is_principal: state.is_principal,
            cloud_is_principal: state.cloud_is_principal,
            may_remove: state.may_remove,
            settings: state.settings.clone(),
            root_epoch: state.root_epoch,
            marks: state.marks,
        }
    }
}

/// What one peer may fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Granted {
    /// Everything this server is to hold.
    All,
    /// These contents.
    Only(BTreeSet<ContentId>),
}

/// Grants and revocations in force, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) grants: Grants,
    pub(crate) revocations: Revocations,
    peers: BTreeMap<DistributionServerId, Granted>,
    clients: Granted,
    revoked: BTreeSet<Party>,
    /// Best first.
    pub(crate) parents: Vec<Parent>,
    /// Where new files enter, unless that is here.
    pub(crate) principal: Option<BaseUrl>,
    pub(crate) is_root: bool,
    pub(crate) is_principal: bool,
    /// Whether what enters here is committed once it is in the cloud.
    pub(crate) cloud_is_principal: bool,
    pub(crate) may_remove: bool,
    /// What was decided of how this server works.
    pub(crate) settings: ServerSettings,
    /// How often the root or the principal was moved.
    pub(crate) root_epoch: Option<u64>,
    /// Whether the management server knew of marks on versions: [`crate::control::knows_marks`].
    pub(crate) marks: bool,
}

impl Access {
    /// Opens documents that were written down here. Times are looked at when they are used, not
    /// now: this server may have been off for long.
    pub(crate) fn open(
        file: &AccessFile,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<Self, TrustError> {
        Ok(Self::new(trust.open(&file.grants, now)?, trust.open(&file.revocations, now)?, file))
    }

    /// Puts documents that were checked together.
    pub(crate) fn new(grants: Grants, revocations: Revocations, file: &AccessFile) -> Self {
        let peers =
            grants.peers.iter().map(|grant| (grant.peer, Granted::of(&grant.entries))).collect();
        let clients = Granted::of(&grants.clients);
        let revoked = revocations.parties.iter().copied().collect();
        let parents = file.parents.iter();
        let parents = parents.filter_map(|peer| usable_parent(peer, file.is_root)).collect();
        let principal = file.principal.as_ref().and_then(usable_address);
        let AccessFile { is_root, is_principal, may_remove, root_epoch, marks, .. } = *file;
        let cloud_is_principal = file.cloud_is_principal;
        Self {
            grants,
            revocations,
            peers,
            clients,
            revoked,
            parents,
            principal,
            is_root,
            is_principal,
            cloud_is_principal,
            may_remove,
            settings: file.settings.clone(),
            root_epoch,
            marks,
        }
    }

    /// Refuses whoever was removed.
    ///
    /// # Errors
    /// What a removed party hears.
    pub(crate) fn refuse_revoked(&self, party: Option<Party>) -> Result<(), ApiError> {
        if party.is_some_and(|party| self.is_revoked(&party)) {
            let message = "this certificate was revoked: enroll again";
            return Err(ApiError::new(ErrorCode::Revoked, message));
        }
        Ok(())
    }

    /// Whether a party was removed.
    pub(crate) fn is_revoked(&self, party: &Party) -> bool {
        self.revoked.contains(party)
    }

    /// What a peer may fetch.
    pub(crate) fn granted(&self, peer: &DistributionServerId) -> Option<&Granted> {
        self.peers.get(peer)
    }

    /// Whether a content is for clients too, and not only for servers that fetch from this one.
    pub(crate) fn offers(&self, content: &ContentId) -> bool {
        self.clients.has(content)
    }

    /// Whether grants and revocations are still to be believed.
    pub(crate) fn check_age(&self, now: Timestamp) -> Result<(), TrustError> {
        let (grants, revocations) = (&self.grants, &self.revocations);
        check_window(Grants::TYPE, grants.issued, grants.expires, now)?;
        check_window(Revocations::TYPE, revocations.issued, revocations.expires, now)
    }
}

fn usable_parent(peer: &PeerAddress, of_root: bool) -> Option<Parent> {
    let (url, name, is_fallback) = (usable_address(peer)?, peer.name.clone(), peer.fallback);
    Some(Parent { id: peer.id, name, url, is_fallback, is_below: of_root && is_fallback })
}

fn usable_address(peer: &PeerAddress) -> Option<BaseUrl> {
    let unusable = |error: &_| {
        tracing::warn!(dp.id = %peer.id, %error, "a server's address cannot be used");
    };
    peer.url.parse().inspect_err(unusable).ok()
}
