//! Deletions at a provider that may still arrive, and what lies there without a row.

use sea_orm::{EntityTrait, QuerySelect};
use xylem_model::{CloudPointId, ContentId, DistributionServerId, Timestamp};

use super::record::{CloudCopy, CloudDeletion};
use super::rows;
use crate::entity::cloud_point;
use crate::transaction::report;
use crate::{Database, DbError};

impl Database {
    /// Notes that a deletion of a content's key is about to be asked for, which may arrive until then:
    /// by the server that works on it, or, where none is named, of what is *removing*. None where it is
    /// neither, and then nothing may be deleted.
    pub async fn note_cloud_deletion(
        &self,
        point: CloudPointId,
        content: ContentId,
        by: Option<DistributionServerId>,
        until: Timestamp,
    ) -> Result<Option<CloudDeletion>, DbError> {
        report!(self, "noting a deletion in the cloud", |tx| {
            let Some(copy) = rows::locked(tx, point, content).await? else { return Ok(None) };
            let deletion = copy.next_deletion(until);
            let (step, _) =
                rows::step(tx, point, content, |copy| copy.delete(by, deletion)).await?;
            Ok(step.is_done().then_some(deletion))
        })
    }

    /// Notes that a deletion was answered.
    pub async fn note_cloud_deletion_answered(
        &self,
        point: CloudPointId,
        content: ContentId,
        deletion: CloudDeletion,
    ) -> Result<(), DbError> {
        report!(self, "noting that a deletion in the cloud was answered", |tx| {
            let ending = rows::step(tx, point, content, |copy| copy.end_deletion(deletion));
            let (_ended, _) = ending.await?;
            Ok(())
        })
    }

    /// Has what lies there and is in no row be removed: *removing* from now on. Says whether it is so:
    /// not where it has a row by now.
    pub async fn condemn_in_cloud(
        &self,
        point: CloudPointId,
        content: ContentId,
        size: u64,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let condemned = CloudCopy::condemned(content, size, now).map_err(|error| {
            DbError::Invalid { what: "content in the cloud", problem: error.to_string() }
        })?;
        report!(self, "removing what is in no row from the cloud", |tx| {
            // Locked, so that nobody else adds rows.
            let row = cloud_point::Entity::find_by_id(point.uuid()).lock_exclusive();
            if row.one(tx).await?.is_none() || rows::locked(tx, point, content).await?.is_some() {
                return Ok(false);
            }
            rows::store(tx, point, &[&condemned]).await?;
            Ok(true)
        })
    }
}
