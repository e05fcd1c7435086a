//! What managed Macs call, each with its own certificate.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::json;
use xylem_api::agent::{CheckIn, CheckInAnswer, OrderReport};
use xylem_api::catalogue::Sources;
use xylem_http::{ApiError, ApiJson, Peer};
use xylem_model::{ComputerId, FileKind, OrderId, Party, Stamp};
use xylem_trust::{DescriptorId, Envelope, Order, OrderAction, Orders};

use crate::app::App;
use crate::control::DOCUMENT_LIFETIME;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;
use crate::tickets::Asker;
use crate::wish::believing;

/// The result word of an order that was carried out; all others mean failure.
const INSTALLED: &str = "installed";

/// Says hello and learns what to do.
#[utoipa::path(
    post, path = "/v1/agent/check-in", tag = "agent", request_body = CheckIn,
    responses((status = 200, description = "The orders.", body = CheckInAnswer))
)]
pub(super) async fn check_in(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    ApiJson(facts): ApiJson<CheckIn>,
) -> Result<Json<CheckInAnswer>, Failure> {
    let computer = caller.computer()?;
    let news = xylem_db::CheckIn {
        id: computer,
        at: app.now(),
        os: facts.os,
        program_version: facts.program_version,
        address: peer.address.ip().to_string(),
        believing: believing(&facts.believing.unwrap_or_default()),
    };
    if app.check_ins.try_send(news).is_err() {
        // Only the time it was last seen is lost; the next check-in brings it.
        tracing::warn!(computer.id = %computer, "too many check-ins at once; one was not noted");
    }
    let (orders, sources) = app.orders_of(computer, peer.address.ip()).await?;
    Ok(Json(CheckInAnswer {
        trust: app.control.trust().envelope().clone(),
        orders,
        sources,
        next_check_in_seconds: app.check_in_seconds,
        authorities: app.control.authorities(),
    }))
}

/// Tells what came of an order. Telling it again is harmless.
#[utoipa::path(
    post, path = "/v1/agent/orders/{id}/report", tag = "agent", request_body = OrderReport,
    params(("id" = uuid::Uuid, Path, description = "The order.")),
    responses((status = 204, description = "Noted."))
)]
pub(super) async fn report_order(
    State(app): State<App>,
    caller: Caller,
    ApiPath(id): ApiPath<OrderId>,
    ApiJson(report): ApiJson<OrderReport>,
) -> Result<StatusCode, Failure> {
    let computer = caller.computer()?;
    let now = app.now();
    let done = report.result == INSTALLED;
    let value = serde_json::to_value(&report)
        .map_err(|error| ApiError::internal("keeping a report", error))?;
    let was_pending = app.database.order(id).await?.state == xylem_db::OrderState::Pending;
    let order = app.database.finish_order(computer, id, done, &value, now).await?;
    if was_pending {
        let action = if done { "order.done" } else { "order.failed" };
        let detail = json!({ "result": report.result });
        let actor = caller.actor();
        app.database.append_audit(&actor, action, &id.to_string(), &detail, now).await?;
        app.hear_of_cloud(computer, order.content, &report.attempts).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Where a package can be fetched.
#[utoipa::path(
    get, path = "/v1/agent/files/package/{name}", tag = "agent",
    params(("name" = String, Path, description = "The package's name.")),
    responses((status = 200, description = "Where to fetch it.", body = Sources))
)]
pub(super) async fn package_sources(
    State(app): State<App>,
    caller: Caller,
    peer: Peer,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Sources>, Failure> {
    let holder = Some(Party::Computer(caller.computer()?));
    let live = app.served_file(&(FileKind::Package, name)).await?;
    let asker = Asker { holder, address: peer.address.ip() };
    Ok(Json(app.sources_of(&live, asker).await?))
}

impl App {
    /// The signed orders of a computer, and where to fetch what each names from its address.
    async fn orders_of(
        &self,
        computer: ComputerId,
        address: IpAddr,
    ) -> Result<(Envelope, Vec<Sources>), Failure> {
        let epoch = self.database.stamp().await?.epoch;
        let pending = self.database.pending_orders(computer).await?;
        let asker = Asker { holder: Some(Party::Computer(computer)), address };
        let mut orders = Vec::new();
        let mut sources = Vec::new();
        for order in pending.orders {
            let file = self.database.file(order.file).await?;
            let places = self.sources(order.content, &order.descriptor, &file, asker).await?;
            orders.push(Order {
                id: order.id,
                action: OrderAction::Install,
                descriptor: DescriptorId::of(&places.descriptor),
            });
            sources.push(places);
        }
        let issued = self.now();
        let document = Orders {
            computer,
            stamp: Stamp { epoch, generation: pending.generation },
            issued,
            expires: issued.plus(DOCUMENT_LIFETIME),
            orders,
        };
        Ok((self.control.sign(&document)?, sources))
    }
}
