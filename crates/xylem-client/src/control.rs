//! Distribution server to management server.

use std::time::Duration;

use http::{Method, Request};
use xylem_api::certificates::PublicChainSecret;
use xylem_api::control::{
    ChangeFile, ControlState, DeclareReceived, DescriptorPage, FileChanged, ServerReport,
};
use xylem_api::control_cloud::{
    AskCloudAddress, AskCloudNext, AskCloudUpload, CloudAddress, CloudContent, CloudGivenUp,
    CloudNext, CloudProof, CloudSampled, CloudUpload, SignedPieces, TellCloudParts,
};
use xylem_api::control_folder::{FOLDER_WAIT, FolderErrands, TellFolder};
use xylem_api::control_read_back::{AskCloudReadBack, CloudReadBack, TellCloudReadBack};
use xylem_api::digests::{DigestsAfter, DigestsWanted, ReportedDigests};
use xylem_api::ingest::{Committed, Ingested, RefusedUpload};
use xylem_model::{ContentId, Epoch, Generation, UploadId};

use crate::{BaseUrl, ClientError, Deadlines, EventStream, Transport, empty_body};

/// How long the management server may take over the end of an upload, and over what follows from a
/// look at it: five minutes, in which some providers end one, and what goes before.
const CLOUD_END_PATIENCE: Duration = Duration::from_secs(6 * 60);

/// The same where it asks a cloud for something small first, such as a token or the beginning of an
/// upload: as long as a content is a server's without a word.
const CLOUD_PATIENCE: Duration = Duration::from_secs(2 * 60);

/// The same over what it only writes down: shorter than the 30 s between two words that keep a
/// content, so that a lost one does not cost the next.
const CLOUD_WORD_PATIENCE: Duration = Duration::from_secs(20);

/// The same where it waits for something to be done in this server's folder: longer than it waits.
const CLOUD_FOLDER_PATIENCE: Duration = FOLDER_WAIT.saturating_add(Duration::from_secs(15));

/// The control link. Its transport shows the distribution server's certificate.
#[derive(Clone)]
pub struct ControlClient {
    transport: Transport,
    server: BaseUrl,
}

impl ControlClient {
    /// A link to this management server.
    pub const fn new(transport: Transport, server: BaseUrl) -> Self {
        Self { transport, server }
    }

    /// The management server's address.
    pub const fn server(&self) -> &BaseUrl {
        &self.server
    }

    /// The transport, for closing kept connections after a renewal.
    pub const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What this server must know, but the descriptors; with versions that have a mark, where the
    /// management server knows of them.
    pub async fn state(&self) -> Result<ControlState, ClientError> {
        self.get("/v1/control/state?marks=true").await
    }

    /// Descriptors that changed after a generation of an epoch. `marks` is as in the state that they
    /// belong to: a management server that says nothing of marks does not know the word.
    pub async fn descriptors(
        &self,
        epoch: Epoch,
        since: Generation,
        marks: bool,
    ) -> Result<DescriptorPage, ClientError> {
        let mut path = format!("/v1/control/descriptors?epoch={}&since={}", epoch.0, since.0);
        if marks {
            path += "&marks=true";
        }
        self.get(&path).await
    }

