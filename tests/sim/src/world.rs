//! Keys, certificates and records that exist before a run begins.

use std::sync::Arc;
use std::time::Duration;

use xylem_ca::{Authority, DISTRIBUTION_SERVER_LIFETIME, LeafRequest};
use xylem_model::{
    ContentId, DistributionServerId, FileKind, FileName, Party, Priority, Sha256, UploadId,
};
use xylem_pki::{LeafNames, TrustAnchors};
use xylem_runtime::{SystemRng, random_array};
use xylem_server::{MemoryUpload, MemoryWishStore};
use xylem_trust::{Envelope, Operation, SigningKey, Ticket, TrustDocument, TrustStore};

use crate::environment::beginning;

/// Where every host listens.
pub(crate) const PORT: u16 = 8443;

/// The management server's host.
pub(crate) const SERVER: &str = "server";

/// The distribution servers, each with its parent.
pub(crate) const SERVERS: [(&str, Option<&str>); 3] =
    [("root", None), ("child", Some("root")), ("grandchild", Some("child"))];

/// How long tickets are good for.
const TICKET: Duration = Duration::from_secs(600);

/// Name, id, key and certificate in PEM.
type Member = (&'static str, DistributionServerId, String);

/// What everybody in a run is born with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) anchors: TrustAnchors,
    pub(crate) trust: TrustStore,
    pub(crate) signer: Arc<SigningKey>,
    /// Stands for the database, which survives crashes of its server.
    pub(crate) store: Arc<MemoryWishStore>,
    /// The management server's key and certificate, in PEM.
    pub(crate) server: Arc<str>,
    /// Each distribution server with its key and certificate, in PEM.
    pub(crate) members: Arc<Vec<Member>>,
}

impl World {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let now = beginning();
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
        for (number, (name, parent)) in SERVERS.into_iter().enumerate() {
            let id = DistributionServerId::from_parts(number as u64 + 1, &[number as u8; 10]);
            let parent = parent.and_then(|parent| {
                members.iter().find(|(name, ..)| *name == parent).map(|(_, id, _)| *id)
            });
            store.enroll_server(id, name, &format!("https://{name}:{PORT}"), parent)?;
            members.push((name, id, leaf(Party::DistributionServer(id), name)?));
        }

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
            server: leaf(Party::ManagementServer(uuid::Uuid::from_u128(1)), SERVER)?.into(),
            members: Arc::new(members),
        })
    }

    /// Announces an upload to the root, as the management server would, and gives its ticket.
    pub(crate) fn declare(
        &self,
        upload: UploadId,
        name: &FileName,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let root = self.members.first().map(|(_, id, _)| *id);
        self.store.declare_upload(MemoryUpload {
            id: upload,
            name: name.clone(),
            kind: FileKind::Package,
            size: bytes.len() as u64,
            priority: Priority::Normal,
            blake3: Some(ContentId::of(bytes)),
            sha256: Some(sha256(bytes)),
            replace: false,
            server: root.ok_or_else(|| anyhow::anyhow!("no root"))?,
        });
        Ok(())
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
