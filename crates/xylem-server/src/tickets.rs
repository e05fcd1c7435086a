//! Tickets: let their bearer do one thing on one distribution server for a short time.

use std::net::IpAddr;
use std::time::Duration;

use xylem_api::catalogue::{Candidate, IngestAddress, Sources};
use xylem_db::{DistributionServer, File, LiveFile, Upload};
use xylem_model::{ContentId, Party, SiteId, Timestamp};
use xylem_sync::FileFacts;
use xylem_trust::{Envelope, LONGEST_TICKET_LIFE, Operation, Ticket};

use crate::app::App;
use crate::candidates::{Holder, nearest_first};
use crate::cloud::CloudWanted;
use crate::failure::Failure;

/// How long a ticket is good for that names its holder, or one upload: as long as may be.
const TICKET_LIFETIME: Duration = LONGEST_TICKET_LIFE;

/// Tickets without a holder serve whoever finds them, so they end sooner.
const BEARER_TICKET_LIFETIME: Duration = Duration::from_secs(180);

/// Who asks where something can be fetched.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// Who must present the tickets, and whose site counts; anybody may where there is none.
    pub(crate) holder: Option<Party>,
    /// Where they connect from.
    pub(crate) address: IpAddr,
}

impl App {
    fn ticket(
        &self,
        operation: Operation,
        holder: Option<Party>,
        lifetime: Duration,
    ) -> Result<String, Failure> {
        let issued: Timestamp = self.now();
        let ticket = Ticket { operation, holder, issued, expires: issued.plus(lifetime) };
        Ok(self.control.sign(&ticket)?.to_header())
    }

    /// Where to send the bytes of an upload, with a fresh ticket for exactly this content.
    pub(crate) async fn ingest_address(&self, upload: &Upload) -> Result<IngestAddress, Failure> {
        let declared = &upload.declared;
        let server = self.database.distribution_server(declared.server).await?;
        let operation = Operation::Ingest {
            upload: declared.id,
            size: declared.size,
            content: declared.blake3,
            sha256: declared.sha256,
            name: declared.name.clone(),
            kind: declared.kind,
        };
        let ticket = self.ticket(operation, None, TICKET_LIFETIME)?;
        Ok(IngestAddress { url: server.public_url, ticket })
    }

    /// Where to fetch a content of a file, nearest first, each place with a ticket; and in the cloud,
    /// where it is there. Scripts are no files: nobody fetches one.
    pub(crate) async fn sources(
        &self,
        content: ContentId,
        descriptor: &[u8],
        file: &File,
        Asker { holder, address }: Asker,
    ) -> Result<Sources, Failure> {
        let site = match holder {
            Some(Party::Computer(id)) => self.database.computer(id).await?.site,
            _ => None,
        };
        let lifetime = if holder.is_some() { TICKET_LIFETIME } else { BEARER_TICKET_LIFETIME };
        let servers = self.offering(content, &file.facts(), site).await?;
        let root = servers.iter().find(|server| server.is_root).map(|root| root.id);
        let at_most = holder.is_none().then_some(BEARER_TICKET_LIFETIME);
        let wanted = CloudWanted { content, file, address, at_most, root };
        let cloud = self.cloud_candidate(&wanted).await;
        let mut candidates = Vec::new();
        for server in servers {
            candidates.push(Candidate {
                server: server.id,
                name: server.name,
                url: format!("{}/v1/blob/{content}", server.public_url.trim_end_matches('/')),
                ticket: self.ticket(Operation::Read { content }, holder, lifetime)?,
            });
        }
        Ok(Sources { descriptor: Envelope::from_bytes(descriptor)?, candidates, cloud })
    }

    /// The servers to fetch a content from, nearest first; of a client at `site`, where it has one.
    pub(crate) async fn offering(
        &self,
        content: ContentId,
        file: &FileFacts,
        site: Option<SiteId>,
    ) -> Result<Vec<DistributionServer>, Failure> {
        let holdings = self.control.holdings().await?;
        let offers = |id| holdings.of(id).is_some_and(|holding| holding.offers(file));
        let holding = self.database.servers_holding(content).await?;
        let servers = self.database.distribution_servers().await?;
        let holders: Vec<Holder> = servers
            .iter()
            .filter(|server| server.set_aside.is_none() && !server.settings.maintenance)
            .filter(|server| offers(server.id))
            .map(|server| Holder {
                id: server.id,
                parent: server.parent,
                is_root: server.is_root,
                is_near: site.is_some() && server.site == site,
                holds: holding.contains(&server.id),
            })
            .collect();
        let found = |id| servers.iter().find(|server| server.id == id).cloned();
        Ok(nearest_first(&holders).into_iter().filter_map(found).collect())
    }

    /// Where to fetch the newest version of a file.
    pub(crate) async fn sources_of(
        &self,
        live: &LiveFile,
        asker: Asker,
    ) -> Result<Sources, Failure> {
        let LiveFile { file, version } = live;
        self.sources(version.content, &version.descriptor, file, asker).await
    }
}
