//! Giving out: an address of one object, for whoever asks where to fetch something.
//!
//! It is minted here and nowhere kept. Where none can be made the answer goes without: there are
//! distribution servers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::Ordering;
use std::time::Duration;

use xylem_api::catalogue::CloudCandidate;
use xylem_cloud::{Fault, FaultScope, Offer, UrlFor, provider_of};
use xylem_db::{CloudCopy, File};
use xylem_model::{ContentId, DistributionServerId};
use xylem_runtime::is_public;
use xylem_telemetry::chain;

use super::moment;
use super::store::{CloudStore, DatabaseCloudStore, OpenPoint};
use crate::app::App;
use crate::wish::WishError;

/// What somebody wants to fetch.
pub(crate) struct CloudWanted<'a> {
    pub(crate) content: ContentId,
    /// The file that it is fetched as.
    pub(crate) file: &'a File,
    /// Where whoever wants it connects to us from.
    pub(crate) address: IpAddr,
    /// For how long an address may live at most; none: as long as is set.
    pub(crate) at_most: Option<Duration>,
    /// The root, where it is among the candidates.
    pub(crate) root: Option<DistributionServerId>,
}

/// Why no address could be made.
enum NoAddress {
    /// What is remembered of the cloud cannot be read, or its keys cannot be opened.
    Store(WishError),
    /// Nothing can be made at this point.
    Point(String),
    /// Nothing can be made for this object, or this client.
    Fault(Fault),
}

impl App {
    /// The cloud as one more candidate. Whatever is wrong there costs the cloud alone.
    pub(crate) async fn cloud_candidate(&self, wanted: &CloudWanted<'_>) -> Option<CloudCandidate> {
        match self.offered(wanted).await {
            Ok(candidate) => {
                if candidate.is_some() {
                    self.cloud_not_offered.store(false, Ordering::Relaxed);
                }
                candidate
            }
            // Too large for the network that gives out, or a client that its address is not known of.
            Err(NoAddress::Fault(fault)) if fault.scope() == FaultScope::Content => {
                tracing::debug!(%fault, "the cloud is not offered");
                None
            }
            Err(why) => {
                // Once, and not again with each computer that checks in.
                if !self.cloud_not_offered.swap(true, Ordering::Relaxed) {
                    tracing::warn!("nobody is sent to the cloud distribution point: {why}");
                }
                None
            }
        }
    }

    /// An address at the point that is set; for what it lacks or does not give out, one at the point
    /// that is being left, until nobody is sent there any more.
    async fn offered(&self, wanted: &CloudWanted<'_>) -> Result<Option<CloudCandidate>, NoAddress> {
        let store = self.cloud_store();
        let active = match store.active().await {
            Ok(Some(point)) => self.offered_at(&store, &point, wanted).await,
            Ok(None) => Ok(None),
            Err(error) => Err(error.into()),
        };
        if let Ok(Some(candidate)) = active {
            return Ok(Some(candidate));
        }
        let former = store.leaving().await?.filter(is_in_use);
        let Some(former) = former else { return active };
        match self.offered_at(&store, &former, wanted).await {
            Ok(None) => active,
            offered => offered,
        }
    }

    async fn offered_at(
        &self,
        store: &DatabaseCloudStore,
        point: &OpenPoint,
        wanted: &CloudWanted<'_>,
    ) -> Result<Option<CloudCandidate>, NoAddress> {
        if !offers(point, wanted.file) {
            return Ok(None);
        }
        let copy = store.copy(point.id, wanted.content).await?;
        let Some(copy) = copy.filter(CloudCopy::is_there) else { return Ok(None) };
        self.address_of(point, &copy, wanted).await.map(Some)
    }

    async fn address_of(
        &self,
        point: &OpenPoint,
        copy: &CloudCopy,
        wanted: &CloudWanted<'_>,
    ) -> Result<CloudCandidate, NoAddress> {
        let settings = &point.settings;
        let access = self.cloud.access_for_an_address(point).await.map_err(NoAddress::Point)?;
        let provider = provider_of(&settings.storage, &point.keys, access.as_deref())
            .map_err(|error| NoAddress::Point(error.to_string()))?;
        let set = Duration::from_secs(settings.url_lifetime_seconds);
        let life = wanted.at_most.map_or(set, |most| set.min(most));
        let at = moment(&self.environment);
        let key = settings.storage.prefix().content(&wanted.content);
        let (name, client) = (&wanted.file.name, seen_by_strangers(wanted.address));
        let url = provider.url(&UrlFor { key: &key, size: copy.size, name, client, at, life })?;
        Ok(CloudCandidate {
            url: url.reveal().to_owned(),
            until: at.now.plus(life),
            ca_pem: settings.ca_pem.clone(),
            before: wanted.root.filter(|_| settings.offer == Offer::BeforeRoot),
        })
    }
}

/// Whether clients are sent to a point for a file, if it is there. One that is paused sends and
/// deletes nothing, and clients go on.
fn offers(point: &OpenPoint, file: &File) -> bool {
    let is_chosen = || point.selection.as_ref().is_none_or(|it| it.chooses(&file.facts()));
    point.settings.offer != Offer::Never
        && point.settings.storage.is_given_out()
        && point.broken.as_ref().is_none_or(|broken| broken.still_offered)
        && is_chosen()
}

/// Whether somebody is sent to a point that is being left.
fn is_in_use(point: &OpenPoint) -> bool {
    point.leaving.is_some_and(|leaving| leaving.left.is_none())
}

/// The address that a provider sees a client come from, as far as it is known: of one with an address
/// of our own network it is not.
fn seen_by_strangers(address: IpAddr) -> Option<Ipv4Addr> {
    match address.to_canonical() {
        IpAddr::V4(v4) if is_public(v4.into()) => Some(v4),
        _ => None,
    }
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{}", chain(error)),
            Self::Point(why) => f.write_str(why),
            Self::Fault(fault) => write!(f, "{fault}"),
        }
    }
}

impl From<WishError> for NoAddress {
    fn from(error: WishError) -> Self {
        Self::Store(error)
    }
}

impl From<Fault> for NoAddress {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ones_own_network_is_not_what_a_provider_sees() {
        let seen = |text: &str| seen_by_strangers(text.parse().unwrap());
        assert_eq!(seen("52.1.2.3"), Some(Ipv4Addr::new(52, 1, 2, 3)));
        assert_eq!(seen("::ffff:52.1.2.3"), Some(Ipv4Addr::new(52, 1, 2, 3)));
        for unknown in ["10.0.0.5", "127.0.0.1", "::ffff:192.168.1.1", "2a05:d018::1"] {
            assert_eq!(seen(unknown), None, "{unknown}");
        }
    }
}
