//! Manifests: what a device needs to fetch and install a file. `docs/design/manifests.md`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use xylem_api::error::ErrorCode;
use xylem_api::manifests::{DEFAULT_HOURS, MAX_HOURS, Manifest, NewManifest, TICKET_PARAMETER};
use xylem_db::{DistributionServer, LiveFile};
use xylem_http::{ApiError, ApiJson};
use xylem_model::{DistributionServerId, FileKind, SiteId, Timestamp};
use xylem_trust::{Operation, Ticket};

use crate::app::App;
use crate::extract::{ApiPath, ApiQuery};
use crate::failure::{Failure, RETRY_AFTER_SECONDS};
use crate::manifest::Subject;
use crate::permission::Caller;

/// The ticket with which somebody without a certificate fetches a manifest.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Presented {
    /// As it is in the address that was made for the manifest.
    ticket: String,
}

/// Makes a manifest of the version that is served.
#[utoipa::path(
    post, path = "/v1/files/{kind}/{name}/manifest", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")),
    request_body = NewManifest,
    responses((status = 200, description = "The manifest, and where it can be fetched.",
        body = Manifest))
)]
pub(super) async fn make(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiJson(asked): ApiJson<NewManifest>,
) -> Result<Json<Manifest>, Failure> {
    let live = app.served_file(&file).await?;
    if asked.server.is_some() && asked.site.is_some() {
        let message = "say `server` or `site`, not both: a server is at the site where it is";
        return Err(Failure::new(ErrorCode::BadRequest, message));
    }
    let hours = asked.hours.unwrap_or(DEFAULT_HOURS);
    if !(1..=MAX_HOURS).contains(&hours) {
        let message = format!("addresses are good for 1 to {MAX_HOURS} hours, not for {hours}");
        return Err(Failure::new(ErrorCode::BadRequest, message));
    }
    let expires = app.now().plus(Duration::from_secs(u64::from(hours) * 3600));
    let server = app.device_server(&live, &asked).await?;
    let url = app.device_url(&live, &server, expires)?;
    let plist = app.plist_of(&live, &url, asked.md5).await?;
    let (kind, content, name) = (live.file.kind, live.version.content, live.file.name.to_string());
    let operation = Operation::Manifest { content, server: server.id, md5: asked.md5 };
    let manifest_url = match kind {
        FileKind::Ebook => None,
        FileKind::App | FileKind::Package => {
            let ticket = app.device_ticket(operation, expires)?;
            let path = format!("{}/v1/manifests/{kind}/{}", app.public_url, encoded(&name));
            Some(format!("{path}?{TICKET_PARAMETER}={ticket}"))
        }
    };
    let install_link = manifest_url
        .as_deref()
        .filter(|_| kind == FileKind::App)
        .map(|url| format!("itms-services://?action=download-manifest&url={}", encoded(url)));
    let detail = json!({
        "content": content, "server": server.id, "hours": hours, "md5": asked.md5,
    });
    app.database.append_audit(&caller.actor(), "file.manifest", &name, &detail, app.now()).await?;
    let server = server.name;
    Ok(Json(Manifest { name, server, url, manifest_url, install_link, expires_at: expires, plist }))
}

/// The manifest itself, for a device: it shows no certificate, and the ticket in the address lets it
/// in.
#[utoipa::path(
    get, path = "/v1/manifests/{kind}/{name}", tag = "files",
    params(("kind" = String, Path, description = "The kind of the file."),
        ("name" = String, Path, description = "Its name."), Presented),
    responses((status = 200, description = "The manifest.", content_type = "application/xml",
        body = String))
)]
pub(super) async fn fetch(
    State(app): State<App>,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiQuery(presented): ApiQuery<Presented>,
) -> Result<Response, Failure> {
    let ticket = app.open_ticket(&presented.ticket)?;
    let Operation::Manifest { content, server, md5 } = ticket.operation else {
        return Err(not_accepted("it is not for a manifest"));
    };
    let live = app.served_file(&file).await?;
    if live.version.content != content {
        return Err(not_accepted("the file was replaced since"));
    }
    let holding = app.device_servers(&live, None).await?;
    // The one that was chosen, while it has the file and gives it out.
    let server = one_of(&live, holding, |it| it.id == server)?;
    let url = app.device_url(&live, &server, ticket.expires)?;
    let plist = app.plist_of(&live, &url, md5).await?;
    Ok(([(header::CONTENT_TYPE, "application/xml"), (header::CACHE_CONTROL, "no-store")], plist)
        .into_response())
}

