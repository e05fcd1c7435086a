//! Certificates that an administrator brings along.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use xylem_api::certificates::{PublicChainSecret, SetPublicChain, ShownCertificate};
use xylem_api::error::ErrorCode;
use xylem_api::tree::DistributionServer;
use xylem_db::SealedChain;
use xylem_http::ApiJson;
use xylem_model::DistributionServerId;
use xylem_pki::PublicChain;

use super::enrollment::parse_url;
use super::servers::View;
use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::shown;

/// What this server shows to browsers.
#[utoipa::path(
    get, path = "/v1/certificate", tag = "certificates",
    responses((status = 200, description = "The certificate.", body = ShownCertificate))
)]
pub(super) async fn own(State(app): State<App>) -> Json<ShownCertificate> {
    Json(shown::of(&app.presented))
}

/// Shows browsers a certificate of yours.
#[utoipa::path(
    put, path = "/v1/certificate", tag = "certificates", request_body = SetPublicChain,
    responses((status = 200, description = "It is shown.", body = ShownCertificate))
)]
pub(super) async fn set_own(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<SetPublicChain>,
) -> Result<Json<ShownCertificate>, Failure> {
    let chain = app.checked_chain(asked, app.public_url.host()).await?;
    let (folder, text) = (app.folder.clone(), chain.secret_pem().to_owned());
    let _one_at_a_time = app.own_chain.lock().await;
    app.audit_own(&caller, Some(&chain)).await?;
    app.environment.disk.run(move |fs| folder.save_public_chain(fs, Some(&text))).await?;
    app.presented.set_public(Some(Arc::new(chain)));
    Ok(Json(shown::of(&app.presented)))
}

/// Shows browsers the certificate of the built-in authority again.
#[utoipa::path(
    delete, path = "/v1/certificate", tag = "certificates",
    responses((status = 200, description = "It is forgotten.", body = ShownCertificate))
)]
pub(super) async fn forget_own(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<ShownCertificate>, Failure> {
    let folder = app.folder.clone();
    let _one_at_a_time = app.own_chain.lock().await;
    app.audit_own(&caller, None).await?;
    app.environment.disk.run(move |fs| folder.save_public_chain(fs, None)).await?;
    app.presented.set_public(None);
    Ok(Json(shown::of(&app.presented)))
}

/// Has a distribution server show a certificate of yours to browsers, Finder and other clients.
#[utoipa::path(
    put, path = "/v1/distribution-servers/{name}/certificate", tag = "certificates",
    params(("name" = String, Path, description = "Its name.")), request_body = SetPublicChain,
    responses((status = 200, description = "It will.", body = DistributionServer))
)]
pub(super) async fn set(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<SetPublicChain>,
) -> Result<Json<DistributionServer>, Failure> {
    let server = app.database.distribution_server_by_name(&name).await?;
    let chain = app.checked_chain(asked, parse_url(&server.public_url)?.host()).await?;
    let sealed = SealedChain {
        sealed: app.sealer.seal(&row(server.id), chain.secret_pem())?,
        fingerprint: chain.text_digest().to_string(),
    };
    let (actor, now) = (caller.actor(), app.now());
    let changed = app.database.set_public_chain(server.id, Some(&sealed), &actor, now).await?;
    Ok(Json(View::read(&app).await?.wire(&app, changed).await?))
}

/// Has a distribution server show the certificate of the built-in authority again.
#[utoipa::path(
    delete, path = "/v1/distribution-servers/{name}/certificate", tag = "certificates",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It will.", body = DistributionServer))
)]
pub(super) async fn forget(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<DistributionServer>, Failure> {
    let id = app.database.distribution_server_by_name(&name).await?.id;
    let changed = app.database.set_public_chain(id, None, &caller.actor(), app.now()).await?;
    Ok(Json(View::read(&app).await?.wire(&app, changed).await?))
}

/// The certificate that an administrator brought for the caller, with its key.
#[utoipa::path(
    get, path = "/v1/control/public-chain", tag = "control",
    responses((status = 200, description = "Chain and key.", body = PublicChainSecret))
)]
pub(super) async fn secret(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<PublicChainSecret>, Failure> {
    let id = caller.distribution_server()?;
    let none = || Failure::new(ErrorCode::NotFound, "no certificate was brought for this server");
    let sealed = app.database.public_chain(id).await?.ok_or_else(none)?;
    Ok(Json(PublicChainSecret { pem: app.sealer.open(&row(id), &sealed.sealed)? }))
}

/// What a sealed chain is bound to.
fn row(id: DistributionServerId) -> String {
    format!("distribution_servers.public_chain {id}")
}

impl App {
    async fn checked_chain(
        &self,
        asked: SetPublicChain,
        host: &str,
    ) -> Result<PublicChain, Failure> {
        let (host, now) = (host.to_owned(), self.now());
        // Reading what the machine believes is work, and may wait for a disk.
        let checked = self.environment.disk.run(move |_| {
            let known = xylem_pki::machine_roots();
            let text = format!("{}\n{}\n", asked.chain_pem.trim(), asked.key_pem.trim());
            PublicChain::check(&text, &host, &known, now)
        });
        checked.await.map_err(|error| {
            let message =
                format!("the certificate is not taken: {}", xylem_telemetry::chain(&error));
            Failure::new(ErrorCode::BadRequest, message)
        })
    }

    async fn audit_own(&self, caller: &Caller, chain: Option<&PublicChain>) -> Result<(), Failure> {
        let detail = serde_json::json!({ "sha256": chain.map(|it| it.fingerprint.to_string()) });
        let (actor, now) = (caller.actor(), self.now());
        let name = self.public_url.to_string();
        self.database.append_audit(&actor, "certificate", &name, &detail, now).await?;
        Ok(())
    }
}
