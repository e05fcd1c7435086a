//! `GET /v1/control/state`: the signed head, grants and revocations of one server.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::control::{ControlState, PeerAddress};
use xylem_http::ApiError;
use xylem_model::{ContentId, DistributionServerId, FileId, Generation, Party, Stamp, Timestamp};
use xylem_sync::{FileFacts, Holdings, ServerSettings};
use xylem_trust::{DescriptorId, Document, Envelope, Grant, Grants, Head, Revocations};

use super::ControlService;
use super::links::Links;
use super::selections::{Digested, FileEntry, Files, Selections, Set, count, entries};
use crate::extract::ApiQuery;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::wish::{Overview, ServerWish, WantedVersion, WishStore};

/// How long signed documents of state are believed without a newer one.
pub(crate) const DOCUMENT_LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The age from which on they are signed anew, changed or not.
const RESIGN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Rows read from the store at a time.
const READ_PAGE: u64 = 500;

/// How often a reading is begun again because the state moved meanwhile, before what was read is
/// answered with: the reader notices and comes back.
const READ_TRIES: u32 = 8;

/// What is wished, as of one stamp, and what was signed of it.
#[derive(Default)]
pub(super) struct Documents {
    overview: Option<Overview>,
    links: Links,
    holdings: Arc<Holdings>,
    /// How far `files` has followed.
    read_to: Stamp,
    files: BTreeMap<FileId, Wanted>,
    /// Of all versions that are to be held, for servers that know of marks.
    selections: Selections,
    /// Of those without a mark alone, for servers that do not.
    unmarked: Selections,
    /// The servers that asked last as those do that know of no marks.
    without_marks: HashSet<DistributionServerId>,
    /// What was signed for a server, and whether with marked versions.
    signed: HashMap<(DistributionServerId, bool), Signed>,
}

struct Wanted {
    facts: FileFacts,
    versions: Vec<WantedId>,
}

/// One version that is to be held.
struct WantedId {
    descriptor: DescriptorId,
    content: ContentId,
    is_marked: bool,
}

/// The versions that a server is told of: all, or those without a mark.
struct View<'a> {
    files: &'a BTreeMap<FileId, Wanted>,
    marks: bool,
}

impl Files for View<'_> {
    fn files(&self) -> impl Iterator<Item = FileEntry<'_>> {
        let marks = self.marks;
        self.files.values().flat_map(move |wanted| {
            let told = wanted.versions.iter().filter(move |it| marks || !it.is_marked);
            told.map(move |it| FileEntry {
                facts: &wanted.facts,
                descriptor: it.descriptor,
                content: it.content,
            })
        })
    }
}

/// What the caller knows of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Known {
    /// Whether it is to be told of versions with a mark; not where left out, as by servers of an
    /// earlier program.
    #[serde(default)]
    marks: bool,
}

impl WantedId {
    fn of(wanted: WantedVersion) -> Result<Self, Failure> {
        let envelope = Envelope::from_bytes(&wanted.descriptor)?;
        Ok(Self {
            descriptor: DescriptorId::of(&envelope),
            content: wanted.content,
            is_marked: wanted.mark.is_some(),
        })
    }
}

struct Signed {
    issued: Timestamp,
    head: Envelope,
    grants: Envelope,
    revocations: Envelope,
}

/// What this server must know, but the descriptors.
#[utoipa::path(
    get, path = "/v1/control/state", tag = "control", params(Known),
    responses((status = 200, description = "The state of this server.", body = ControlState))
)]
pub(super) async fn control_state(
    State(service): State<ControlService>,
    caller: Caller,
    ApiQuery(known): ApiQuery<Known>,
) -> Result<Json<ControlState>, Failure> {
    let id = caller.distribution_server()?;
    let mut documents = service.inner.documents.lock().await;
    documents.follow(service.store()).await?;
    if known.marks {
        documents.without_marks.remove(&id);
    } else {
        documents.without_marks.insert(id);
    }
    let now = service.environment().clock.now();
    documents.sign(&service, id, known.marks, now)?;
    let state = documents.state_of(id, known.marks, &service);
    Ok(Json(state.ok_or_else(|| {
        Failure::new(
            xylem_api::error::ErrorCode::NotFound,
            "this distribution server was removed while it asked",
        )
    })?))
}

