//! Keys, certificates and records that exist before a run begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use xylem_ca::{Authority, DISTRIBUTION_SERVER_LIFETIME, LeafRequest};
use xylem_model::{
    ContentId, DistributionServerId, FileKind, FileName, Party, Priority, Sha256, UploadId,
};
use xylem_pki::{LeafNames, TrustAnchors};
use xylem_runtime::{SystemRng, random_array};
use xylem_server::{MemoryUpload, MemoryWishStore, WishStore as _};
use xylem_trust::{Envelope, Operation, SigningKey, Ticket, TrustDocument, TrustStore};

use crate::cloud::{CLOUD_SEEDS, Cloud};
use crate::environment::beginning;
use crate::machine::{Machine, Planted};
use crate::watched::Seen;

/// Where every host listens.
pub(crate) const PORT: u16 = 8443;

/// The management server's host.
pub(crate) const SERVER: &str = "server";

/// Names of the distribution servers; a run takes the first few. The root comes first.
const NAMES: [&str; 20] = [
    "root", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13",
    "s14", "s15", "s16", "s17", "s18", "s19",
];

/// The smallest tree: one chain, or two children.
const FEWEST_SERVERS: usize = 3;

/// Servers on one path from the root down, when the tree is made; changes may lengthen it.
const DEEPEST: usize = 6;

/// How likely one of the relays lies: its disk flips bits and it does not verify.
const CORRUPT_RELAY: f64 = 0.3;

/// How long tickets are good for.
const TICKET: Duration = Duration::from_secs(600);

/// A distribution server of a run.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) id: DistributionServerId,
    /// Its key and certificate, in PEM.
    pub(crate) identity: Arc<str>,
    pub(crate) machine: Arc<Machine>,
}

/// What everybody in a run is born with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) anchors: TrustAnchors,
    pub(crate) trust: TrustStore,
    pub(crate) signer: Arc<SigningKey>,
    /// Stands for the database, which survives crashes of its server.
    pub(crate) store: Arc<MemoryWishStore>,
    /// What the planted fault of a forgetful store remembers.
    pub(crate) seen: Seen,
    /// Uploads as they were announced.
    uploads: Arc<Mutex<BTreeMap<UploadId, MemoryUpload>>>,
    /// The management server's key and certificate, in PEM.
    pub(crate) server: Arc<str>,
    /// The distribution servers, the root first.
    pub(crate) members: Arc<Vec<Member>>,
    /// The relay that lies, where there is one.
    pub(crate) corrupt: Option<usize>,
    /// What the management server runs on.
    pub(crate) server_machine: Arc<Machine>,
    /// What all people use: their clocks are right.
    pub(crate) people_machine: Arc<Machine>,
    /// The cloud distribution point, where there is one.
    pub(crate) cloud: Option<Arc<Cloud>>,
}

impl World {
    pub(crate) fn make(seed: u64, planted: Option<Planted>) -> anyhow::Result<Self> {
        let now = beginning();
        let mut dice = StdRng::seed_from_u64(seed ^ 0x77ee);
        let authority = Authority::create("Simulation", now, Arc::new(SystemRng))?;
        let leaf = |party: Party, host: &str| -> anyhow::Result<String> {
            let request = LeafRequest {
                party,
                common_name: host.to_owned(),
                hosts: LeafNames::from_hosts([host])?,
                lifetime: DISTRIBUTION_SERVER_LIFETIME,
                server_auth: true,
            };
            Ok(authority.issue_own(&request, now)?.to_pem())
        };

        let store = Arc::new(MemoryWishStore::new());
        let mut members: Vec<Member> = Vec::new();
        let parents = draw_tree(&mut dice);
        for (number, (name, parent)) in NAMES.into_iter().zip(&parents).enumerate() {
            let id = DistributionServerId::from_parts(number as u64 + 1, &[number as u8; 10]);
            let parent = parent.and_then(|parent| members.get(parent)).map(|parent| parent.id);
            store.enroll_server(id, name, &format!("https://{name}:{PORT}"), parent)?;
            let identity = leaf(Party::DistributionServer(id), name)?.into();
            members.push(Member { name, id, identity, machine: Machine::new(planted) });
        }
        let relays: Vec<usize> = parents.iter().flatten().copied().filter(|at| *at > 0).collect();
        let corrupt = if dice.random_bool(CORRUPT_RELAY) && !relays.is_empty() {
            relays.get(dice.random_range(0..relays.len())).copied()
        } else {
            None
        };

        let has_cloud = match planted {
            Some(planted) => planted.is_of_cloud(),
            None => seed.is_multiple_of(CLOUD_SEEDS),
        };
        let cloud = has_cloud.then(|| Cloud::make(seed, &mut dice)).transpose()?;

        let root_key = SigningKey::from_seed(&random_array::<32>(&SystemRng))?;
        let signer = SigningKey::from_seed(&random_array::<32>(&SystemRng))?;
        let document = TrustDocument {
            version: 1,
            issued: now,
            expires: now.plus(Duration::from_secs(365 * 24 * 3600)),
            root_keys: vec![root_key.public().clone()],
            threshold: 1,
            online_keys: vec![signer.public().clone()],
        };
        Ok(Self {
            anchors: TrustAnchors::from_pem(authority.root_pem().as_bytes())?,
            trust: TrustStore::pin(Envelope::sign(&document, &[&root_key])?)?,
            signer: Arc::new(signer),
            store,
            seen: Seen::default(),
            uploads: Arc::default(),
            server: leaf(Party::ManagementServer(uuid::Uuid::from_u128(1)), SERVER)?.into(),
            members: Arc::new(members),
            corrupt,
            server_machine: Machine::new(planted),
            people_machine: Machine::new(None),
            cloud,
        })
    }

