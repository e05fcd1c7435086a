//! What browsers, Finder and other clients are shown: the certificate that an administrator brought
//! for this server, or the built-in authority's.
//!
//! The chain and its key come over the control link when its fingerprint is another than that of
//! the one in place, and lie beside the identity, for their owner alone.

use std::path::PathBuf;
use std::sync::Arc;

use xylem_api::certificates::{CertificateSource, ShownCertificate};
use xylem_client::{ClientError, built_in};
use xylem_pki::{ChainError, FileError, MAX_PUBLIC_CHAIN_BYTES, PublicChain};
use xylem_runtime::{Fs, read_bounded, replace_private_file};
use xylem_telemetry::chain;

use crate::data::DataFolder;
use crate::node::Node;

/// Why what an administrator brought is not shown.
#[derive(Debug, thiserror::Error)]
enum ShowError {
    #[error("the certificate that was brought for this server cannot be fetched")]
    Fetching(#[from] ClientError),
    #[error("the certificate that was brought for this server cannot be used")]
    Chain(#[from] ChainError),
    #[error(transparent)]
    Keeping(#[from] FileError),
}

/// The chain that was kept, where there is one that can be read.
pub(crate) fn kept(fs: &dyn Fs, folder: &DataFolder) -> Option<PublicChain> {
    let path = folder.public_chain();
    let bytes = read_bounded(fs, &path, MAX_PUBLIC_CHAIN_BYTES as u64).ok()?;
    PublicChain::read(&String::from_utf8_lossy(&bytes))
        .inspect_err(|error| {
            tracing::warn!(path = %path.display(), error = %chain(error), "fetched anew");
        })
        .ok()
}

/// Shows what an administrator wants shown. Where that cannot be had, what was shown before stays.
pub(crate) async fn follow(node: &Arc<Node>, wanted: Option<&str>) {
    let present = node.presented.public().map(|chain| chain.fingerprint.to_string());
    if present.as_deref() == wanted {
        node.note_shown(None);
        return;
    }
    let changed = match wanted {
        Some(_) => fetch(node).await.map(Some),
        None => Ok(None),
    };
    let changed = match changed {
        Ok(chain) => keep(node, chain).await,
        Err(error) => Err(error),
    };
    let problem = changed.err().map(|error| {
        tracing::warn!(error = %chain(&error), "what was shown before is still shown");
        chain(&error).to_string()
    });
    node.note_shown(problem);
    node.ledger.wake();
}

async fn fetch(node: &Node) -> Result<PublicChain, ShowError> {
    Ok(PublicChain::read(&node.control.public_chain().await?.pem)?)
}

async fn keep(node: &Arc<Node>, chain: Option<PublicChain>) -> Result<(), ShowError> {
    let (path, text) =
        (node.folder.public_chain(), chain.as_ref().map(|it| it.secret_pem().to_owned()));
    node.environment.disk.run(move |fs| write(fs, path, text.as_deref())).await?;
    let subject = chain.as_ref().map(|chain| chain.subject.clone());
    node.presented.set_public(chain.map(Arc::new));
    tracing::info!(subject, "clients are shown another certificate");
    Ok(())
}

fn write(fs: &dyn Fs, path: PathBuf, text: Option<&str>) -> Result<(), FileError> {
    let written = match text {
        Some(text) => replace_private_file(fs, &path, text.as_bytes()),
        None => match fs.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
    };
    written.map_err(|source| FileError::writing(&path, source))
}

/// What to report of it.
pub(crate) fn report(node: &Node) -> ShownCertificate {
    let shown = match node.presented.public() {
        Some(chain) => ShownCertificate {
            source: CertificateSource::Administrator,
            subject: chain.subject.clone(),
            issuer: chain.issuer.clone(),
            not_after: chain.not_after,
            fingerprint: chain.fingerprint.to_string(),
            problem: None,
        },
        None => built_in(&node.presented),
    };
    ShownCertificate { problem: node.shown_problem(), ..shown }
}
