//! Delivering reports.

use xylem_api::error::ErrorCode;
use xylem_client::{AgentClient, ClientError};
use xylem_model::OrderId;
use xylem_telemetry::chain;

use crate::folder::FolderError;
use crate::ledger;
use crate::session::Session;

/// Sends every report that waits, oldest first, until the management server is out of reach.
/// Returns how many are left for later.
pub(crate) async fn deliver(
    session: &Session,
    management: &AgentClient,
) -> Result<usize, FolderError> {
    let waiting = session.run(|fs, folder| ledger::waiting(fs, folder)).await?;
    let mut left = waiting.len();
    for order in waiting {
        let report = session.run(move |fs, folder| ledger::read_report(fs, folder, order)).await?;
        if let Some(report) = report {
            match management.report(order, &report).await {
                Ok(()) => {}
                Err(error) if is_unwanted(&error) => tracing::warn!(
                    order.id = %order,
                    error = %chain(&error),
                    "the management server does not take a report; it is dropped"
                ),
                Err(error) => {
                    log_delay(order, &error);
                    break;
                }
            }
        }
        session.run(move |fs, folder| ledger::remove_report(fs, folder, order)).await?;
        left -= 1;
    }
    Ok(left)
}

/// Whether sending the same report again can never help.
fn is_unwanted(error: &ClientError) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::BadRequest | ErrorCode::Conflict | ErrorCode::NotFound | ErrorCode::TooLarge
        )
    )
}

fn log_delay(order: OrderId, error: &ClientError) {
    tracing::info!(order.id = %order, error = %chain(error), "a report waits to be delivered");
}
