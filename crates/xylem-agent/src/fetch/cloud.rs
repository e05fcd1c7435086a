//! The cloud as a place to fetch from.
//!
//! It is no server of ours: it has an address of one object in the place of a ticket, is shown no
//! certificate, and is believed by what this machine believes, or by the authority that was set for
//! it. What it gives is compared as always.

use std::sync::Arc;

use xylem_api::catalogue::CloudCandidate;
use xylem_client::{CloudContentClient, ContentAnswer};
use xylem_model::Timestamp;
use xylem_pki::{PublicRoots, public_client_config};

use super::Fetcher;
use super::error::Trouble;

/// The object in the cloud.
pub(super) struct Cloud {
    candidate: CloudCandidate,
    /// What reaches it, once it was asked: reading what a machine believes takes its time.
    client: Option<CloudContentClient>,
}

impl Cloud {
    pub(super) const fn new(candidate: CloudCandidate) -> Self {
        Self { candidate, client: None }
    }

    /// Whether no request may begin by this address any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now >= self.candidate.until
    }

    /// Takes a fresh address.
    pub(super) fn renew(&mut self, fresh: CloudCandidate) {
        if fresh.ca_pem != self.candidate.ca_pem {
            self.client = None;
        }
        self.candidate = fresh;
    }

    /// Asks for the object, which is to have `size` bytes, from an offset on.
    pub(super) async fn open(
        &mut self,
        fetcher: &Fetcher<'_>,
        size: u64,
        offset: u64,
    ) -> Result<ContentAnswer, Trouble> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => self.client.insert(client_of(fetcher, &self.candidate).await?).clone(),
        };
        Ok(client.fetch(&self.candidate.url, size, offset).await?)
    }
}

async fn client_of(
    fetcher: &Fetcher<'_>,
    candidate: &CloudCandidate,
) -> Result<CloudContentClient, Trouble> {
    let environment = fetcher.environment;
    let pem = candidate.ca_pem.clone();
    let reading = environment.disk.run_reading(move |_| match pem {
        Some(pem) => PublicRoots::from_pem(pem.as_bytes()),
        None => PublicRoots::of_this_machine(),
    });
    let tls = public_client_config(&reading.await?, Arc::clone(&environment.clock))?;
    Ok(CloudContentClient::new(environment.clone(), tls, fetcher.policy.deadlines()))
}
