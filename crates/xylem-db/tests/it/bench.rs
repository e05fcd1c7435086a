//! What the cases work with: databases to open, ids, and short forms of common steps.

use std::sync::atomic::{AtomicU64, Ordering};

use sea_orm::ConnectionTrait;
use serde_json::json;
use tempfile::TempDir;
use xylem_db::{
    Actor, Commit, Database, Declaration, IngestResult, NewComputer, NewDistributionServer,
    NewUpload, Upload, Version, VersionFacts,
};
use xylem_model::{
    ComputerId, ContentId, DistributionServerId, FileId, FileKind, FileName, Priority, Sha256,
    Timestamp, UploadId,
};

/// One case's databases. They are gone when it is dropped.
pub(crate) struct Bench {
    /// The database under test, empty and not yet opened.
    pub(crate) url: String,
    folder: TempDir,
}

impl Bench {
    /// A case on SQLite.
    pub(crate) fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = sqlite_url(&folder, "xylem.db");
        Self { url, folder }
    }

    /// A case on another database.
    pub(crate) fn on(url: String) -> Self {
        Self { url, folder: tempfile::tempdir().unwrap() }
    }

    /// Opens the database under test; again for another program on the same database.
    pub(crate) async fn open(&self) -> Database {
        Database::connect(&self.url).await.unwrap()
    }

    /// Opens an SQLite database beside it.
    pub(crate) async fn open_beside(&self, name: &str) -> Database {
        Database::connect(&sqlite_url(&self.folder, name)).await.unwrap()
    }

    /// Does to the database under test what the crate never would.
    pub(crate) async fn tamper(&self, sql: &str) {
        let connection = sea_orm::Database::connect(&self.url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn sqlite_url(folder: &TempDir, name: &str) -> String {
    format!("sqlite://{}", folder.path().join(name).display())
}

/// A new id.
pub(crate) fn id<Id>(from_parts: impl FnOnce(u64, &[u8; 10]) -> Id) -> Id {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut random = [7; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    from_parts(n, &random)
}

/// A moment.
pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

/// Runs a piece of work many times at once, each with its number; gives the results in order.
pub(crate) async fn in_parallel<T, F>(times: u32, work: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..times).map(|n| tokio::spawn(work(n))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

pub(crate) fn admin() -> Actor {
    Actor::new("token:admin")
}

pub(crate) fn name(text: &str) -> FileName {
    FileName::new(text).unwrap()
}

/// Stands in for SHA-256 where any digest will do.
pub(crate) fn sha256_of(bytes: &[u8]) -> Sha256 {
    let mut digest = *ContentId::of(bytes).as_bytes();
    digest.reverse();
    Sha256::from_bytes(digest)
}

pub(crate) fn found(bytes: &[u8]) -> IngestResult {
    IngestResult {
        root_epoch: None,
        knows_marks: true,
        server: None,
        size: bytes.len() as u64,
        blake3: ContentId::of(bytes),
        sha256: sha256_of(bytes),
        inspection: json!({ "identifier": "org.example.tool" }),
        index: None,
    }
}

/// A "signature" that shows what was signed.
#[expect(clippy::unnecessary_wraps, reason = "the shape commit_upload asks for")]
pub(crate) fn sign(facts: &VersionFacts) -> Result<Vec<u8>, std::io::Error> {
    let text = format!("{} {} {} {}", facts.name, facts.number, facts.content, facts.stamp);
    Ok(text.into_bytes())
}

pub(crate) async fn enroll(db: &Database, name: &str) -> DistributionServerId {
    let new = new_server(name);
    db.enroll_distribution_server(&new, &admin(), at(1)).await.unwrap();
    new.id
}

pub(crate) fn new_server(name: &str) -> NewDistributionServer {
    NewDistributionServer {
        id: id(DistributionServerId::from_parts),
        name: name.into(),
        site: None,
        public_url: format!("https://{name}.example"),
        parent: None,
    }
}

pub(crate) async fn enroll_computer(db: &Database, name: &str) -> ComputerId {
    let id = id(ComputerId::from_parts);
    let new = NewComputer { id, name: name.into(), serial_number: None, site: None };
    db.enroll_computer(&new, &admin(), at(1)).await.unwrap();
    id
}

/// A declaration of these bytes under this name.
pub(crate) fn declaration(
    server: DistributionServerId,
    file_name: &str,
    bytes: &[u8],
) -> NewUpload {
    NewUpload {
        id: id(UploadId::from_parts),
        kind: FileKind::Package,
        name: name(file_name),
        size: bytes.len() as u64,
        priority: Priority::Normal,
        blake3: Some(ContentId::of(bytes)),
        sha256: Some(sha256_of(bytes)),
        replace: false,
        test: false,
        site: None,
        category: None,
        server,
        expires: at(1_000_000),
    }
}

pub(crate) async fn declare(db: &Database, new: &NewUpload) -> Upload {
    match db.declare_upload(new, &admin(), at(10)).await.unwrap() {
        Declaration::Declared(upload) => *upload,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn commit(db: &Database, upload: UploadId, bytes: &[u8]) -> Version {
    let file = id(FileId::from_parts);
    match db.commit_upload(upload, &found(bytes), file, at(20), sign).await.unwrap() {
        Commit::Committed(version) => *version,
        Commit::Failed(upload) => panic!("{upload:?}"),
    }
}

/// The whole way of a file, from declaration to publication.
pub(crate) async fn publish(db: &Database, new: &NewUpload, bytes: &[u8]) -> Version {
    declare(db, new).await;
    let version = commit(db, new.id, bytes).await;
    db.mark_published(new.id, at(30)).await.unwrap();
    version
}
