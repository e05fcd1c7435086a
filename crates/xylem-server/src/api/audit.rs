//! The audit log.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use xylem_api::MAX_PAGE;
use xylem_api::server::{AuditPage, AuditRecord};
use xylem_db::AuditCheck;

use crate::app::App;
use crate::extract::ApiQuery;
use crate::failure::Failure;

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Before {
    /// Records before this number; the newest where left out.
    before: Option<u64>,
}

/// The audit log, newest first.
#[utoipa::path(
    get, path = "/v1/audit", tag = "server", params(Before),
    responses((status = 200, description = "A page of records.", body = AuditPage))
)]
pub(super) async fn audit(
    State(app): State<App>,
    ApiQuery(asked): ApiQuery<Before>,
) -> Result<Json<AuditPage>, Failure> {
    let records = app.database.audit_records(asked.before, MAX_PAGE).await?;
    let intact = matches!(app.database.verify_audit().await?, AuditCheck::Intact { .. });
    let is_full = u64::try_from(records.len()).is_ok_and(|count| count >= MAX_PAGE);
    let next = records.last().map(|record| record.sequence).filter(|_| is_full);
    let items = records.into_iter().map(|record| AuditRecord {
        number: record.sequence,
        at: record.at,
        actor: record.actor,
        action: record.action,
        object: record.object,
        detail: record.detail,
    });
    Ok(Json(AuditPage { items: items.collect(), next, intact }))
}
