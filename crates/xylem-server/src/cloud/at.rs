//! One call's work at a point: what it is made of, and how the provider is asked.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use xylem_client::CloudClient;
use xylem_cloud::{
    CloudAnswer, CloudRequest, Found, Moment, ObjectKey, PartPlan, Provider, Upload, UploadRef,
    disposition, provider_of,
};
use xylem_db::{CloudCopy, CloudUsage};
use xylem_model::{ContentId, DistributionServerId, Timestamp};
use xylem_runtime::random_array;
use xylem_telemetry::chain;

use super::service::CloudService;
use super::session;
use super::store::{CloudStore, OpenPoint, Work};
use super::trouble::Trouble;
use super::usage::month_of;
use crate::failure::Failure;

/// For how long a content is a server's; every call takes it anew.
pub(super) const LEASE: Duration = Duration::from_secs(2 * 60);

/// What a request is for, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// It reads, or asks after something.
    Read,
    /// It writes or deletes.
    Write,
    /// It lists.
    List,
}

/// A point, and the means to work at it.
pub(super) struct AtPoint<'a> {
    pub(super) service: &'a CloudService,
    pub(super) point: OpenPoint,
    client: CloudClient,
    /// What this call used; counted at its end.
    used: Mutex<CloudUsage>,
}

impl<'a> AtPoint<'a> {
    pub(super) fn new(service: &'a CloudService, point: OpenPoint, client: CloudClient) -> Self {
        Self { service, point, client, used: Mutex::default() }
    }

    pub(super) fn store(&self) -> &'a dyn CloudStore {
        self.service.store()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.service.environment().clock.now()
    }

    /// What a request is made of at present.
    pub(super) fn moment(&self) -> Moment {
        let nonce = u64::from_be_bytes(random_array(&*self.service.environment().rng));
        Moment { now: self.now(), nonce }
    }

    /// The provider, with the keys for it.
    pub(super) fn provider(&self) -> Result<Box<dyn Provider + '_>, Trouble> {
        let access = session::access(&self.point.settings.storage)?;
        provider_of(&self.point.settings.storage, &self.point.keys, access)
            .map_err(|error| Trouble::Point(error.to_string()))
    }

    /// A content at this point, worked on by a server.
    pub(super) const fn work(&self, content: ContentId, server: DistributionServerId) -> Work {
        Work { point: self.point.id, content, server }
    }

    /// The name of a content here.
    pub(super) fn key(&self, content: &ContentId) -> ObjectKey {
        self.point.settings.storage.prefix().content(content)
    }

    /// A content on its way.
    pub(super) fn upload(
        &self,
        copy: &CloudCopy,
        plan: PartPlan,
        reference: Option<UploadRef>,
    ) -> Upload {
        let is_without = self.service.pace().is_without_conditions(self.point.id);
        Upload {
            key: self.key(&copy.content),
            sha256: copy.sha256,
            disposition: disposition(&copy.name),
            plan,
            reference,
            create_only: self.point.writes_once && !is_without,
        }
    }

    /// The same as its row has it, once it was begun.
    pub(super) fn begun_upload(&self, copy: &CloudCopy) -> Upload {
        let plan = PartPlan::again(copy.size, copy.part_bytes);
        let reference = copy.reference.as_deref().and_then(UploadRef::new);
        self.upload(copy, plan, reference)
    }

    /// Sends a small request to the provider.
    pub(super) async fn send(
        &self,
        asking: Asking,
        request: &CloudRequest,
    ) -> Result<CloudAnswer, Trouble> {
        self.count(asking);
        self.client
            .send(request)
            .await
            .map_err(|error| Trouble::Unreached(chain(&error).to_string()))
    }

    /// Sends what ends an upload, which may take its time.
    pub(super) async fn send_ending(&self, request: &CloudRequest) -> Result<CloudAnswer, Trouble> {
        self.count(Asking::Write);
        let answer = self.client.for_ending().send(request).await;
        answer.map_err(|error| Trouble::Unreached(chain(&error).to_string()))
    }

    /// What lies under a name.
    pub(super) async fn find(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
    ) -> Result<Option<Found>, Trouble> {
        let answer = self.send(Asking::Read, &provider.ask(key, self.moment())).await?;
        Ok(provider.found(key, &answer)?)
    }

    /// Makes the folders that lead to an object, where there are some.
    pub(super) async fn make_folders(
        &self,
        provider: &dyn Provider,
        key: &ObjectKey,
    ) -> Result<(), Trouble> {
        for request in provider.folders(key, self.moment()) {
            let answer = self.send(Asking::Write, &request).await?;
            provider.folder_made(&answer)?;
        }
        Ok(())
    }

    /// Whether anything may be removed: not while a restore is unconfirmed.
    pub(super) async fn may_remove(&self) -> Result<bool, Failure> {
        self.service.control().looked_up(|overview| overview.may_remove).await
    }

    /// Counts a request.
    pub(super) fn count(&self, asking: Asking) {
        let kind = match asking {
            Asking::Read => "read",
            Asking::Write => "write",
            Asking::List => "list",
        };
        metrics::counter!(
            "xylem_cloud_requests_total",
            "provider" => self.provider_word(), "kind" => kind
        )
        .increment(1);
        self.add(match asking {
            Asking::Read => CloudUsage { reads: 1, ..CloudUsage::default() },
            Asking::Write => CloudUsage { writes: 1, ..CloudUsage::default() },
            Asking::List => CloudUsage { lists: 1, ..CloudUsage::default() },
        });
    }

    /// Counts bytes that the root sent.
    pub(super) fn count_sent(&self, bytes: u64) {
        self.count_bytes("sent", bytes);
        self.add(CloudUsage { sent: bytes, ..CloudUsage::default() });
    }

    /// Counts bytes that the root read back.
    pub(super) fn count_read_back(&self, bytes: u64) {
        self.count_bytes("read-back", bytes);
        self.add(CloudUsage { read_back: bytes, ..CloudUsage::default() });
    }

    /// Stores what was counted. That it cannot be is no reason to fail what was done.
    pub(super) async fn settle(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        if used == CloudUsage::default() {
            return;
        }
        let stored = self.store().used(self.point.id, month_of(self.now()), &used).await;
        if let Err(error) = stored {
            tracing::warn!(error = %chain(&error), "the use of the cloud could not be counted");
        }
    }

    fn count_bytes(&self, kind: &'static str, bytes: u64) {
        metrics::counter!(
            "xylem_cloud_bytes_total",
            "provider" => self.provider_word(), "kind" => kind
        )
        .increment(bytes);
    }

    fn add(&self, more: CloudUsage) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.sent = used.sent.saturating_add(more.sent);
        used.read_back = used.read_back.saturating_add(more.read_back);
        used.writes = used.writes.saturating_add(more.writes);
        used.reads = used.reads.saturating_add(more.reads);
        used.lists = used.lists.saturating_add(more.lists);
    }

    const fn provider_word(&self) -> &'static str {
        self.point.settings.storage.provider()
    }
}

/// How a row keeps the way in which a file is cut.
pub(super) fn kept_part_bytes(plan: &PartPlan) -> Option<NonZeroU64> {
    NonZeroU64::new(plan.part_bytes()).filter(|_| !plan.is_whole())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_keeps_no_size_of_parts() {
        assert_eq!(kept_part_bytes(&PartPlan::again(5, None)), None);
        let kept = NonZeroU64::new(2);
        assert_eq!(kept_part_bytes(&PartPlan::again(5, kept)), kept);
    }
}
