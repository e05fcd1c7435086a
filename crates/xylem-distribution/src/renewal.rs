//! Keeping the certificate young, and of the authority that signs.

use std::sync::Arc;
use std::time::Duration;

use xylem_api::authorities::Authorities;
use xylem_client::enroll::{EnrollError, renew};
use xylem_client::{PresentRoot, follow_authorities};
use xylem_pki::{RenewalRule, StoreError};
use xylem_runtime::{Backoff, Shutdown};
use xylem_telemetry::chain;

use crate::node::Node;

/// How often the age of the certificate is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// First and longest wait after a failure. A certificate is due twenty days before it ends, so
/// there is no hurry.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3600));

/// What the management server said of the authorities.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    authorities: Authorities,
    pub(crate) present: PresentRoot,
}

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
        if node.identity.should_renew(node.now(), rule) || is_of_another_authority(&node) {
            match renew_once(&node).await {
                // The server may be of another mind about its authorities than the state.
                Ok(()) if is_of_another_authority(&node) => {
                    pause = backoff.next_wait(&*node.environment.rng).max(RETRY.0);
                }
                Ok(()) => backoff.reset(),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "the certificate was not renewed");
                    pause = backoff.next_wait(&*node.environment.rng).max(RETRY.0);
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = node.certify.notified() => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Believes the authorities that the management server names, and sees to a certificate of the
/// one that signs.
pub(crate) async fn follow(node: &Arc<Node>, told: &Authorities) {
    let _one_at_a_time = node.certifying.lock().await;
    if node.authorities().as_ref().is_some_and(|known| known.authorities == *told) {
        return;
    }
    take_over(node, told).await;
    if is_of_another_authority(node) {
        node.certify.notify_one();
    }
}

async fn take_over(node: &Arc<Node>, told: &Authorities) {
    let (target, authorities) = (Arc::clone(node), told.clone());
    let followed = node.environment.disk.run(move |fs| {
        let store = target.folder.identity();
        follow_authorities(fs, &store, &target.identity, &target.anchors, &authorities)
    });
    match followed.await {
        Ok(present) => {
            let authorities = told.clone();
            *node.authorities() = Some(Told { authorities, present });
            node.ledger.wake();
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), "what was believed before is still believed");
        }
    }
}

fn is_of_another_authority(node: &Node) -> bool {
    node.authorities().as_ref().is_some_and(|told| !told.present.has_certified(&node.identity))
}

async fn renew_once(node: &Arc<Node>) -> Result<(), RenewalError> {
    let _one_at_a_time = node.certifying.lock().await;
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
    // What was believed for the sake of the old one need not be any more.
    let told = node.authorities().as_ref().map(|told| told.authorities.clone());
    if let Some(told) = told {
        take_over(node, &told).await;
    }
    Ok(())
}
