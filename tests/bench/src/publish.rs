//! Sending files to a fleet.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use aws_lc_rs::digest;
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;
use xylem_api::catalogue::UploadState;
use xylem_artifact::build::Source;
use xylem_client::{BaseUrl, ContentClient, full_body};
use xylem_model::{ContentId, Priority, Sha256};

use crate::fleet::{Fleet, KIND};

/// A file that was published.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Its content.
    pub content: ContentId,
    /// When its upload began.
    pub begun: Instant,
    /// When the request that completes its upload was answered.
    pub answered: Instant,
}

/// The unit in which a disk is as long as it is.
const SECTOR_BYTES: u64 = 512;

/// The first sector of a disk that has one partition, of no kind that anybody would look into.
#[must_use]
pub fn first_sector(bytes: u64) -> [u8; 512] {
    let mut sector = [0; SECTOR_BYTES as usize];
    let sectors = u32::try_from(bytes / SECTOR_BYTES).unwrap_or(u32::MAX);
    let fields: [(usize, &[u8]); 4] = [
        (450, &[0xda]),
        (454, &1_u32.to_le_bytes()),
        (458, &sectors.saturating_sub(1).to_le_bytes()),
        (510, &[0x55, 0xaa]),
    ];
    for (at, value) in fields {
        if let Some(field) = sector.get_mut(at..at + value.len()) {
            field.copy_from_slice(value);
        }
    }
    sector
}

/// A disk of whole sectors, full of a text again and again.
pub fn plain_disk(of: &str, bytes: usize) -> Bytes {
    let mut disk: Vec<u8> = of.bytes().cycle().take(bytes).collect();
    let sector = first_sector(bytes as u64);
    if let Some(first) = disk.get_mut(..sector.len()) {
        first.copy_from_slice(&sector);
    }
    disk.into()
}

/// Writes a disk of random bytes, whole sectors of them, which no compression on the way makes
/// smaller; another seed gives other bytes.
///
/// # Errors
/// When it cannot be written.
pub fn write_random(path: &Path, seed: u64, bytes: u64) -> anyhow::Result<()> {
    let mut file =
        File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    ensure!(
        bytes >= 2 * SECTOR_BYTES && bytes.is_multiple_of(SECTOR_BYTES),
        "{bytes} bytes make no disk"
    );
    io::copy(&mut Source::random(seed, bytes).open()?, &mut file)?;
    file.write_all_at(&first_sector(bytes), 0)?;
    Ok(file.sync_all()?)
}

impl Fleet {
    /// Publishes a file with the command line, under its own name.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn upload(&self, file: &Path, priority: Priority) -> anyhow::Result<Published> {
        let name = file.file_name().and_then(|name| name.to_str()).context("a file has a name")?;
        let path = file.to_str().context("the path is not Unicode")?;
        let begun = Instant::now();
        let mut words = vec!["package", "upload", path];
        let word = priority.to_string();
        if priority != Priority::default() {
            words.extend(["--priority", &word]);
        }
        self.xylem(&words).await?;
        let answered = Instant::now();
        let content = self.access().admin.file(KIND, name).await?.file.current.content;
        Ok(Published { content, begun, answered })
    }

    /// Publishes bytes, with the calls that the command line makes, from within this process.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn send(
        &self,
        name: &str,
        bytes: Bytes,
        priority: Priority,
    ) -> anyhow::Result<Published> {
        let size = bytes.len() as u64;
        let content = content_of(&bytes);
        let sha256: [u8; 32] = digest::digest(&digest::SHA256, &bytes).as_ref().try_into()?;
        // As a script would write it: what is left out has its default.
        let mut declaration = json!({
            "kind": KIND, "name": name, "size": size,
            "blake3": content, "sha256": Sha256::from_bytes(sha256),
        });
        if let Some(fields) = declaration.as_object_mut()
            && priority != Priority::default()
        {
            fields.insert("priority".to_owned(), json!(priority));
        }
        let declaration = serde_json::from_value(declaration)?;
        let begun = Instant::now();
        let access = self.access();
        let upload = access.admin.declare_upload(&declaration).await?;
        let (UploadState::Declared, Some(address)) = (upload.state, upload.ingest) else {
            bail!("the upload of {name} was not taken: {:?}", upload.state);
        };
        let client = ContentClient::new(access.transport.clone());
        let (ingest, ticket) = (address.url.parse::<BaseUrl>()?, address.ticket);
        client.ingest(&ingest, upload.id, &ticket, 0, size, full_body(bytes)).await?;
        client.complete(&ingest, upload.id, &ticket).await?;
        Ok(Published { content, begun, answered: Instant::now() })
    }
}

/// The id of a content.
pub fn content_of(bytes: &[u8]) -> ContentId {
    ContentId::from_bytes(*blake3::hash(bytes).as_bytes())
}

/// The id of a file's content.
///
/// # Errors
/// When the file cannot be read.
pub fn content_of_file(path: &Path) -> anyhow::Result<ContentId> {
    let mut file = File::open(path).with_context(|| format!("no {}", path.display()))?;
    let mut hash = blake3::Hasher::new();
    io::copy(&mut file, &mut hash)?;
    Ok(ContentId::from_bytes(*hash.finalize().as_bytes()))
}
