//! The contents that are published: a worker and the one who judges it make the same bytes from
//! the same numbers, so that nothing but numbers passes between them.

use anyhow::Context as _;
use rand::rngs::StdRng;
use rand::{RngCore as _, SeedableRng as _};
use xylem_blobs::{Batch, DigestSet, Expected, Repository, StageKey, Verified};
use xylem_model::{ContentId, UploadId};

/// Sizes in bytes, taken in turn: a single byte, both sides of a group's edge (16 KiB), several
/// frames, several MiB. Small ones are many, so that publishes come quickly.
const SIZES: [usize; 9] = [1, 1_000, 16_384, 16_385, 70_000, 300_001, 1_000, 900_000, 4_000_001];

/// Bytes appended at once, as they would arrive from the network; no multiple of a group.
const PIECE: usize = 100_000;

/// One content.
pub(crate) struct Content {
    number: u64,
    pub(crate) id: ContentId,
    bytes: Vec<u8>,
}

impl Content {
    /// The content of this number in the run of this seed.
    pub(crate) fn make(seed: u64, number: u64) -> Self {
        let turn = usize::try_from(number).unwrap_or(0) % SIZES.len();
        Self::of_size(seed, number, SIZES.get(turn).copied().unwrap_or(1))
    }

    /// A content of this size.
    pub(crate) fn of_size(seed: u64, number: u64, size: usize) -> Self {
        let mut bytes = vec![0; size];
        StdRng::seed_from_u64(seed.rotate_left(32) ^ number).fill_bytes(&mut bytes);
        Self { number, id: ContentId::of(&bytes), bytes }
    }

    fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The first way in: an upload, whose digests are compared at the end.
    pub(crate) fn upload(&self, to: &Repository) -> anyhow::Result<Verified> {
        let [.., a, b] = self.number.to_be_bytes();
        let key =
            StageKey::Upload(UploadId::from_parts(self.number, &[a, b, 0, 0, 0, 0, 0, 0, 0, 0]));
        let mut staged = to.stage(&key, self.size(), DigestSet::Blake3AndSha256)?;
        self.append(&mut staged)?;
        let expected = Expected { size: self.size(), blake3: Some(self.id), sha256: None };
        Ok(staged.finish(&expected)?)
    }

    /// The second way in: fetched from a peer, with the outboard first.
    pub(crate) fn relay(&self, to: &Repository, tree: &[u8]) -> anyhow::Result<Verified> {
        let mut intake = to.stage_relayed(&self.id, self.size())?;
        if !intake.is_complete() {
            tree.chunks(PIECE).try_for_each(|piece| intake.append(piece))?;
        }
        let mut staged = intake.finish()?;
        self.append(&mut staged)?;
        let expected = Expected { size: self.size(), blake3: Some(self.id), sha256: None };
        Ok(staged.finish(&expected)?)
    }

    /// The third way in: whole, with others.
    pub(crate) fn add_to(&self, batch: &mut Batch) -> anyhow::Result<()> {
        Ok(batch.add(&self.id, &self.bytes)?)
    }

    /// Appends what is missing: a staged file may have been interrupted.
    fn append(&self, staged: &mut xylem_blobs::StagedFile) -> anyhow::Result<()> {
        let here = usize::try_from(staged.offset())?;
        let missing = self.bytes.get(here..).context("more is staged than there is")?;
        for piece in missing.chunks(PIECE) {
            staged.append(staged.offset(), piece)?;
        }
        Ok(())
    }

    /// The outboard, made by another repository as a parent would.
    pub(crate) fn tree(&self, parent: &Repository) -> anyhow::Result<Vec<u8>> {
        parent.publish(self.upload(parent)?)?;
        let tree = parent.tree(&self.id)?;
        parent.remove(&self.id)?;
        Ok(tree)
    }
}