impl App {
    /// The server that a device is sent to: the one that is named, or one at the site that is named;
    /// else the root.
    async fn device_server(
        &self,
        live: &LiveFile,
        asked: &NewManifest,
    ) -> Result<DistributionServer, Failure> {
        let site = self.site_id(asked.site.as_deref()).await?;
        let holding = self.device_servers(live, site).await?;
        let Some(name) = asked.server.as_deref() else {
            return one_of(live, holding, |server| site.is_some() && server.site == site);
        };
        let named = self.database.distribution_server_by_name(name).await?.id;
        holding.into_iter().find(|server| server.id == named).ok_or_else(|| {
            let file = &live.file.name;
            let message = format!(
                "`{name}` does not hold `{file}`, does not offer it, or is in maintenance: \
                 `xylem ds show {name} --why {file}` says more"
            );
            Failure::new(ErrorCode::Conflict, message)
        })
    }

    /// The servers that hold a file and give it out, nearest to a site first.
    async fn device_servers(
        &self,
        live: &LiveFile,
        site: Option<SiteId>,
    ) -> Result<Vec<DistributionServer>, Failure> {
        let (content, file) = (live.version.content, live.file.facts());
        let holding: Vec<DistributionServerId> = self.database.servers_holding(content).await?;
        let mut offering = self.offering(content, &file, site).await?;
        offering.retain(|server| holding.contains(&server.id));
        Ok(offering)
    }

    /// Where a device fetches a file until `expires`.
    fn device_url(
        &self,
        live: &LiveFile,
        server: &DistributionServer,
        expires: Timestamp,
    ) -> Result<String, Failure> {
        let operation = Operation::Device { content: live.version.content };
        let ticket = self.device_ticket(operation, expires)?;
        let (base, folder) = (server.public_url.trim_end_matches('/'), live.file.kind.folder());
        let name = encoded(live.file.name.as_str());
        Ok(format!("{base}/{folder}/{name}?{TICKET_PARAMETER}={ticket}"))
    }

    fn device_ticket(&self, operation: Operation, expires: Timestamp) -> Result<String, Failure> {
        let ticket = Ticket { operation, holder: None, issued: self.now(), expires };
        Ok(self.control.sign(&ticket)?.to_header())
    }

    fn open_ticket(&self, text: &str) -> Result<Ticket, Failure> {
        let opened = self.control.trust().open_ticket(text, self.now());
        opened.map_err(|error| not_accepted(&error.to_string()))
    }

    async fn plist_of(&self, live: &LiveFile, url: &str, md5: bool) -> Result<String, Failure> {
        let LiveFile { file, version } = live;
        let chunks = match file.kind {
            // Its command says nothing of digests.
            FileKind::Ebook => None,
            FileKind::App | FileKind::Package => {
                Some(self.database.chunk_digests(version.content).await?)
            }
        };
        let are_lacking = chunks.as_ref().is_some_and(|chunks| chunks.sha256.is_empty());
        let subject = Subject {
            file: file.id,
            kind: file.kind,
            name: &file.name,
            version: version.number,
            inspection: &version.inspection,
            chunks: &chunks.unwrap_or_default(),
            md5,
            url,
        };
        // What no digest would help comes first.
        let plist =
            subject.plist().map_err(|error| Failure::new(ErrorCode::Refused, error.to_string()))?;
        if are_lacking {
            let message = format!(
                "the digests of `{}` are not computed yet, and its manifest names them: try again \
                 soon",
                file.name
            );
            return Err(ApiError::unavailable(message, RETRY_AFTER_SECONDS).into());
        }
        Ok(plist)
    }
}

/// The first of the servers that is preferred; where none is the root, which feeds all places alike,
/// or else the first.
fn one_of(
    live: &LiveFile,
    servers: Vec<DistributionServer>,
    is_preferred: impl Fn(&DistributionServer) -> bool,
) -> Result<DistributionServer, Failure> {
    let rank = |server: &DistributionServer| match is_preferred(server) {
        true => 0,
        false if server.is_root => 1,
        false => 2,
    };
    // Of those that rank alike it is the first.
    servers.into_iter().min_by_key(rank).ok_or_else(|| {
        let message =
            format!("no distribution server holds `{}` yet: try again soon", live.file.name);
        ApiError::unavailable(message, RETRY_AFTER_SECONDS).into()
    })
}

/// A part of an address.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn not_accepted(reason: &str) -> Failure {
    let message = format!("the address is not accepted: {reason}; have the manifest made anew");
    Failure::new(ErrorCode::Forbidden, message)
}
