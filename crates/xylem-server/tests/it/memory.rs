//! The control link on the memory store: the same router that simulations run.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use tower::ServiceExt;
use xylem_api::control::{
    Author, ChangeFile, ControlState, DeclareReceived, DescriptorPage, FileChange, FileChanged,
};
use xylem_api::digests::{DigestsWanted, ReportedDigests};
use xylem_api::ingest::{Committed, Ingested};
use xylem_http::Peer;
use xylem_model::{
    AccountAccess, AccountName, ContentId, DistributionServerId, FileKind, FileName, ParentPolicy,
    Party, Priority, TreeError, UploadId,
};
use xylem_pki::{Fingerprint, PeerCertificate};
use xylem_runtime::{Environment, ManualClock, Shutdown};
use xylem_server::{ControlService, MemoryUpload, MemoryWishStore, control_router};
use xylem_trust::{
    Account, DescriptorId, Envelope, Grants, SigningKey, TrustDocument, TrustStore, set_root,
};

use crate::digests::computed;
use crate::harness::{START, descriptor, found, present, report, sha256};

struct Simulated {
    store: Arc<MemoryWishStore>,
    router: Router,
    trust: TrustStore,
}

fn id(n: u8) -> DistributionServerId {
    DistributionServerId::from_parts(u64::from(n), &[n; 10])
}

impl Simulated {
    fn start() -> Self {
        let environment =
            Environment { clock: Arc::new(ManualClock::new(START)), ..Environment::real() };
        let (root, online) =
            (SigningKey::from_seed(&[1; 32]).unwrap(), SigningKey::from_seed(&[2; 32]).unwrap());
        let document = TrustDocument {
            version: 1,
            issued: START,
            expires: START.plus(std::time::Duration::from_secs(1_000_000)),
            root_keys: vec![root.public().clone()],
            threshold: 1,
            online_keys: vec![online.public().clone()],
        };
        let trust = TrustStore::pin(Envelope::sign(&document, &[&root]).unwrap()).unwrap();
        let store = Arc::new(MemoryWishStore::new());
        store.enroll_server(id(1), "root", "https://root", None).unwrap();
        store.enroll_server(id(2), "north", "https://north", Some(id(1))).unwrap();
        let service = ControlService::new(
            environment,
            store.clone(),
            Arc::new(online),
            trust.clone(),
            Shutdown::new(),
        );
        Self { store, router: control_router(&service), trust }
    }

    async fn call<A: DeserializeOwned>(
        &self,
        server: u8,
        request: http::request::Builder,
        body: Option<&impl serde::Serialize>,
    ) -> Result<A, StatusCode> {
        let request = request.header("content-type", "application/json");
        let body = body.map_or(Body::empty(), |body| serde_json::to_vec(body).unwrap().into());
        let mut request = request.body(body).unwrap();
        let certificate = Some(PeerCertificate {
            party: Party::DistributionServer(id(server)),
            serial_hex: "01".into(),
            not_before: START,
            not_after: START,
            fingerprint: Fingerprint::of(b""),
        });
        let address = SocketAddr::from(([10, 0, 0, server], 1));
        request.extensions_mut().insert(Peer { address, certificate: certificate.map(Arc::new) });
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        if !status.is_success() {
            return Err(status);
        }
        let text: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        Ok(serde_json::from_slice(text).unwrap())
    }

    async fn get<A: DeserializeOwned>(&self, server: u8, path: &str) -> Result<A, StatusCode> {
        self.call(server, Request::get(path), None::<&()>).await
    }

    async fn upload(&self, n: u8, name: &str, bytes: &[u8]) -> Result<Committed, StatusCode> {
        let upload = UploadId::from_parts(u64::from(n), &[n; 10]);
        self.store.declare_upload(MemoryUpload {
            id: upload,
            name: FileName::new(name).unwrap(),
            kind: FileKind::Package,
            size: bytes.len() as u64,
            priority: Priority::Bulk,
            blake3: Some(ContentId::of(bytes)),
            sha256: Some(sha256(bytes)),
            replace: true,
            server: id(1),
        });
        let post = |what: &str| Request::post(format!("/v1/control/uploads/{upload}/{what}"));
        let committed = self.call(1, post("ingested"), Some(&found(bytes))).await?;
        self.call::<()>(1, post("published"), Some(&())).await?;
        assert!(self.store.is_published(upload));
        Ok(committed)
    }
}