impl Documents {
    /// Catches up with the store. Ends in a state that held at one moment, unless the store
    /// changes faster than it can be read.
    pub(super) async fn follow(&mut self, store: &dyn WishStore) -> Result<(), Failure> {
        for _ in 0..READ_TRIES {
            let stamp = store.stamp().await?;
            if self.overview.as_ref().is_some_and(|known| known.stamp == stamp) {
                return Ok(());
            }
            let overview = store.overview().await?;
            if self.read_files(store, overview.stamp).await? {
                // The same selection is another set now.
                self.selections.forget();
                self.unmarked.forget();
            }
            self.signed.clear();
            let settled = self.read_to == overview.stamp;
            self.links = Links::of(&overview);
            self.holdings = Arc::new(overview.holdings());
            self.overview = Some(overview);
            if settled {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What was followed, but the files.
    pub(super) const fn overview(&self) -> Option<&Overview> {
        self.overview.as_ref()
    }

    /// Follows the files to a state; whether any changed.
    async fn read_files(&mut self, store: &dyn WishStore, newest: Stamp) -> Result<bool, Failure> {
        let mut changed = false;
        if self.read_to.epoch != newest.epoch || self.read_to > newest {
            // A restore took back changes that were followed already.
            self.files.clear();
            changed = true;
            self.read_to = Stamp { epoch: newest.epoch, generation: Generation(0) };
        }
        let mut since = self.read_to.generation;
        loop {
            let page = store.changes(since, READ_PAGE).await?;
            changed |= !page.wanted.is_empty() || !page.deleted.is_empty();
            for wanted in page.wanted {
                let facts = wanted.facts;
                let versions = wanted.versions.into_iter().map(WantedId::of);
                let versions = versions.collect::<Result<_, Failure>>()?;
                self.files.insert(facts.id, Wanted { facts, versions });
            }
            for deleted in page.deleted {
                self.files.remove(&deleted.file);
            }
            match page.next {
                Some(next) => since = next,
                None => {
                    self.read_to = page.stamp;
                    return Ok(changed);
                }
            }
        }
    }

    /// Makes sure that this server's documents are there and fresh, with marked versions or
    /// without.
    fn sign(
        &mut self,
        service: &ControlService,
        id: DistributionServerId,
        marks: bool,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let fresh =
            |signed: &Signed| now >= signed.issued && now.since(signed.issued) < RESIGN_AFTER;
        if self.signed.get(&(id, marks)).is_some_and(fresh) {
            return Ok(());
        }
        let Some(overview) = &self.overview else { return Ok(()) };
        let Some(server) = overview.server(id) else { return Ok(()) };
        let (stamp, issued, expires) = (overview.stamp, now, now.plus(DOCUMENT_LIFETIME));
        let Some(holding) = self.holdings.of(id) else { return Ok(()) };
        let all = &View { files: &self.files, marks };
        let selections = if marks { &mut self.selections } else { &mut self.unmarked };
        let held = selections.held(holding, all);
        let Digested { count, set_root } = selections.digest(&held, all);
        let head = Head { server: id, stamp, issued, expires, count, set_root };
        let peers = self.links.peers(id).iter().filter_map(|peer| {
            let needed = selections.held(self.holdings.of(*peer)?, all);
            // The root needs more than a server below it has, from which it mends itself.
            let there: Set = needed.iter().zip(held.iter()).map(|(a, b)| a & b).collect();
            Some(Grant { peer: *peer, entries: entries(&there, &held, all) })
        });
        let peers = peers.collect();
        let clients = entries(&selections.offered(holding, all), &held, all);
        let mut accounts = server.accounts.clone();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        let ServerSettings { open_to_all, client_certificates, .. } = server.settings;
        let grants = Grants {
            server: id,
            stamp,
            issued,
            expires,
            peers,
            accounts,
            open_to_all,
            client_certificates,
            clients,
        };
        let parties = overview.removed.clone();
        let revocations = Revocations { stamp, issued, expires, parties };
        let signed = Signed {
            issued,
            head: service.sign(&head)?,
            grants: service.sign(&grants)?,
            revocations: service.sign(&revocations)?,
        };
        self.signed.insert((id, marks), signed);
        Ok(())
    }

    fn state_of(
        &self,
        id: DistributionServerId,
        marks: bool,
        service: &ControlService,
    ) -> Option<ControlState> {
        let overview = self.overview.as_ref()?;
        let (server, signed) = (overview.server(id)?, self.signed.get(&(id, marks))?);
        let parents = self.links.parents(id).iter();
        Some(ControlState {
            trust: service.trust().envelope().clone(),
            head: signed.head.clone(),
            grants: signed.grants.clone(),
            revocations: signed.revocations.clone(),
            parents: parents
                // One that is set aside is refused, and so nobody is sent there.
                .filter(|id| !overview.removed.contains(&Party::DistributionServer(**id)))
                .filter_map(|id| overview.server(*id))
                .map(|it| overview.address(server, it))
                .collect(),
            principal: overview.principal_of(server),
            is_root: server.is_root,
            is_principal: server.is_principal,
            cloud_is_principal: overview.cloud_is_principal,
            root_epoch: Some(overview.root_epoch),
            may_remove: overview.may_remove,
            settings: server.settings.clone(),
            scrub_asked: server.scrub_asked,
            authorities: service.authorities(),
            public_chain: server.public_chain.clone(),
            public_url: Some(server.public_url.clone()),
            marks,
        })
    }
}

impl ControlService {
    /// What each server is to hold in the newest state.
    pub(crate) async fn holdings(&self) -> Result<Arc<Holdings>, Failure> {
        let mut documents = self.inner.documents.lock().await;
        documents.follow(self.store()).await?;
        Ok(Arc::clone(&documents.holdings))
    }

    /// Looks something up in the newest state.
    pub(crate) async fn looked_up<T>(
        &self,
        read: impl FnOnce(&Overview) -> T,
    ) -> Result<T, Failure> {
        let mut documents = self.inner.documents.lock().await;
        documents.follow(self.store()).await?;
        let overview = documents.overview().ok_or_else(|| {
            let doing = "looking up what is wished";
            Failure(ApiError::internal(doing, "nothing was read of the newest state"))
        })?;
        Ok(read(overview))
    }

    /// How many versions of files each server is to hold in the newest state, of those that it is
    /// told of. One that has not asked in this life of the process counts as one that knows of marks.
    pub(crate) async fn wanted_counts(
        &self,
    ) -> Result<HashMap<DistributionServerId, u64>, Failure> {
        let mut documents = self.inner.documents.lock().await;
        documents.follow(self.store()).await?;
        let Documents { holdings, files, selections, unmarked, without_marks, .. } =
            &mut *documents;
        let files = &*files;
        let counts = holdings.iter().map(|(id, holding)| {
            let marks = !without_marks.contains(&id);
            let selections = if marks { &mut *selections } else { &mut *unmarked };
            (id, count(&selections.held(holding, &View { files, marks })))
        });
        Ok(counts.collect())
    }

    /// Signs a document with the online key.
    pub(crate) fn sign<D: Document>(&self, document: &D) -> Result<Envelope, Failure> {
        Ok(Envelope::sign(document, &[self.signer()])?)
    }
}

impl Overview {
    /// Where a server hands on what is written to it; none for the principal itself.
    fn principal_of(&self, server: &ServerWish) -> Option<PeerAddress> {
        let principal = self.servers.iter().find(|other| other.is_principal)?;
        (principal.id != server.id).then(|| PeerAddress {
            id: principal.id,
            name: principal.name.clone(),
            url: principal.public_url.clone(),
            fallback: false,
        })
    }

    /// Where a server finds one that it fetches from, and whether only as a last resort: named
    /// parents come first.
    fn address(&self, child: &ServerWish, server: &ServerWish) -> PeerAddress {
        let is_named = self.tree.parents(child.id).contains(&server.id);
        PeerAddress {
            id: server.id,
            name: server.name.clone(),
            url: server.public_url.clone(),
            fallback: if child.is_root { !server.is_principal } else { !is_named },
        }
    }
}
