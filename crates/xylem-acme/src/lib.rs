//! Certificates from an ACME authority (RFC 8555), such as Let's Encrypt or one of an organisation.
//!
//! The name is proven by TLS-ALPN-01 (RFC 8737) on the port that serves everything else, so nothing
//! has to be opened beside it; a public authority looks for it at port 443. Addresses are proven
//! the same way (RFC 8738), where the authority does that.
//!
//! Here is one order from its beginning to its certificate; when it is time for one, and where it is
//! kept, is the caller's business.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use instant_acme::{
    Account, AccountBuilder, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier,
    NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use tokio::time::timeout;
use xylem_pki::{ChallengeError, Presented};

/// How long a whole order may take.
const LIMIT: Duration = Duration::from_secs(180);

/// How long the authority may take over one step.
const STEP_LIMIT: Duration = Duration::from_secs(60);

/// What is ordered, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The authority's directory: `https://HOST/PATH`.
    pub directory: String,
    /// A file with the root certificate of an authority of one's own; else what this machine
    /// believes.
    pub root: Option<PathBuf>,
    /// An address of mail for the authority to write to, or none.
    pub contact: Option<String>,
    /// The host name or address to be certified.
    pub host: String,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority, or the way to it.
    #[error("the ACME authority gives no certificate")]
    Authority(#[from] instant_acme::Error),
    /// The authority does not know the way we prove names by.
    #[error(
        "the ACME authority does not prove `{0}` by TLS-ALPN-01, the only way that needs no port \
         and no name service"
    )]
    NoChallenge(String),
    /// The proof cannot be made.
    #[error("the proof for the ACME authority cannot be made")]
    Challenge(#[from] ChallengeError),
    /// The authority did not find what it looked for.
    #[error("the ACME authority could not prove `{host}`: {reason}")]
    NotProven {
        /// What it was to prove.
        host: String,
        /// What it says.
        reason: String,
    },
    /// The authority has forgotten the account: register another one.
    #[error("the ACME authority does not know the account any more; another one is made")]
    NoAccount,
    /// The account that was kept cannot be read.
    #[error("the account with the ACME authority cannot be read or written")]
    Account(#[from] serde_json::Error),
    /// It took too long.
    #[error("the ACME authority takes more than {} seconds", LIMIT.as_secs())]
    TooSlow,
}

/// What an authority says that has forgotten an account (RFC 8555 section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Makes an account with the authority, with a key of its own; gives both as JSON, for their owner
/// alone. Keep it: authorities limit how many there can be.
///
/// # Errors
/// Why there is none; trying again later is harmless.
pub async fn register(asked: &Asked) -> Result<String, AcmeError> {
    let contact = asked.contact.as_ref().map(|address| format!("mailto:{address}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        // Whoever names an authority has read its terms: the manual says so.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let creating = builder(asked)?.create(&new, asked.directory.clone(), None);
    let created = timeout(STEP_LIMIT, creating).await.map_err(|_| AcmeError::TooSlow)?;
    Ok(serde_json::to_string(&created?.1)?)
}

/// Orders a certificate with an account that [`register`] made; gives the chain, leaf first, and its
/// new key, as PEM for their owner alone. While the authority looks, its proof is shown by
/// `presented`.
///
/// # Errors
/// Why there is none; trying again later is harmless.
pub async fn obtain(
    asked: &Asked,
    account: &str,
    presented: &Presented,
) -> Result<String, AcmeError> {
    let ordering = timeout(LIMIT, order(asked, account, presented)).await;
    presented.end_proof();
    match ordering.unwrap_or(Err(AcmeError::TooSlow)) {
        Err(AcmeError::Authority(instant_acme::Error::Api(problem)))
            if problem.r#type.as_deref() == Some(NO_ACCOUNT) =>
        {
            Err(AcmeError::NoAccount)
        }
        other => other,
    }
}

async fn order(asked: &Asked, account: &str, presented: &Presented) -> Result<String, AcmeError> {
    let credentials: AccountCredentials = serde_json::from_str(account)?;
    let account = builder(asked)?.from_credentials(credentials).await?;
    let identifiers = [match asked.host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => Identifier::Ip(address),
        Err(_) => Identifier::Dns(asked.host.clone()),
    }];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    prove(&mut order, &asked.host, presented).await?;
    let patience = RetryPolicy::default().timeout(STEP_LIMIT);
    if order.poll_ready(&patience).await? != OrderStatus::Ready {
        let reason = reason(&mut order).await;
        return Err(AcmeError::NotProven { host: asked.host.clone(), reason });
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&patience).await?;
    Ok(format!("{}\n{}", chain.trim(), key))
}

fn builder(asked: &Asked) -> Result<AccountBuilder, instant_acme::Error> {
    match &asked.root {
        Some(root) => Account::builder_with_root(root),
        None => Account::builder(),
    }
}

/// Shows what the authority wants to see, and has it look.
async fn prove(order: &mut Order, host: &str, presented: &Presented) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization
            .challenge(ChallengeType::TlsAlpn01)
            .ok_or_else(|| AcmeError::NoChallenge(host.to_owned()))?;
        let digest = challenge.key_authorization().digest();
        presented.prove(host, digest.as_ref())?;
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What the authority says of why a name was not proven.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let problems = authorization.challenges.iter().filter_map(|one| one.error.as_ref());
        if let Some(detail) = problems.filter_map(|problem| problem.detail.clone()).next() {
            return detail;
        }
    }
    "it does not say why".to_owned()
}
