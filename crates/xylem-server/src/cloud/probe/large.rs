//! A large file in segments, where the provider has them.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use xylem_cloud::{Cursor, ObjectKey, PartPlan, Piece, StoredPiece, Upload, disposition};

use super::{Miss, NO_BYTES, Probe, name};

impl Probe<'_> {
    /// Writes an object in segments, and sees that it is what was sent.
    pub(in crate::cloud) async fn write_large(
        &self,
        key: &ObjectKey,
        bytes: &[u8],
        segment: u64,
    ) -> Result<(), Miss> {
        let size = bytes.len() as u64;
        let whole = PartPlan::again(size, None).part(1);
        let upload = Upload {
            key: key.clone(),
            sha256: whole.map_or(NO_BYTES, |part| Piece::of(part, bytes).sha256),
            disposition: disposition(&name()?),
            plan: PartPlan::again(size, NonZeroU64::new(segment)),
            reference: None,
            create_only: false,
        };
        let mut pieces = Vec::new();
        for part in upload.plan.lacking(&BTreeSet::new()) {
            let ends = (usize::try_from(part.offset), usize::try_from(part.offset + part.bytes));
            let (Ok(first), Ok(end)) = ends else { continue };
            let bytes = bytes.get(first..end).unwrap_or_default();
            let piece = Piece::of(part, bytes);
            let tag = self.send_piece(&upload, &piece, bytes).await?;
            pieces.push(StoredPiece { piece, tag });
        }
        let request = self.provider.finish(&upload, &pieces, self.moment());
        let request = request.ok_or_else(|| Miss::other("nothing ends a large file there"))?;
        self.provider.finished(&upload, &self.client.send(&request).await?)?;
        let found = self.looked_for(key, true).await?;
        let found = found.ok_or_else(|| Miss::other("it was written and is not found"))?;
        let expected = self.provider.expected_etag(&upload, &pieces);
        match found.size == size && (expected.is_none() || found.etag == expected) {
            true => Ok(()),
            false => Err(Miss::other("what is found is not what its segments come to")),
        }
    }

    /// A test makes two, so one page has them all.
    pub(super) async fn remove_segments(&self, key: &ObjectKey) -> Result<(), Miss> {
        let request = self.provider.leftovers(Some(key), &Cursor::START, self.moment())?;
        let Some(request) = request else { return Ok(()) };
        let answer = self.client.send(&request).await?;
        let page = self.provider.leftovers_listed(Some(key), &Cursor::START, &answer)?;
        for leftover in &page.items {
            if let Some(request) = self.provider.discard(leftover, self.moment()) {
                self.provider.removed(key, &self.client.send(&request).await?)?;
            }
        }
        Ok(())
    }
}
