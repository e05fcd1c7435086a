//! Giving out to a server of ours that is filled from the cloud, because what it is to hold is
//! nowhere else.

use std::time::Duration;

use xylem_api::control_cloud::CloudAddress;
use xylem_api::error::ErrorCode;
use xylem_cloud::{UrlFor, provider_of};
use xylem_db::CloudCopy;
use xylem_http::ApiError;
use xylem_model::{ContentId, DistributionServerId};

use super::moment;
use super::service::CloudService;
use super::store::OpenPoint;
use super::test::is_bound;
use crate::failure::Failure;

/// How long such an address may be begun with. Asking again gives a fresh one.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// When a server asks again while the point stands still, in seconds.
const STANDS_STILL_SECONDS: u32 = 300;

impl CloudService {
    /// An address of a content, for a server that an administrator has filled from the cloud.
    pub(crate) async fn address(
        &self,
        server: DistributionServerId,
        content: ContentId,
    ) -> Result<CloudAddress, Failure> {
        let is_filled = self.control().looked_up(|overview| {
            let known = overview.servers.iter().find(|known| known.id == server);
            known.is_some_and(|known| known.settings.fill_from_cloud)
        });
        if !is_filled.await? {
            let why = "this server is not filled from the cloud: an administrator has that begun \
                       with `xylem ds fill NAME --from-cloud`";
            return Err(Failure::new(ErrorCode::Forbidden, why));
        }
        let point = self.store().active().await?.ok_or_else(|| {
            Failure::new(ErrorCode::NotFound, "no cloud distribution point is set")
        })?;
        if let Some(broken) = point.broken.as_ref().filter(|broken| !broken.still_offered) {
            let why = format!("the cloud distribution point stands still: {}", broken.message);
            return Err(Failure(ApiError::unavailable(why, STANDS_STILL_SECONDS)));
        }
        let copy = self.store().copy(point.id, content).await?.filter(CloudCopy::is_there);
        let copy = copy.ok_or_else(|| {
            let why = format!("{content} is not in the cloud distribution point");
            Failure::new(ErrorCode::NotFound, why)
        })?;
        self.address_of(&point, &copy).await
    }

    async fn address_of(
        &self,
        point: &OpenPoint,
        copy: &CloudCopy,
    ) -> Result<CloudAddress, Failure> {
        let storage = &point.settings.storage;
        if !storage.is_given_out() {
            let why = "the point is a folder of the root's own, which is given out to nobody: copy \
                       what is in it by hand, or set another point";
            return Err(Failure::new(ErrorCode::Conflict, why));
        }
        if is_bound(storage) {
            let why = "addresses there are bound to a client's own (`bind_address`), and a \
                       server's is not known: set `cloudfront.bind-address=no` meanwhile";
            return Err(Failure::new(ErrorCode::Conflict, why));
        }
        let unmade = |why: String| {
            let why = format!("no address in the cloud can be made: {why}");
            Failure(ApiError::unavailable(why, STANDS_STILL_SECONDS))
        };
        let access = self.access_for_an_address(point).await.map_err(unmade)?;
        let provider = provider_of(storage, &point.keys, access.as_deref());
        let provider = provider.map_err(|error| unmade(error.to_string()))?;
        let key = storage.prefix().content(&copy.content);
        let (size, at) = (copy.size, moment(self.environment()));
        let wanted = UrlFor { key: &key, size, name: &copy.name, client: None, at, life: LIFE };
        let url = provider.url(&wanted).map_err(|fault| unmade(fault.to_string()))?;
        Ok(CloudAddress {
            url: url.reveal().to_owned(),
            point: point.id,
            ca_pem: point.settings.ca_pem.clone(),
        })
    }
}
