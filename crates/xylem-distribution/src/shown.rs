//! What browsers, Finder and other clients are shown: the certificate that an administrator brought
//! for this server, else one from an ACME authority, else the built-in authority's.
//!
//! What an administrator brought comes over the control link when its fingerprint is another than
//! that of the one in place. Each chain lies with its key beside the identity, for its owner alone.

use std::path::Path;
use std::sync::Arc;

use xylem_api::certificates::{CertificateSource, ShownCertificate};
use xylem_client::{ClientError, built_in, shown_chain};
use xylem_pki::{ChainError, FileError, MAX_PUBLIC_CHAIN_BYTES, PublicChain};
use xylem_runtime::{Fs, read_bounded, replace_private_file};
use xylem_telemetry::chain;

use crate::data::DataFolder;
use crate::node::Node;

/// Characters of a reason that is reported.
const MAX_PROBLEM_CHARS: usize = 500;

/// The chains that are there beside the built-in one, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    administrators: Option<Arc<PublicChain>>,
    pub(crate) acme: Option<Arc<PublicChain>>,
    /// Why what an administrator brought is not shown.
    problem: Option<String>,
    /// Why there is none from the ACME authority.
    pub(crate) acme_problem: Option<String>,
}

impl Chains {
    /// Reads what was kept, where it can be read.
    pub(crate) fn read(fs: &dyn Fs, folder: &DataFolder) -> Self {
        let kept = |path: &Path| kept(fs, path).map(Arc::new);
        Self {
            administrators: kept(&folder.public_chain()),
            acme: kept(&folder.acme_chain()),
            ..Self::default()
        }
    }

    /// The one to show; none: the built-in one.
    pub(crate) fn shown(&self) -> Option<Arc<PublicChain>> {
        self.administrators.clone().or_else(|| self.acme.clone())
    }
}

impl Node {
    /// Notes what is there now and what is wrong with it, and shows it.
    pub(crate) fn change_chains(&self, change: impl FnOnce(&mut Chains)) {
        {
            let mut chains = self.chains();
            change(&mut chains);
            self.presented.set_public(chains.shown());
        }
        self.ledger.wake();
    }
}

/// A reason, as long as reports may be.
pub(crate) fn clipped(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).to_string().chars().take(MAX_PROBLEM_CHARS).collect()
}

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

/// Shows what an administrator wants shown. Where that cannot be had, what was shown before stays.
pub(crate) async fn follow(node: &Arc<Node>, wanted: Option<&str>) {
    let (present, has_problem) = {
        let chains = node.chains();
        let present = chains.administrators.as_ref().map(|it| it.text_digest().to_string());
        (present, chains.problem.is_some())
    };
    if present.as_deref() == wanted {
        if has_problem {
            node.change_chains(|chains| chains.problem = None);
        }
        return;
    }
    if let Err(error) = take_over(node, wanted.is_some()).await {
        tracing::warn!(error = %chain(&error), "what was shown before is still shown");
        node.change_chains(|chains| chains.problem = Some(clipped(&error)));
    }
}

async fn take_over(node: &Arc<Node>, is_wanted: bool) -> Result<(), ShowError> {
    let fetched = match is_wanted {
        true => Some(PublicChain::read(&node.control.public_chain().await?.pem)?),
        false => None,
    };
    let (path, text) = (node.folder.public_chain(), fetched.as_ref());
    let text = text.map(|it| it.secret_pem().to_owned());
    node.environment.disk.run(move |fs| keep(fs, &path, text.as_deref())).await?;
    let subject = fetched.as_ref().map(|it| it.subject.clone());
    tracing::info!(subject, "what an administrator brought to be shown has changed");
    node.change_chains(|chains| {
        chains.administrators = fetched.map(Arc::new);
        chains.problem = None;
    });
    Ok(())
}

/// Writes a chain with its key, or removes it.
pub(crate) fn keep(fs: &dyn Fs, path: &Path, text: Option<&str>) -> Result<(), FileError> {
    let written = match text {
        Some(text) => replace_private_file(fs, path, text.as_bytes()),
        None => match fs.remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        },
    };
    written.map_err(|source| FileError::writing(path, source))
}

fn kept(fs: &dyn Fs, path: &Path) -> Option<PublicChain> {
    let bytes = read_bounded(fs, path, MAX_PUBLIC_CHAIN_BYTES as u64).ok()?;
    PublicChain::read(&String::from_utf8_lossy(&bytes))
        .inspect_err(|error| {
            tracing::warn!(path = %path.display(), error = %chain(error), "it is had anew");
        })
        .ok()
}

/// What to report of it.
pub(crate) fn report(node: &Node) -> ShownCertificate {
    let chains = node.chains();
    let shown = match (&chains.administrators, &chains.acme) {
        (Some(chain), _) => shown_chain(chain, CertificateSource::Administrator),
        (None, Some(chain)) => shown_chain(chain, CertificateSource::Acme),
        (None, None) => built_in(&node.presented),
    };
    let problem = chains.problem.clone().or_else(|| chains.acme_problem.clone());
    ShownCertificate { problem, ..shown }
}
