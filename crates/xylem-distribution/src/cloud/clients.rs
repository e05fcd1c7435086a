//! Who sends to a provider: believing it by what was set, and leaving one's own network alone.

use std::sync::Arc;

use rustls::ClientConfig;
use xylem_api::control_cloud::CloudJob;
use xylem_api::control_read_back::ReadBackJob;
use xylem_client::{CloudClient, CloudContentClient, Deadlines};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_runtime::{Environment, GuardedNet};
use xylem_telemetry::chain;

use super::folder::Keeper;
use super::giver::Giver;
use crate::node::Node;

/// The client of the point that was sent to, or read from, last. Kept, so that its connections are.
pub(super) struct Clients {
    environment: Environment,
    known: Option<Known>,
    /// This server's own folder.
    folder: CloudClient,
}

struct Known {
    ca_pem: Option<String>,
    client: CloudClient,
    content: CloudContentClient,
}

impl Clients {
    pub(super) fn new(node: &Node) -> Self {
        let folder = CloudClient::by_courier(Arc::new(Keeper::of(node)));
        Self { environment: guarded(node), known: None, folder }
    }

    /// Forgets what is known, since it was of no use: whom the machine believes may have changed
    /// since that was read.
    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// A client for a content: one that believes the provider by the authority that was set, or by
    /// those of this machine, or the one of this server's own folder.
    ///
    /// # Errors
    /// Why nobody can be believed, in words for whoever set the point.
    pub(super) async fn client(&mut self, job: &CloudJob) -> Result<CloudClient, String> {
        if job.in_folder {
            return Ok(self.folder.clone());
        }
        Ok(self.known(job.ca_pem.as_deref()).await?.client.clone())
    }

    /// Who gives a content that is read back, of any size.
    ///
    /// # Errors
    /// As [`client`](Self::client).
    pub(super) async fn giver(&mut self, job: &ReadBackJob) -> Result<Giver, String> {
        if job.in_folder {
            return Ok(Giver::Folder(self.folder.clone()));
        }
        Ok(Giver::Provider(self.known(job.ca_pem.as_deref()).await?.content.clone()))
    }

    async fn known(&mut self, ca_pem: Option<&str>) -> Result<&Known, String> {
        let is_known = self.known.as_ref().is_some_and(|it| it.ca_pem.as_deref() == ca_pem);
        match self.known.take().filter(|_| is_known) {
            Some(known) => Ok(self.known.insert(known)),
            None => {
                let made = self.make(ca_pem).await?;
                Ok(self.known.insert(made))
            }
        }
    }

    async fn make(&self, ca_pem: Option<&str>) -> Result<Known, String> {
        let tls = tls_of(&self.environment, ca_pem).await?;
        let client = CloudClient::new(self.environment.clone(), Arc::clone(&tls));
        let environment = self.environment.clone();
        let content = CloudContentClient::new(environment, tls, Deadlines::default());
        Ok(Known { ca_pem: ca_pem.map(str::to_owned), client, content })
    }
}

/// The machine with a network that leaves one's own alone, but for the hosts that are named.
pub(crate) fn guarded(node: &Node) -> Environment {
    let named = &node.settings.cloud_private_hosts;
    let net = Arc::new(GuardedNet::new(Arc::clone(&node.environment.net), named));
    Environment { net, ..node.environment.clone() }
}

/// TLS that believes a provider by this authority, or by those of this machine.
///
/// # Errors
/// Why nobody can be believed, in words for whoever set the point.
pub(crate) async fn tls_of(
    environment: &Environment,
    ca_pem: Option<&str>,
) -> Result<Arc<ClientConfig>, String> {
    let pem = ca_pem.map(str::to_owned);
    // Reading what the machine believes waits for a disk.
    let reading = environment.disk.run_reading(move |_| match pem {
        Some(pem) => PublicRoots::from_pem(pem.as_bytes()),
        None => PublicRoots::of_this_machine(),
    });
    let refused = |why: String| format!("the provider is not believed: {why}");
    let roots = reading.await.map_err(|error| refused(chain(&error).to_string()))?;
    public_client_config(&roots, Arc::clone(&environment.clock))
        .map_err(|error| refused(chain(&error).to_string()))
}