    /// Opens the stream of [`StateChanged`](xylem_api::control::StateChanged).
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        let request = Request::builder()
            .uri("/v1/control/events")
            .body(empty_body())
            .map_err(|e| self.protocol(&e))?;
        Ok(EventStream::new(self.transport.send(&self.server, request).await?.into_body()))
    }

    /// The certificate that an administrator brought for this server, with its key.
    pub async fn public_chain(&self) -> Result<PublicChainSecret, ClientError> {
        self.get("/v1/control/public-chain").await
    }

    /// Reports copies, rates and failures.
    pub async fn report(&self, report: &ServerReport) -> Result<(), ClientError> {
        self.post("/v1/control/report", report).await
    }

    /// Reports what arrived for an upload; the answer is the signed descriptor.
    pub async fn ingested(
        &self,
        upload: UploadId,
        found: &Ingested,
    ) -> Result<Committed, ClientError> {
        self.post(&format!("/v1/control/uploads/{upload}/ingested"), found).await
    }

    /// Reports that an upload was turned down.
    pub async fn refused(&self, upload: UploadId, why: &RefusedUpload) -> Result<(), ClientError> {
        self.post(&format!("/v1/control/uploads/{upload}/refused"), why).await
    }

    /// Reports that an upload is published.
    pub async fn published(&self, upload: UploadId) -> Result<(), ClientError> {
        self.post(&format!("/v1/control/uploads/{upload}/published"), &()).await
    }

    /// Asks whose further digests this server is to compute, from behind `after` on.
    pub async fn digests_wanted(
        &self,
        after: Option<DigestsAfter>,
    ) -> Result<DigestsWanted, ClientError> {
        let path = "/v1/control/digests";
        match after {
            None => self.get(path).await,
            Some(DigestsAfter { generation, content }) => {
                let query = format!("generation={}&content={content}", generation.0);
                self.get(&format!("{path}?{query}")).await
            }
        }
    }

    /// Tells further digests of a content that this server holds. Telling them again changes
    /// nothing.
    pub async fn tell_digests(
        &self,
        content: &ContentId,
        digests: &ReportedDigests,
    ) -> Result<(), ClientError> {
        self.post(&format!("/v1/control/digests/{content}"), digests).await
    }

    /// Announces what an account has sent this server, which must be the ingest server. Announcing
    /// it again changes nothing; then it goes on as every upload does.
    pub async fn declare_received(&self, received: &DeclareReceived) -> Result<(), ClientError> {
        self.post("/v1/control/uploads", received).await
    }

    /// Has an account of this server rename, copy or delete a file; says which state has it.
    pub async fn change_file(&self, change: &ChangeFile) -> Result<FileChanged, ClientError> {
        self.post("/v1/control/files", change).await
    }

    /// Asks what is to be sent to the cloud next.
    pub async fn cloud_next(&self, ask: &AskCloudNext) -> Result<CloudNext, ClientError> {
        self.post_cloud("next", ask, CLOUD_PATIENCE).await
    }

    /// Tells what a cloud answered to parts, and asks for requests that send others. Telling it
    /// again changes nothing.
    pub async fn cloud_parts(&self, told: &TellCloudParts) -> Result<SignedPieces, ClientError> {
        // What tells and asks nothing only keeps the content.
        let is_word = told.answered.is_empty() && told.next.is_empty();
        let patience = if is_word { CLOUD_WORD_PATIENCE } else { CLOUD_PATIENCE };
        self.post_cloud("parts", told, patience).await
    }

    /// Has an upload ended whose parts all arrived. Asking again changes nothing.
    pub async fn cloud_finish(&self, content: &CloudContent) -> Result<CloudProof, ClientError> {
        self.post_cloud("finish", content, CLOUD_END_PATIENCE).await
    }

    /// Tells how an object looks to a client.
    pub async fn cloud_sampled(&self, sampled: &CloudSampled) -> Result<(), ClientError> {
        self.post_cloud("sampled", sampled, CLOUD_END_PATIENCE).await
    }

    /// Tells that this server does not go on with a content.
    pub async fn cloud_given_up(&self, given_up: &CloudGivenUp) -> Result<(), ClientError> {
        self.post_cloud("given-up", given_up, CLOUD_WORD_PATIENCE).await
    }

    /// Asks whether an upload that is here may be committed, and where the cloud is the principal wants
    /// it there.
    pub async fn cloud_upload(&self, ask: &AskCloudUpload) -> Result<CloudUpload, ClientError> {
        self.post_cloud("upload", ask, CLOUD_WORD_PATIENCE).await
    }

    /// Asks for an address by which a content is read from the cloud.
    pub async fn cloud_address(&self, ask: &AskCloudAddress) -> Result<CloudAddress, ClientError> {
        self.post_cloud("address", ask, CLOUD_WORD_PATIENCE).await
    }

    /// Asks what is to be read back from the cloud next, or for a fresh address of what is being read.
    pub async fn cloud_read_back(
        &self,
        ask: &AskCloudReadBack,
    ) -> Result<CloudReadBack, ClientError> {
        let patience = if ask.going_on.is_some() { CLOUD_WORD_PATIENCE } else { CLOUD_PATIENCE };
        self.post_cloud("read-back", ask, patience).await
    }

    /// Tells what came of reading a content back.
    pub async fn cloud_read_back_ended(&self, told: &TellCloudReadBack) -> Result<(), ClientError> {
        self.post_cloud("read-back-ended", told, CLOUD_PATIENCE).await
    }

    /// Tells what was done in this server's folder, and asks what is to be done next there. Answered
    /// as soon as there is something.
    pub async fn cloud_folder(&self, told: &TellFolder) -> Result<FolderErrands, ClientError> {
        self.post_cloud("folder", told, CLOUD_FOLDER_PATIENCE).await
    }

    async fn post_cloud<B: serde::Serialize, A: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        body: &B,
        patience: Duration,
    ) -> Result<A, ClientError> {
        let deadlines = Deadlines { answer: patience, ..Deadlines::default() };
        let path = format!("/v1/control/cloud/{what}");
        let request = Request::builder().method(Method::POST).uri(path);
        self.transport.with_deadlines(deadlines).json(&self.server, request, Some(body)).await
    }

    async fn get<A: serde::de::DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        self.transport.json(&self.server, Request::builder().uri(path), None::<&()>).await
    }

    async fn post<B: serde::Serialize, A: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<A, ClientError> {
        let request = Request::builder().method(Method::POST).uri(path);
        self.transport.json(&self.server, request, Some(body)).await
    }

    fn protocol(&self, reason: &impl ToString) -> ClientError {
        ClientError::Protocol { server: self.server.clone(), reason: reason.to_string() }
    }
}
