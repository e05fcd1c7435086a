//! Keeping the certificate young.

use std::sync::Arc;
use std::time::Duration;

use xylem_client::enroll::{EnrollError, renew};
use xylem_pki::{RenewalRule, StoreError};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use crate::node::Node;

/// How often the age of the certificate is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// First and longest wait after a failure. A certificate is due twenty days before it ends, so
/// there is no hurry.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));

#[derive(Debug, thiserror::Error)]
enum RenewalError {
    #[error("the management server gave no new certificate")]
    Asking(#[source] Box<EnrollError>),
    #[error("the new certificate cannot be kept")]
    Keeping(#[from] StoreError),
}

/// Renews the certificate whenever it is due, until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let rule = RenewalRule::for_party(&node.identity.party());
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    loop {
        let mut pause = LOOK_EVERY;
        if node.identity.should_renew(node.now(), rule) {
            match renew_once(&node).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the certificate was not renewed");
                    pause = backoff.next_wait(&*node.environment.rng).max(RETRY.0);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.begun() => return,
        }
    }
}

async fn renew_once(node: &Arc<Node>) -> Result<(), RenewalError> {
    let old = node.identity.current();
    let credentials = renew(&node.environment, node.control.server(), &node.anchors, &old)
        .await
        .map_err(|error| RenewalError::Asking(Box::new(error)))?;
    let target = Arc::clone(node);
    node.environment
        .disk
        .run(move |fs| {
            let store = target.folder.identity();
            store.renew(fs, &target.identity, credentials, &target.anchors)
        })
        .await?;
    // Kept connections still show the old one.
    node.control.transport().forget_connections();
    tracing::info!(until = %node.identity.not_after(), "certificate renewed");
    Ok(())
}