#[tokio::test]
async fn the_memory_store_carries_an_upload_from_declaration_to_every_head() {
    let simulated = Simulated::start();
    let first = simulated.upload(1, "a.pkg", b"one").await.unwrap();
    let second = simulated.upload(2, "a.pkg", b"two").await.unwrap();
    assert_ne!(first.descriptor, second.descriptor);
    assert_eq!(descriptor(&second).priority, Priority::Bulk);
    for server in [1, 2] {
        let state: ControlState = simulated.get(server, "/v1/control/state").await.unwrap();
        let head = simulated.trust.open_head(&state.head, None, START).unwrap();
        assert_eq!((head.server, head.count), (id(server), 1));
        assert_eq!(head.set_root, set_root([DescriptorId::of(&second.descriptor)]));
        let path = "/v1/control/descriptors?epoch=0&since=0";
        let page: DescriptorPage = simulated.get(server, path).await.unwrap();
        assert_eq!((page.full, &page.descriptors[..]), (true, &[second.descriptor.clone()][..]));
        assert_eq!(page.stamp, head.stamp);
    }
    simulated.store.delete_file(&FileName::new("a.pkg").unwrap());
    let path = "/v1/control/descriptors?epoch=1&since=3";
    let page: DescriptorPage = simulated.get(2, path).await.unwrap();
    assert_eq!((page.full, page.removed.len(), page.removed[0].version), (false, 1, 2));
}

#[tokio::test]
async fn the_memory_store_knows_several_parents_and_their_order() {
    let simulated = Simulated::start();
    simulated.store.enroll_server(id(3), "south", "https://south", Some(id(1))).unwrap();
    simulated.store.enroll_server(id(4), "leaf", "https://leaf", Some(id(1))).unwrap();
    simulated.store.set_parents(id(4), &[id(3), id(2)]).unwrap();
    simulated.store.change_settings(id(4), |it| it.parent_policy = ParentPolicy::ByHash);
    let state: ControlState = simulated.get(4, "/v1/control/state").await.unwrap();
    let told: Vec<_> = state.parents.iter().map(|parent| parent.id).collect();
    assert_eq!(
        (told, state.settings.parent_policy),
        (vec![id(3), id(2), id(1)], ParentPolicy::ByHash)
    );
    assert_eq!(simulated.store.set_parents(id(2), &[id(4)]), Err(TreeError::Cycle));
}

#[tokio::test]
async fn the_memory_store_forgets_nobody_it_removed() {
    let simulated = Simulated::start();
    assert!(simulated.get::<ControlState>(2, "/v1/control/state").await.is_ok());
    simulated.store.remove_server(id(2)).unwrap();
    let refused = simulated.get::<ControlState>(2, "/v1/control/state").await;
    assert_eq!(refused.unwrap_err(), StatusCode::FORBIDDEN);
    assert!(simulated.get::<ControlState>(9, "/v1/control/state").await.is_err());
}

#[tokio::test]
async fn reports_reach_the_memory_store_and_a_state_ahead_begins_an_epoch() {
    let simulated = Simulated::start();
    let post = || Request::post("/v1/control/report");
    let told = report(xylem_model::Stamp::new(1, 1), vec![present(b"one")]);
    simulated.call::<()>(2, post(), Some(&told)).await.unwrap();
    assert!(simulated.store.copy(id(2), ContentId::of(b"one")).is_some());
    let state: ControlState = simulated.get(2, "/v1/control/state").await.unwrap();
    assert!(state.may_remove);
    let ahead = report(xylem_model::Stamp::new(4, 900), Vec::new());
    simulated.call::<()>(2, post(), Some(&ahead)).await.unwrap();
    let state: ControlState = simulated.get(2, "/v1/control/state").await.unwrap();
    let head = simulated.trust.open_head(&state.head, None, START).unwrap();
    assert_eq!((head.stamp.epoch.0, state.may_remove), (5, false));
}

