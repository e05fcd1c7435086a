//! One call's work at a point: what it is made of, and how the provider is asked.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;
use xylem_cloud::{
    CloudAnswer, CloudRequest, Found, Moment, ObjectKey, PartPlan, Provider, SwiftAccess, Upload,
    UploadRef, disposition, provider_of,
};
use xylem_db::CloudCopy;
use xylem_model::{ContentId, DistributionServerId, Timestamp};
use xylem_telemetry::chain;

use super::moment;
use super::service::CloudService;
use super::session::{NoAccess, PointClient};
use super::store::{CloudStore, OpenPoint, Work};
use super::trouble::Trouble;
use super::used::{Asking, Used};
use crate::failure::Failure;

/// For how long a content is a server's; every call takes it anew.
pub(super) const LEASE: Duration = Duration::from_secs(2 * 60);

/// A point, and the means to work at it.
pub(super) struct AtPoint<'a> {
    pub(super) service: &'a CloudService,
    pub(super) point: OpenPoint,
    client: PointClient,
    /// What a provider with tokens is made with, once it was asked for.
    access: OnceCell<Option<Arc<SwiftAccess>>>,
    /// What this call used; counted at its end.
    used: Used,
}

impl<'a> AtPoint<'a> {
    pub(super) fn new(service: &'a CloudService, point: OpenPoint, client: PointClient) -> Self {
        Self { service, point, client, access: OnceCell::new(), used: Used::default() }
    }

    pub(super) fn store(&self) -> &'a dyn CloudStore {
        self.service.store()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.service.environment().clock.now()
    }

    /// What a request is made of at present.
    pub(super) fn moment(&self) -> Moment {
        moment(self.service.environment())
    }

    /// The provider, with the keys for it, and with a token where it takes one.
    pub(super) async fn provider(&self) -> Result<Box<dyn Provider + '_>, Trouble> {
        let access = self.access().await?;
        provider_of(&self.point.settings.storage, &self.point.keys, access)
            .map_err(|error| Trouble::Point(error.to_string()))
    }

    /// How many parts may be under way at present.
    pub(super) fn at_once(&self, provider: &dyn Provider) -> u32 {
        self.service.pace().at_once(self.point.id).min(provider.most_at_once())
    }

    /// How many contents may be begun side by side: as many as parts. Nothing is asked for it: a
    /// provider that takes a token has no limit of its own.
    pub(super) fn begun_at_once(&self) -> u32 {
        match provider_of(&self.point.settings.storage, &self.point.keys, None) {
            Ok(provider) => self.at_once(&*provider),
            Err(_) => self.service.pace().at_once(self.point.id),
        }
    }

    /// What a provider with tokens is made with; none where it takes none.
    pub(super) async fn access(&self) -> Result<Option<&SwiftAccess>, Trouble> {
        Ok(self.access.get_or_try_init(|| self.client.access()).await?.as_deref())
    }

    /// A content at this point, worked on by a server.
    pub(super) const fn work(&self, content: ContentId, server: DistributionServerId) -> Work {
        Work { point: self.point.id, content, server }
    }

    /// Tells whoever watches that a content is further than it was here, or no longer.
    pub(super) fn moved(&self, content: ContentId) {
        self.service.control().copies().note([content]);
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
        self.used.count(&self.point, asking);
    }

    /// Counts bytes that the root sent.
    pub(super) fn count_sent(&self, bytes: u64) {
        self.used.count_sent(&self.point, bytes);
    }

    /// Counts bytes that the root read back.
    pub(super) fn count_read_back(&self, bytes: u64) {
        self.used.count_read_back(&self.point, bytes);
    }

    /// Stores what was counted.
    pub(super) async fn settle(&self) {
        self.used.settle(self.store(), &self.point, self.now()).await;
    }
}

impl From<NoAccess> for Trouble {
    fn from(error: NoAccess) -> Self {
        match error {
            NoAccess::Fault(fault) => Self::Fault(fault),
            NoAccess::Client(error) => Self::Unreached(chain(&error).to_string()),
            NoAccess::Settings(error) => Self::Point(error.to_string()),
        }
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
