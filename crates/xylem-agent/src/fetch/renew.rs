//! Fresh tickets for distribution servers, and a fresh address of the cloud.
//!
//! Both live for minutes, and a large file takes longer. The cloud looks at its address when a request
//! begins, so one is enough for as long as the line holds.

use xylem_api::catalogue::Sources as Offered;
use xylem_telemetry::chain;
use xylem_trust::Descriptor;

use super::Run;

/// How often fresh tickets are asked for while no bytes come. What bytes came after is not counted:
/// a file may take as long as it takes.
const MAX_RENEWALS: u32 = 4;

impl Run<'_> {
    /// Whether fresh tickets may be asked for, once more. Notes that they are.
    pub(super) const fn may_renew(&mut self) -> bool {
        if self.renewals >= MAX_RENEWALS {
            return false;
        }
        self.renewals += 1;
        true
    }

    /// Asks the management server for fresh tickets, and a fresh address. Returns whether any place
    /// that had turned one down may be tried again.
    pub(super) async fn renew(&mut self) -> bool {
        let name = &self.descriptor.name;
        let fresh = match self.fetcher.management.sources(name).await {
            Ok(fresh) => fresh,
            Err(error) => {
                tracing::info!(error = %chain(&error), "no fresh tickets to be had");
                return false;
            }
        };
        if !self.is_of_this_content(&fresh) {
            tracing::info!(package.name = %name, "no fresh tickets to be had: it is replaced by now");
            return false;
        }
        self.cloud_renewed |= fresh.cloud.is_some();
        self.sources.renew(&fresh)
    }

    /// Before the cloud is asked: an address that is over would only be turned down. Where none is had
    /// it is tried all the same, since it may be our clock that is wrong. That an address was had
    /// since the last bytes came is no reason against another: it may have ended meanwhile.
    pub(super) async fn renew_what_is_over(&mut self, index: usize) {
        let now = self.fetcher.environment.clock.now();
        if self.sources.is_over(index, now) && self.may_renew() {
            self.renew().await;
        }
    }

    /// After the cloud turned its address down: one fresh address, tried at once. Where that one is
    /// turned down too, others have their turn.
    pub(super) async fn renew_what_was_refused(&mut self, index: usize) {
        if !self.sources.is_refused_cloud(index) {
            return;
        }
        if self.cloud_renewed {
            if let Some(source) = self.sources.get_mut(index) {
                source.give_up();
            }
        } else if self.renew().await {
            self.sources.try_at_once(index);
        }
    }

    /// Whether what is offered is what is being fetched: by its name it may be a later version. That
    /// is no matter of trust: whatever comes is compared with the descriptor that was believed.
    fn is_of_this_content(&self, offered: &Offered) -> bool {
        let told: Result<Descriptor, _> = serde_json::from_slice(&offered.descriptor.payload);
        told.is_ok_and(|told| told.content == self.expected.content)
    }
}
