//! Fetching a published file for the administrator.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use indicatif::ProgressBar;
use xylem_api::agent::CLOUD_SOURCE;
use xylem_api::catalogue::{Candidate, CloudCandidate, Sources};
use xylem_client::{
    CloudContentClient, ContentAnswer, ContentAuth, ContentClient, ContentUrl, Deadlines,
    RunningDigests,
};
use xylem_model::{ByteSize, FileKind};
use xylem_pki::{PublicRoots, public_client_config};
use xylem_trust::Descriptor;

use crate::Failure;
use crate::access::Access;
use crate::output::Output;

/// Fetches a file from the best place that has it, goes on at the next one where one fails, and
/// gives the file its name only when size and both digests agree.
pub(crate) async fn download(
    kind: FileKind,
    name: &str,
    to: &Path,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let sources = access.admin.sources(kind, name).await?;
    // It comes from the management server itself, over TLS: its signature is for those who get
    // it by way of others.
    let descriptor: Descriptor = serde_json::from_slice(&sources.descriptor.payload)
        .context("the server's description of the file is not understood")?;
    let bar = output.bar(name, descriptor.size);
    let part = part_path(to);
    let file = File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
    let mut download = Download { descriptor, file, digesting: RunningDigests::new(), bar };
    if let Err(error) = download.fetch_from_any(access, &sources).await {
        // Nothing half-fetched stays behind; what cannot be removed was at least never named.
        let _ = std::fs::remove_file(&part);
        return Err(error.into());
    }
    download.file.sync_all()?;
    std::fs::rename(&part, to).with_context(|| format!("cannot write {}", to.display()))?;
    download.bar.finish();
    let size = ByteSize(download.descriptor.size);
    output.say(&format!("Fetched {name} into {}: {size}, verified.", to.display()))
}

/// `FILE.part` beside the file.
fn part_path(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

struct Download {
    descriptor: Descriptor,
    file: File,
    digesting: RunningDigests,
    bar: ProgressBar,
}

impl Download {
    async fn fetch_from_any(&mut self, access: &Access, sources: &Sources) -> anyhow::Result<()> {
        ensure!(
            !sources.candidates.is_empty() || sources.cloud.is_some(),
            "no distribution server has it yet; `xylem package placement` shows where it is"
        );
        let client = ContentClient::new(access.transport.clone());
        let mut reasons = Vec::new();
        for candidate in &sources.candidates {
            let fetched = self.fetch_from(&client, candidate).await;
            match self.judged(fetched)? {
                None => return Ok(()),
                Some(reason) => reasons.push(format!("{}: {reason}", candidate.name)),
            }
        }
        // Whatever its place is for computers: there is one download, and servers are nearer.
        if let Some(cloud) = &sources.cloud {
            let fetched = self.fetch_from_cloud(access, cloud).await;
            match self.judged(fetched)? {
                None => return Ok(()),
                Some(reason) => reasons.push(format!("{CLOUD_SOURCE}: {reason}")),
            }
        }
        bail!("nobody gave the whole file ({})", reasons.join("; "))
    }

    /// Why a place did not give the rest; none where it did and all is right.
    fn judged(&mut self, fetched: anyhow::Result<()>) -> anyhow::Result<Option<String>> {
        match fetched {
            Ok(()) if self.is_right() => Ok(None),
            Ok(()) => {
                self.start_over()?;
                Ok(Some("the bytes are not the published ones".to_owned()))
            }
            Err(error) => Ok(Some(format!("{error:#}"))),
        }
    }

    async fn fetch_from_cloud(
        &mut self,
        access: &Access,
        cloud: &CloudCandidate,
    ) -> anyhow::Result<()> {
        let roots = match &cloud.ca_pem {
            Some(pem) => PublicRoots::from_pem(pem.as_bytes())?,
            None => PublicRoots::of_this_machine()?,
        };
        let environment = access.transport.environment().clone();
        let tls = public_client_config(&roots, Arc::clone(&environment.clock))?;
        let client = CloudContentClient::new(environment, tls, Deadlines::default());
        let (size, have) = (self.descriptor.size, self.digesting.size());
        let answer = client.fetch(&cloud.url, size, have).await?;
        ensure!(answer.size == size, "it has another size");
        self.take(answer).await
    }

    async fn fetch_from(
        &mut self,
        client: &ContentClient,
        candidate: &Candidate,
    ) -> anyhow::Result<()> {
        let ContentUrl { server, path } = candidate.url.parse()?;
        let auth = ContentAuth::Ticket(candidate.ticket.clone());
        let have = self.digesting.size();
        let answer = client.fetch(&server, &path, &self.descriptor.content, have, &auth).await?;
        ensure!(answer.size == self.descriptor.size || answer.offset > 0, "it has another size");
        self.take(answer).await
    }

    async fn take(&mut self, answer: ContentAnswer) -> anyhow::Result<()> {
        if answer.offset != self.digesting.size() {
            self.start_over()?;
        }
        let mut body = answer.body;
        while let Some(piece) = body.next().await? {
            ensure!(
                self.digesting.size() + piece.len() as u64 <= self.descriptor.size,
                "it sent more bytes than the file has"
            );
            self.file.write_all(&piece).context("cannot write")?;
            self.digesting.update(&piece);
            self.bar.set_position(self.digesting.size());
        }
        Ok(())
    }

    fn is_right(&self) -> bool {
        let found = self.digesting.digests();
        self.digesting.size() == self.descriptor.size
            && found.blake3 == self.descriptor.content
            && found.sha256 == self.descriptor.sha256
    }

    fn start_over(&mut self) -> anyhow::Result<()> {
        use std::io::Seek as _;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.digesting = RunningDigests::new();
        Ok(())
    }
}