#[tokio::test]
async fn the_memory_store_carries_what_accounts_do() {
    let simulated = Simulated::start();
    let writer = Account {
        name: AccountName::new("writer").unwrap(),
        access: AccountAccess::Write,
        passwords: vec!["$argon2id$".into()],
    };
    simulated.store.set_account(id(2), writer.clone());
    simulated.store.change_settings(id(2), |it| it.open_to_all = true);
    let state: ControlState = simulated.get(2, "/v1/control/state").await.unwrap();
    let grants: Grants = simulated.trust.open(&state.grants, START).unwrap();
    assert_eq!((grants.accounts, grants.open_to_all), (vec![writer.clone()], true));
    assert_eq!(state.principal.unwrap().id, id(1));

    let author = Author { account: writer.name.clone(), server: id(2) };
    let (a, b) = (FileName::new("a.pkg").unwrap(), FileName::new("b.pkg").unwrap());
    let sent = DeclareReceived {
        upload: UploadId::from_parts(9, &[9; 10]),
        kind: FileKind::Package,
        name: a.clone(),
        size: 3,
        author: author.clone(),
    };
    let declare = || Request::post("/v1/control/uploads");
    for _ in 0..2 {
        simulated.call::<()>(1, declare(), Some(&sent)).await.unwrap();
    }
    let not_ingest = simulated.call::<()>(2, declare(), Some(&sent)).await;
    assert_eq!(not_ingest.unwrap_err(), StatusCode::FORBIDDEN);
    let path = format!("/v1/control/uploads/{}/ingested", sent.upload);
    let no_index = serde_json::json!({ "index": { "entries": 1 } });
    let unbelievable = Ingested { inspection: no_index, ..found(b"one") };
    let refused = simulated.call::<Committed>(1, Request::post(&path), Some(&unbelievable)).await;
    assert_eq!(refused.unwrap_err(), StatusCode::BAD_REQUEST);
    simulated.call::<Committed>(1, Request::post(path), Some(&found(b"one"))).await.unwrap();
    simulated.upload(2, "b.pkg", b"two").await.unwrap();

    let change = async |name: &FileName, change: FileChange| {
        let (kind, name, author) = (FileKind::Package, name.clone(), author.clone());
        let asked = ChangeFile { kind, name, change, author };
        simulated.call::<FileChanged>(2, Request::post("/v1/control/files"), Some(&asked)).await
    };
    let onto = |to: &FileName, replace| FileChange::Rename { to: to.clone(), replace };
    let taken = change(&a, onto(&b, false)).await;
    assert_eq!(taken.unwrap_err(), StatusCode::CONFLICT);
    change(&a, onto(&b, true)).await.unwrap();
    assert_eq!(simulated.store.file(&a), None);
    let there = simulated.store.file(&b).unwrap();
    assert_eq!((there.version, there.content), (2, ContentId::of(b"one")));
    change(&b, onto(&a, false)).await.unwrap();
    let there = simulated.store.file(&a).unwrap();
    assert_eq!((there.version, there.name.clone()), (3, a.clone()));
    change(&a, FileChange::Copy { to: b.clone(), replace: false }).await.unwrap();
    assert_eq!(simulated.store.file(&b).unwrap().version, 1);
    let done = change(&b, FileChange::Delete).await.unwrap();
    let state: ControlState = simulated.get(1, "/v1/control/state").await.unwrap();
    let head = simulated.trust.open_head(&state.head, None, START).unwrap();
    assert_eq!((head.stamp, head.count), (done.stamp, 1));
    simulated.store.remove_account(id(2), &writer.name);
    assert_eq!(change(&a, FileChange::Delete).await.unwrap_err(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_memory_store_asks_for_digests_and_takes_them_once() {
    let simulated = Simulated::start();
    simulated.upload(1, "a.pkg", b"one").await.unwrap();
    let content = ContentId::of(b"one");
    let wanted = async |server: u8| -> Vec<ContentId> {
        simulated.get::<DigestsWanted>(server, "/v1/control/digests").await.unwrap().contents
    };
    assert!(wanted(1).await.is_empty(), "nobody said yet that it holds it");
    for server in [1, 2] {
        let told = report(xylem_model::Stamp::new(1, 1), vec![present(b"one")]);
        let post = Request::post("/v1/control/report");
        simulated.call::<()>(server, post, Some(&told)).await.unwrap();
    }
    assert_eq!((wanted(1).await, wanted(2).await), (vec![content], vec![]));
    let tell = async |server: u8, told: &ReportedDigests| {
        let post = Request::post(format!("/v1/control/digests/{content}"));
        simulated.call::<()>(server, post, Some(told)).await
    };
    let good = ReportedDigests::from(&computed(b"one"));
    let of_other_bytes = ReportedDigests::from(&computed(b"two"));
    assert_eq!(tell(1, &of_other_bytes).await.unwrap_err(), StatusCode::CONFLICT);
    tell(1, &good).await.unwrap();
    tell(2, &good).await.unwrap();
    let other = ReportedDigests { md5: xylem_model::Md5::from_bytes([9; 16]), ..good };
    assert_eq!(tell(1, &other).await.unwrap_err(), StatusCode::CONFLICT);
    assert_eq!(simulated.store.digests(content), Some(computed(b"one")));
    assert!(wanted(1).await.is_empty());
}
