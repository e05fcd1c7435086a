//! A certificate for clients from an ACME authority: ordered, renewed at two thirds of its life,
//! and shown where no administrator's own is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xylem_acme::{AcmeError, Asked, obtain, register};
use xylem_client::BaseUrl;
use xylem_model::Timestamp;
use xylem_pki::{ChainError, FileError, PublicChain};
use xylem_runtime::{Backoff, Shutdown, replace_file};
use xylem_sync::AcmeSettings;
use xylem_telemetry::chain;

use crate::data::{DataError, read_json};
use crate::node::Node;
use crate::shown::{clipped, keep};

/// How often it is looked at whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// First and longest wait after a failure: authorities turn away who asks too often.
const RETRY: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3600));

/// What is kept beside the certificate: `identity/acme.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Where the account is.
    directory: String,
    /// The account and its key, as JSON.
    account: String,
    /// The host that was certified.
    host: String,
}

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Acme(#[from] AcmeError),
    #[error("the certificate that the ACME authority gave cannot be used")]
    Chain(#[from] ChainError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("the account cannot be written")]
    Json(#[from] serde_json::Error),
    #[error("the public URL names no host")]
    Url,
}

/// Sees to a certificate for as long as the settings name an authority, until shutdown.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut changes = node.wishes.subscribe();
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut last: Option<(Option<AcmeSettings>, String)> = None;
    loop {
        let now = (node.decided().acme, node.public_url());
        let wanted = now.0.clone();
        if last.as_ref() != Some(&now) {
            backoff.reset();
            last = Some(now);
        }
        let mut pause = LOOK_EVERY;
        let seen_to = tokio::select! {
            seen_to = see_to(&node, wanted.as_ref()) => seen_to,
            // An order that is given up is made again by whoever runs next.
            () = shutdown.begun() => {
                node.presented.end_proof();
                return;
            }
        };
        let problem = seen_to.err();
        if let Some(error) = &problem {
            tracing::warn!(error = %chain(error), "no certificate from the ACME authority");
            pause = backoff.next_wait(&*node.environment.rng).max(RETRY.0);
        }
        let problem = problem.map(|error| clipped(&error));
        if node.chains().acme_problem != problem {
            node.change_chains(|chains| chains.acme_problem = problem);
        }
        let changed = async {
            // Most changes are none of the settings: then the wait goes on.
            while changes.changed().await.is_ok() {
                if last != Some((node.decided().acme, node.public_url())) {
                    return;
                }
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = changed => {}
            () = shutdown.begun() => return,
        }
    }
}

/// Orders a certificate where one is due, and forgets one that is not wanted any more.
async fn see_to(node: &Arc<Node>, wanted: Option<&AcmeSettings>) -> Result<(), OrderError> {
    let Some(settings) = wanted else { return forget(node).await };
    let url: BaseUrl = node.public_url().parse().map_err(|_| OrderError::Url)?;
    let folder = node.folder.clone();
    let kept = node.environment.disk.run(move |fs| read_json::<Kept>(fs, &folder.acme()));
    let kept = kept.await?.filter(|kept| kept.directory == settings.directory);
    let is_same_host = kept.as_ref().is_some_and(|kept| kept.host == url.host());
    let there = node.chains().acme.clone().filter(|_| is_same_host);
    if there.is_some_and(|chain| node.now() < due(&chain)) {
        return Ok(());
    }
    let asked = Asked {
        directory: settings.directory.clone(),
        root: keep_root(node, settings.ca_pem.as_deref()).await?,
        contact: Some(settings.contact.clone()).filter(|contact| !contact.is_empty()),
        host: url.host().to_owned(),
    };
    let mut kept = match kept {
        Some(kept) => kept,
        None => {
            let account = register(&asked).await?;
            let (directory, host) = (asked.directory.clone(), String::new());
            let kept = Kept { directory, account, host };
            // At once: else an authority that cannot prove the name is asked for a new one each time.
            write(node, &kept, None).await?;
            kept
        }
    };
    let obtained = match obtain(&asked, &kept.account, &node.presented).await {
        Err(error @ AcmeError::NoAccount) => {
            let path = node.folder.acme();
            node.environment.disk.run(move |fs| keep(fs, &path, None)).await?;
            return Err(error.into());
        }
        other => other?,
    };
    let fresh = PublicChain::read(&obtained)?;
    url.host().clone_into(&mut kept.host);
    write(node, &kept, Some(obtained)).await?;
    tracing::info!(until = %fresh.not_after, "the ACME authority gave a certificate");
    node.change_chains(|chains| chains.acme = Some(Arc::new(fresh)));
    Ok(())
}

/// Keeps the account, and the chain with its key where there is one.
async fn write(node: &Node, kept: &Kept, chain: Option<String>) -> Result<(), OrderError> {
    let (folder, json) = (node.folder.clone(), serde_json::to_string(kept)?);
    let written = node.environment.disk.run(move |fs| {
        if let Some(chain) = chain {
            keep(fs, &folder.acme_chain(), Some(&chain))?;
        }
        keep(fs, &folder.acme(), Some(&json))
    });
    Ok(written.await?)
}

/// When the next one is to be ordered: with a third of its life to go.
fn due(chain: &PublicChain) -> Timestamp {
    chain.not_before.plus(chain.not_after.since(chain.not_before) * 2 / 3)
}

async fn keep_root(node: &Node, pem: Option<&str>) -> Result<Option<PathBuf>, OrderError> {
    let Some(pem) = pem.map(str::to_owned) else { return Ok(None) };
    let path = node.folder.acme_root();
    let written = node.environment.disk.run(move |fs| {
        replace_file(fs, &path, pem.as_bytes())
            .map_err(|source| FileError::writing(&path, source))
            .map(|()| path)
    });
    Ok(Some(written.await?))
}

/// The account stays: the same authority may be asked again.
async fn forget(node: &Node) -> Result<(), OrderError> {
    if node.chains().acme.is_none() {
        return Ok(());
    }
    let path = node.folder.acme_chain();
    node.environment.disk.run(move |fs| keep(fs, &path, None)).await?;
    node.change_chains(|chains| chains.acme = None);
    Ok(())
}
