//! Who uploads.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use rand::{Rng as _, RngCore as _};
use tokio::time::{Instant, sleep};
use xylem_client::{BaseUrl, full_body};
use xylem_model::{ContentId, FileName, UploadId};

use super::{CONVERGENCE, Person, now};
use crate::history::History;
use crate::world::{PORT, World};

/// Uploads of one run.
pub(super) const UPLOADS: u64 = 7;

/// How likely an upload is the next version of a file, which may still be on its way.
const SUPERSEDING: f64 = 0.3;

/// Longest pause between two uploads.
const PAUSE_MS: u64 = 5_000;

/// Sizes of uploads, in bytes: around a group's edge, and several frames.
const SIZES: [usize; 6] = [1, 16_383, 16_384, 70_000, 300_001, 800_000];

/// Bytes sent with one request.
const PART: usize = 100_000;

/// Uploads one content after another, each until it is acknowledged.
pub(crate) async fn upload(world: World, history: History, seed: u64) -> anyhow::Result<()> {
    let mut person = Person::new(world, history, seed)?;
    for number in 0..UPLOADS {
        sleep(Duration::from_millis(person.dice.random_range(0..PAUSE_MS))).await;
        let size = SIZES.get(person.dice.random_range(0..SIZES.len())).copied().unwrap_or(1);
        let mut bytes = vec![0; size];
        person.dice.fill_bytes(&mut bytes);
        let name = person.choose_name(number)?;
        let id = UploadId::from_parts(number + 1, &[number as u8; 10]);
        let mut server = person.world.declare(id, &name, &bytes).await?.name;
        let begun = Instant::now();
        while let Err(error) = person.try_upload(server, id, &name, &bytes).await {
            ensure!(
                person.faults() || begun.elapsed() < CONVERGENCE * 2,
                "P3: upload {number} does not get through: {error:#}"
            );
            // New files may enter elsewhere by now.
            server = person.world.ingest_server(id).await?.name;
            sleep(Duration::from_millis(500)).await;
        }
        let mut record = person.history.lock();
        record.figures.acknowledged += 1;
        let content = ContentId::of(&bytes);
        record.note(now(), format!("{name} is acknowledged as {content}"));
        record.acknowledged.insert(content, Arc::from(bytes));
        let before = record.current.insert(name, content);
        record.figures.superseding += u64::from(before.is_some());
        record.uploading = None;
    }
    Ok(())
}

impl Person {
    /// A new name, or one whose file gets its next version.
    fn choose_name(&mut self, number: u64) -> anyhow::Result<FileName> {
        let mut record = self.history.lock();
        let count = record.current.len();
        let name = if count > 0 && self.dice.random_bool(SUPERSEDING) {
            record.current.keys().nth(self.dice.random_range(0..count)).cloned()
        } else {
            None
        };
        let name = match name {
            Some(name) => name,
            None => FileName::new(&format!("File-{number}.pkg"))?,
        };
        record.uploading = Some(name.clone());
        Ok(name)
    }

    async fn try_upload(
        &self,
        server: &str,
        id: UploadId,
        name: &FileName,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let principal = BaseUrl::new(server, PORT);
        let ticket = self.world.ingest_ticket(id, name, bytes, self.environment.clock.now())?;
        let mut there = self.content.ingest_progress(&principal, id, &ticket).await?;
        while !there.published && there.offset < there.size {
            let from = usize::try_from(there.offset)?;
            let part = bytes.get(from..bytes.len().min(from + PART)).unwrap_or_default();
            let body = full_body(part.to_vec());
            let length = part.len() as u64;
            there =
                self.content.ingest(&principal, id, &ticket, there.offset, length, body).await?;
        }
        let done = self.content.complete(&principal, id, &ticket).await?;
        ensure!(done.published, "completed, but not published");
        Ok(())
    }
}