    /// All machines.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &Arc<Machine>> {
        let own = [&self.server_machine, &self.people_machine];
        let cloud = self.cloud.iter().map(|cloud| &cloud.machine);
        own.into_iter().chain(self.members.iter().map(|member| &member.machine)).chain(cloud)
    }

    /// Uploads as they were announced.
    pub(crate) fn uploads(&self) -> MutexGuard<'_, BTreeMap<UploadId, MemoryUpload>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server by its id.
    pub(crate) fn member(&self, id: DistributionServerId) -> Option<(usize, &Member)> {
        self.members.iter().enumerate().find(|(_, member)| member.id == id)
    }

    /// Announces an upload to the principal, as the management server would. Gives the principal.
    pub(crate) async fn declare(
        &self,
        upload: UploadId,
        name: &FileName,
        bytes: &[u8],
    ) -> anyhow::Result<&Member> {
        let servers = self.store.overview().await?.servers;
        let principal = servers.into_iter().find(|server| server.is_principal);
        let principal = principal.and_then(|it| self.member(it.id)).map(|(_, member)| member);
        let principal = principal.ok_or_else(|| anyhow::anyhow!("no principal"))?;
        let declared = MemoryUpload {
            id: upload,
            name: name.clone(),
            kind: FileKind::Package,
            size: bytes.len() as u64,
            priority: Priority::Normal,
            blake3: Some(ContentId::of(bytes)),
            sha256: Some(sha256(bytes)),
            replace: true,
            server: principal.id,
        };
        self.uploads().insert(upload, declared.clone());
        if let Some(cloud) = &self.cloud {
            cloud.seen().announce(ContentId::of(bytes));
        }
        self.store.declare_upload(declared);
        Ok(principal)
    }

    /// Where an upload goes, as the management server would say.
    pub(crate) async fn ingest_server(&self, upload: UploadId) -> anyhow::Result<&Member> {
        let server = self.store.ingest_server(upload).await?;
        let member = self.member(server).map(|(_, member)| member);
        member.ok_or_else(|| anyhow::anyhow!("the ingest server is gone"))
    }

    /// A ticket to send an upload.
    pub(crate) fn ingest_ticket(
        &self,
        upload: UploadId,
        name: &FileName,
        bytes: &[u8],
        now: xylem_model::Timestamp,
    ) -> anyhow::Result<String> {
        let operation = Operation::Ingest {
            upload,
            size: bytes.len() as u64,
            content: Some(ContentId::of(bytes)),
            sha256: Some(sha256(bytes)),
            name: name.clone(),
            kind: FileKind::Package,
        };
        self.ticket(operation, now)
    }

    /// A ticket to read a content.
    pub(crate) fn read_ticket(
        &self,
        content: ContentId,
        now: xylem_model::Timestamp,
    ) -> anyhow::Result<String> {
        self.ticket(Operation::Read { content }, now)
    }

    fn ticket(&self, operation: Operation, now: xylem_model::Timestamp) -> anyhow::Result<String> {
        let ticket = Ticket { operation, holder: None, issued: now, expires: now.plus(TICKET) };
        Ok(Envelope::sign(&ticket, &[&self.signer])?.to_header())
    }
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut copy = [0; 32];
    copy.copy_from_slice(digest.as_ref());
    Sha256::from_bytes(copy)
}

/// For each server the position of its parent. Small trees are many, so that seeds are quick;
/// each size up to the largest occurs.
fn draw_tree(dice: &mut StdRng) -> Vec<Option<usize>> {
    let share: f64 = dice.random();
    let more = (share.powi(3) * (NAMES.len() - FEWEST_SERVERS + 1) as f64) as usize;
    let count = (FEWEST_SERVERS + more).min(NAMES.len());
    let mut parents: Vec<Option<usize>> = vec![None];
    let mut depths = vec![1];
    while parents.len() < count {
        let parent = dice.random_range(0..parents.len());
        let depth = depths.get(parent).copied().unwrap_or(DEEPEST) + 1;
        if depth <= DEEPEST {
            parents.push(Some(parent));
            depths.push(depth);
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_every_size_are_drawn_and_hang_together() {
        let mut sizes = std::collections::BTreeSet::new();
        for seed in 0..2_000 {
            let parents = draw_tree(&mut StdRng::seed_from_u64(seed));
            sizes.insert(parents.len());
            for (at, parent) in parents.iter().enumerate() {
                assert_eq!(parent.is_none(), at == 0);
                assert!(parent.is_none_or(|parent| parent < at));
            }
        }
        assert_eq!(sizes, (FEWEST_SERVERS..=NAMES.len()).collect());
    }
}
