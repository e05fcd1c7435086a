//! What the command line and scripts call.

use std::time::Duration;

use http::{HeaderValue, Method, Request, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use xylem_api::agent::{Computer, NewOrder, OrderInfo};
use xylem_api::catalogue::{
    DeclareUpload, File, FileDetail, FilePage, Named, OpenUpload, Placement, Sources, Upload,
};
use xylem_api::digests::FileDigests;
use xylem_api::enrollment::{CaInfo, CreatedInvitation, Invitation, NewInvitation};
use xylem_api::manifests::{Manifest, NewManifest};
use xylem_api::server::{AuditPage, CreatedToken, NewToken, Status, Token};
use xylem_api::tree::{
    Account, AddAccount, ChangeDistributionServer, ChildrenMoved, DistributionServer, MoveChildren,
    NewPassword, SetParent,
};
use xylem_model::{AccountName, FileKind, InvitationId, OrderId, TokenId, UploadId};

use crate::{BaseUrl, ClientError, Deadlines, EventStream, RequestBody, Transport, empty_body};

/// Which kind of plain record is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedKind {
    /// Categories of files.
    Category,
    /// Sites.
    Site,
}

impl NamedKind {
    const fn path(self) -> &'static str {
        match self {
            Self::Category => "/v1/categories",
            Self::Site => "/v1/sites",
        }
    }
}

/// The administrator's calls, with an API token.
#[derive(Clone)]
pub struct AdminClient {
    transport: Transport,
    server: BaseUrl,
    authorization: HeaderValue,
}

