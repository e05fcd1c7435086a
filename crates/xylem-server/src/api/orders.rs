//! Orders to computers.

use axum::Json;
use axum::extract::State;
use xylem_api::MAX_PAGE;
use xylem_api::agent::{NewOrder, OrderInfo, OrderState};
use xylem_http::ApiJson;
use xylem_model::{FileKind, OrderId};
use xylem_trust::{Descriptor, Envelope};

use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::permission::Caller;

/// Orders a computer to install a package.
#[utoipa::path(
    post, path = "/v1/computers/{name}/orders", tag = "orders",
    params(("name" = String, Path, description = "The computer's name.")),
    request_body = NewOrder,
    responses((status = 200, description = "The order.", body = OrderInfo))
)]
pub(super) async fn order(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(new): ApiJson<NewOrder>,
) -> Result<Json<OrderInfo>, Failure> {
    let computer = app.database.computer_by_name(&name).await?;
    let package = (FileKind::Package, new.package);
    let version = match new.test {
        true => app.test_version(&package).await?,
        false => app.served_file(&package).await?.version,
    };
    let row = xylem_db::NewOrder {
        id: app.environment.new_id(OrderId::from_parts),
        computer: computer.id,
        file: version.file,
        version: version.number,
        content: version.content,
        descriptor: version.descriptor,
    };
    let order = app.database.add_order(&row, &caller.actor(), app.now()).await?;
    Ok(Json(wire(order, computer.name)?))
}

/// The orders of a computer, newest first.
#[utoipa::path(
    get, path = "/v1/computers/{name}/orders", tag = "orders",
    params(("name" = String, Path, description = "The computer's name.")),
    responses((status = 200, description = "The newest orders.", body = Vec<OrderInfo>))
)]
pub(super) async fn orders(
    State(app): State<App>,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<Vec<OrderInfo>>, Failure> {
    let computer = app.database.computer_by_name(&name).await?;
    let orders = app.database.orders(Some(computer.id), None, MAX_PAGE).await?;
    let shown = orders.into_iter().map(|order| wire(order, computer.name.clone()));
    Ok(Json(shown.collect::<Result<_, _>>()?))
}

/// One order.
#[utoipa::path(
    get, path = "/v1/orders/{id}", tag = "orders",
    params(("id" = uuid::Uuid, Path, description = "The order.")),
    responses((status = 200, description = "The order.", body = OrderInfo))
)]
pub(super) async fn order_info(
    State(app): State<App>,
    ApiPath(id): ApiPath<OrderId>,
) -> Result<Json<OrderInfo>, Failure> {
    let order = app.database.order(id).await?;
    let computer = app.database.computer(order.computer).await?;
    Ok(Json(wire(order, computer.name)?))
}

fn wire(order: xylem_db::Order, computer: String) -> Result<OrderInfo, Failure> {
    let envelope = Envelope::from_bytes(&order.descriptor)?;
    // The descriptor outlives the file: what was ordered stays known after that is forgotten.
    let descriptor: Descriptor = serde_json::from_slice(&envelope.payload)
        .map_err(|error| xylem_http::ApiError::internal("reading an order", error))?;
    Ok(OrderInfo {
        id: order.id,
        computer,
        package: descriptor.name.to_string(),
        version: u64::from(order.version),
        state: match order.state {
            xylem_db::OrderState::Pending => OrderState::Pending,
            xylem_db::OrderState::Done => OrderState::Done,
            xylem_db::OrderState::Failed => OrderState::Failed,
            xylem_db::OrderState::Cancelled => OrderState::Cancelled,
        },
        created_at: order.created,
        report: order.report.and_then(|report| serde_json::from_value(report).ok()),
    })
}