impl AdminClient {
    /// A client of this management server. Fails when the token holds characters that no token
    /// has, which a header could not carry.
    pub fn new(transport: Transport, server: BaseUrl, token: &str) -> Result<Self, ClientError> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| {
            ClientError::Protocol {
                server: server.clone(),
                reason: "the API token holds characters that no token has".to_owned(),
            }
        })?;
        authorization.set_sensitive(true);
        Ok(Self { transport, server, authorization })
    }

    /// The management server's address.
    pub const fn server(&self) -> &BaseUrl {
        &self.server
    }

    /// The public root certificate and the server's clock.
    pub async fn ca(&self) -> Result<CaInfo, ClientError> {
        self.get("/v1/ca").await
    }

    /// How the server is.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// Says that what a restore brought back is right; removals go on.
    pub async fn confirm_restore(&self) -> Result<(), ClientError> {
        self.post("/v1/restore/confirm", &()).await
    }

    /// Sites or categories.
    pub async fn names(&self, kind: NamedKind) -> Result<Vec<Named>, ClientError> {
        self.get(kind.path()).await
    }

    /// Adds a site or category.
    pub async fn add_name(&self, kind: NamedKind, name: &str) -> Result<(), ClientError> {
        self.post(kind.path(), &Named { name: name.to_owned() }).await
    }

    /// Renames a site or category.
    pub async fn rename(&self, kind: NamedKind, old: &str, new: &str) -> Result<(), ClientError> {
        let path = format!("{}/{}", kind.path(), segment(old));
        self.call(Method::PATCH, &path, Some(&Named { name: new.to_owned() })).await
    }

    /// Removes a site or category that nothing uses.
    pub async fn remove_name(&self, kind: NamedKind, name: &str) -> Result<(), ClientError> {
        self.delete(&format!("{}/{}", kind.path(), segment(name))).await
    }

    /// Makes an invitation.
    pub async fn invite(&self, new: &NewInvitation) -> Result<CreatedInvitation, ClientError> {
        self.post("/v1/invitations", new).await
    }

    /// Invitations that can still be used.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, ClientError> {
        self.get("/v1/invitations").await
    }

    /// Takes an invitation back.
    pub async fn revoke_invitation(&self, id: InvitationId) -> Result<(), ClientError> {
        self.delete(&format!("/v1/invitations/{id}")).await
    }

    /// Makes an API token.
    pub async fn create_token(&self, new: &NewToken) -> Result<CreatedToken, ClientError> {
        self.post("/v1/tokens", new).await
    }

    /// API tokens.
    pub async fn tokens(&self) -> Result<Vec<Token>, ClientError> {
        self.get("/v1/tokens").await
    }

    /// Takes an API token back.
    pub async fn revoke_token(&self, id: TokenId) -> Result<(), ClientError> {
        self.delete(&format!("/v1/tokens/{id}")).await
    }

    /// Distribution servers, root first.
    pub async fn distribution_servers(&self) -> Result<Vec<DistributionServer>, ClientError> {
        self.get("/v1/distribution-servers").await
    }

    /// One distribution server.
    pub async fn distribution_server(&self, name: &str) -> Result<DistributionServer, ClientError> {
        self.get(&format!("/v1/distribution-servers/{}", segment(name))).await
    }

    /// Changes name, URL, site, parents or openness of a distribution server.
    pub async fn change_distribution_server(
        &self,
        name: &str,
        change: &ChangeDistributionServer,
    ) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}", segment(name));
        self.call(Method::PATCH, &path, Some(change)).await
    }

    /// Gives a distribution server another first parent.
    pub async fn set_parent(&self, name: &str, parent: &str) -> Result<(), ClientError> {
        let path = format!("/v1/distribution-servers/{}/parent", segment(name));
        self.call(Method::PUT, &path, Some(&SetParent { parent: parent.to_owned() })).await
    }

    /// Gives all children of a distribution server another parent; its own where none is named.
    pub async fn move_children(
        &self,
        name: &str,
        to: Option<&str>,
    ) -> Result<ChildrenMoved, ClientError> {
        let path = format!("/v1/distribution-servers/{}/move-children", segment(name));
        let asked = MoveChildren { to: to.map(str::to_owned) };
        self.call(Method::POST, &path, Some(&asked)).await
    }

    /// Lets a distribution server in again whose key was found on two machines.
    pub async fn reinstate(&self, name: &str) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}/reinstate", segment(name));
        self.call(Method::POST, &path, None::<&()>).await
    }

    /// Has a distribution server look through everything it holds.
    pub async fn scrub(&self, name: &str) -> Result<DistributionServer, ClientError> {
        let path = format!("/v1/distribution-servers/{}/scrub", segment(name));
        self.call(Method::POST, &path, None::<&()>).await
    }

    /// Removes a distribution server and revokes its certificate.
    pub async fn remove_distribution_server(&self, name: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/distribution-servers/{}", segment(name))).await
    }

    /// The WebDAV accounts of a distribution server, by name.
    pub async fn accounts(&self, server: &str) -> Result<Vec<Account>, ClientError> {
        self.get(&accounts_path(server)).await
    }

    /// Adds a WebDAV account; the answer is the only one that holds its password.
    pub async fn add_account(
        &self,
        server: &str,
        new: &AddAccount,
    ) -> Result<NewPassword, ClientError> {
        self.post(&accounts_path(server), new).await
    }

    /// Removes a WebDAV account.
    pub async fn remove_account(
        &self,
        server: &str,
        account: &AccountName,
    ) -> Result<(), ClientError> {
        self.delete(&account_path(server, account)).await
    }

    /// Makes a new password for a WebDAV account; the one before it counts too, until it is
    /// dropped.
    pub async fn renew_password(
        &self,
        server: &str,
        account: &AccountName,
    ) -> Result<NewPassword, ClientError> {
        self.post(&format!("{}/password", account_path(server, account)), &()).await
    }

    /// Lets only the newest password of a WebDAV account count.
    pub async fn drop_previous_password(
        &self,
        server: &str,
        account: &AccountName,
    ) -> Result<(), ClientError> {
        self.delete(&format!("{}/password", account_path(server, account))).await
    }

    /// Computers.
    pub async fn computers(&self) -> Result<Vec<Computer>, ClientError> {
        self.get("/v1/computers").await
    }

    /// One computer.
    pub async fn computer(&self, name: &str) -> Result<Computer, ClientError> {
        self.get(&format!("/v1/computers/{}", segment(name))).await
    }

    /// Removes a computer and revokes its certificate.
    pub async fn remove_computer(&self, name: &str) -> Result<(), ClientError> {
        self.delete(&format!("/v1/computers/{}", segment(name))).await
    }

    /// Orders a computer to install a package.
    pub async fn order(&self, computer: &str, package: &str) -> Result<OrderInfo, ClientError> {
        let path = format!("/v1/computers/{}/orders", segment(computer));
        self.post(&path, &NewOrder { package: package.to_owned(), test: false }).await
    }

    /// One order.
    pub async fn order_info(&self, id: OrderId) -> Result<OrderInfo, ClientError> {
        self.get(&format!("/v1/orders/{id}")).await
    }

    /// The orders of a computer, newest first.
    pub async fn orders(&self, computer: &str) -> Result<Vec<OrderInfo>, ClientError> {
        self.get(&format!("/v1/computers/{}/orders", segment(computer))).await
    }

    /// Announces an upload.
    pub async fn declare_upload(&self, what: &DeclareUpload) -> Result<Upload, ClientError> {
        self.post("/v1/uploads", what).await
    }

    /// Uploads that have not ended, the oldest first.
    pub async fn uploads(&self) -> Result<Vec<OpenUpload>, ClientError> {
        self.get("/v1/uploads").await
    }

    /// Where an upload stands.
    pub async fn upload(&self, id: UploadId) -> Result<Upload, ClientError> {
        self.get(&format!("/v1/uploads/{id}")).await
    }

    /// Gives up an upload.
    pub async fn cancel_upload(&self, id: UploadId) -> Result<(), ClientError> {
        self.delete(&format!("/v1/uploads/{id}")).await
    }

    /// Sends bytes of an upload through the management server, for callers that cannot reach the
    /// ingest server.
    pub async fn send_through(
        &self,
        id: UploadId,
        offset: u64,
        length: u64,
        body: RequestBody,
    ) -> Result<(), ClientError> {
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("/v1/uploads/{id}/content?offset={offset}"))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, length)
            .body(body)
            .map_err(|e| ClientError::Protocol {
                server: self.server.clone(),
                reason: e.to_string(),
            })?;
        self.transport.send(&self.server, request).await?;
        Ok(())
    }

    /// Completes an upload that was sent through the management server.
    pub async fn complete_through(&self, id: UploadId) -> Result<Upload, ClientError> {
        self.post(&format!("/v1/uploads/{id}/complete"), &()).await
    }

    /// A page of files, in the order of names.
    pub async fn files(
        &self,
        kind: FileKind,
        after: Option<&str>,
    ) -> Result<FilePage, ClientError> {
        let mut path = format!("/v1/files?kind={kind}");
        if let Some(after) = after {
            path = format!("{path}&after={}", segment(after));
        }
        self.get(&path).await
    }

    /// One file and its versions.
    pub async fn file(&self, kind: FileKind, name: &str) -> Result<FileDetail, ClientError> {
        self.get(&file_path(kind, name)).await
    }

    /// Deletes a file; it can be restored for 30 days.
    pub async fn delete_file(&self, kind: FileKind, name: &str) -> Result<(), ClientError> {
        self.delete(&file_path(kind, name)).await
    }

    /// Brings a deleted file back.
    pub async fn restore_file(&self, kind: FileKind, name: &str) -> Result<File, ClientError> {
        self.post(&format!("{}/restore", file_path(kind, name)), &()).await
    }

    /// All digests of the version of a file that is served.
    pub async fn digests(&self, kind: FileKind, name: &str) -> Result<FileDigests, ClientError> {
        self.get(&format!("{}/digests", file_path(kind, name))).await
    }

    /// Makes what a device needs to fetch and install a file.
    pub async fn make_manifest(
        &self,
        kind: FileKind,
        name: &str,
        asked: &NewManifest,
    ) -> Result<Manifest, ClientError> {
        self.post(&format!("{}/manifest", file_path(kind, name)), asked).await
    }

    /// Where copies of a file are.
    pub async fn placement(&self, kind: FileKind, name: &str) -> Result<Placement, ClientError> {
        self.get(&format!("{}/placement", file_path(kind, name))).await
    }

    /// Where a file can be fetched, with tickets for this caller.
    pub async fn sources(&self, kind: FileKind, name: &str) -> Result<Sources, ClientError> {
        self.get(&format!("{}/sources", file_path(kind, name))).await
    }

    /// The audit log, newest first.
    pub async fn audit(&self, before: Option<u64>) -> Result<AuditPage, ClientError> {
        match before {
            None => self.get("/v1/audit").await,
            Some(before) => self.get(&format!("/v1/audit?before={before}")).await,
        }
    }

    /// Opens the stream of [`ServerEvent`](xylem_api::server::ServerEvent); one that goes on after
    /// the event with the id `after`.
    pub async fn events(&self, after: Option<&str>) -> Result<EventStream, ClientError> {
        let mut request = Request::builder()
            .uri("/v1/events")
            .header(header::AUTHORIZATION, self.authorization.clone());
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let request = request.body(empty_body()).map_err(|e| ClientError::Protocol {
            server: self.server.clone(),
            reason: e.to_string(),
        })?;
        Ok(EventStream::new(self.transport.send(&self.server, request).await?.into_body()))
    }

    /// The same client with more patience for an answer, for what takes its time.
    pub(crate) fn patient(&self, answer: Duration) -> Self {
        let deadlines = Deadlines { answer, ..Deadlines::default() };
        Self { transport: self.transport.with_deadlines(deadlines), ..self.clone() }
    }

    async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, ClientError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, ClientError> {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.call(Method::DELETE, path, None::<&()>).await
    }

    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<A, ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, self.authorization.clone());
        self.transport.json(&self.server, request, body).await
    }
}

pub(crate) fn segment(text: &str) -> impl std::fmt::Display + '_ {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

fn accounts_path(server: &str) -> String {
    format!("/v1/distribution-servers/{}/accounts", segment(server))
}

fn account_path(server: &str, account: &AccountName) -> String {
    format!("{}/{}", accounts_path(server), segment(account.as_str()))
}

pub(crate) fn file_path(kind: FileKind, name: &str) -> String {
    format!("/v1/files/{kind}/{}", segment(name))
}
