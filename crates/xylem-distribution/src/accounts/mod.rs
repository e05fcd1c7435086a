//! Who asks by name and password.
//!
//! Accounts come with the signed grants. Comparing a password with its hash is meant to be slow,
//! so it is done on a blocking thread, one at a time; [`attempts`] makes guessing slower still, and
//! [`known`] spares whoever was found right the next comparisons.

mod attempts;
mod known;

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::sync::Semaphore;
use xylem_api::error::ErrorCode;
use xylem_http::{ApiError, Peer};
use xylem_model::{AccountAccess, AccountName, Party};
use xylem_pki::PasswordHash;
use xylem_runtime::Environment;
use xylem_trust::Account;

use crate::access::Access;
use crate::node::Node;
use attempts::Attempts;
use known::Known;

/// Longest name and password that are looked at, in bytes as they are sent.
const MAX_CREDENTIALS_BYTES: usize = 1 << 10;

/// Most passwords that count for one account: two, while one is being rotated.
const PASSWORDS_AT_ONCE: usize = 2;

/// Most comparisons that wait for their turn.
const MAX_WAITING: usize = 64;

/// When to try again where that is too many, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

/// What asks for name and password (RFC 7617).
const CHALLENGE: &str = "Basic realm=\"Xylem\", charset=\"UTF-8\"";

/// Who asks, where that is neither a peer nor the bearer of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Visitor {
    /// One of this server's accounts, known by a password that has this hash.
    Account { name: AccountName, access: AccountAccess, hash: String },
    /// A computer, by certificate.
    Computer,
    /// Anybody, on a server that is open to all.
    Anybody,
}

impl Visitor {
    /// The account that may change something.
    pub(crate) fn writer(&self) -> Option<&AccountName> {
        match self {
            Self::Account { name, access: AccountAccess::Write, .. } => Some(name),
            _ => None,
        }
    }

    /// Whether who was let in would be let in now.
    pub(crate) fn still_stands(&self, access: &Access) -> bool {
        match self {
            Self::Account { name, access: right, hash } => {
                let accounts = &access.grants.accounts;
                let same = |a: &&Account| a.name == *name && a.access == *right;
                accounts.iter().find(same).is_some_and(|a| a.passwords.contains(hash))
            }
            // Looked after by its certificate.
            Self::Computer => true,
            Self::Anybody => access.grants.open_to_all,
        }
    }
}

/// What is kept of those who ask.
pub(crate) struct Accounts {
    known: Known,
    attempts: Attempts,
    /// One comparison at a time: each takes 19 MiB and a processor.
    turn: Semaphore,
    waiting: Semaphore,
    /// What the password of a name that no account has is compared with.
    nothing: OnceLock<Option<PasswordHash>>,
}

impl Accounts {
    pub(crate) fn new(environment: &Environment) -> Self {
        Self {
            known: Known::new(environment),
            attempts: Attempts::default(),
            turn: Semaphore::new(1),
            waiting: Semaphore::new(MAX_WAITING),
            nothing: OnceLock::new(),
        }
    }
}

/// Whether a request presents name and password.
pub(crate) fn presents_password(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| {
        value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "))
    })
}

/// Finds out who asks for what is published.
///
/// # Errors
/// Where they do not say, or say it wrongly.
pub(crate) async fn identify(
    node: &Arc<Node>,
    access: &Access,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Visitor, ApiError> {
    access.refuse_revoked(peer.party())?;
    if presents_password(headers) {
        return by_password(node, access, peer, headers).await;
    }
    match peer.party() {
        Some(Party::Computer(_)) if access.grants.client_certificates => Ok(Visitor::Computer),
        _ if access.grants.open_to_all => Ok(Visitor::Anybody),
        _ => Err(ApiError::new(
            ErrorCode::Unauthorized,
            "this share needs the name and password of one of this distribution server's WebDAV \
             accounts (`xylem ds account add`), or, unless an administrator turned that off, a \
             computer's certificate",
        )),
    }
}

/// Has whoever was refused asked for name and password.
pub(crate) fn challenge<B>(response: &mut Response<B>) {
    if response.status() == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(CHALLENGE);
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
}

async fn by_password(
    node: &Arc<Node>,
    access: &Access,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Visitor, ApiError> {
    let (name, password) = credentials(headers).ok_or_else(|| {
        let message = "the Authorization header holds no name and password (RFC 7617)";
        ApiError::new(ErrorCode::BadRequest, message)
    })?;
    let account = AccountName::new(&name)
        .ok()
        .and_then(|name| access.grants.accounts.iter().find(|account| account.name == name));
    let now = node.now();
    if let Some(account) = account
        && let Some(hash) = node.accounts.known.hash(&name, &password, now)
        && account.passwords.contains(&hash)
    {
        return Ok(visitor(account, hash));
    }
    let address = peer.address.ip();
    node.accounts.attempts.wait(&name, address).await?;
    let found = compare(node, account, &password).await?;
    match (account, found) {
        (Some(account), Some(hash)) => {
            node.accounts.attempts.succeeded(&name, address);
            node.accounts.known.remember(&name, &password, &hash, now);
            Ok(visitor(account, hash))
        }
        _ => {
            node.accounts.attempts.failed(&name, address);
            metrics::counter!("xylem_distribution_wrong_passwords_total").increment(1);
            tracing::info!(%address, "a name or password is wrong");
            Err(ApiError::new(
                ErrorCode::Unauthorized,
                "the name or the password is wrong, or the account was removed",
            ))
        }
    }
}

fn visitor(account: &Account, hash: String) -> Visitor {
    Visitor::Account { name: account.name.clone(), access: account.access, hash }
}

/// The hash that a password has, among those of an account. A wrong password takes as long with
/// one hash, with two and without an account.
async fn compare(
    node: &Arc<Node>,
    account: Option<&Account>,
    password: &str,
) -> Result<Option<String>, ApiError> {
    let accounts = &node.accounts;
    let too_many = || {
        let message = "too many passwords are being compared: try again shortly";
        ApiError::unavailable(message, RETRY_AFTER_SECONDS)
    };
    let _waiting = accounts.waiting.try_acquire().map_err(|_| too_many())?;
    let _turn = accounts.turn.acquire().await.map_err(|_| too_many())?;
    let hashes = account.map(|account| account.passwords.clone()).unwrap_or_default();
    let (password, target) = (password.to_owned(), Arc::clone(node));
    let compared = move |_: &dyn xylem_runtime::Fs| {
        let rng = &*target.environment.rng;
        let found = hashes
            .iter()
            .find(|hash| PasswordHash::parse(hash).is_ok_and(|hash| hash.matches(&password)));
        let nothing = target.accounts.nothing.get_or_init(|| PasswordHash::of("", rng).ok());
        if let (None, Some(nothing)) = (found, nothing) {
            for _ in hashes.len()..PASSWORDS_AT_ONCE {
                nothing.matches(&password);
            }
        }
        found.cloned()
    };
    Ok(node.environment.disk.run_reading(compared).await)
}

/// Name and password (RFC 7617 section 2).
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    if value.len() > MAX_CREDENTIALS_BYTES {
        return None;
    }
    let (_, encoded) = value.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn name_and_password_are_read() {
        let encoded = STANDARD.encode("casper:a:b");
        let headers = header(&format!("basic {encoded}"));
        assert!(presents_password(&headers));
        assert_eq!(credentials(&headers), Some(("casper".into(), "a:b".into())));
    }

    #[test]
    fn what_is_none_is_not() {
        assert!(!presents_password(&header("Xylem-Ticket abc")));
        assert!(!presents_password(&HeaderMap::new()));
        let long = format!("Basic {}", STANDARD.encode("a:".to_owned() + &"b".repeat(2000)));
        for value in ["Basic", "Basic !!!", "Basic YQ==", "Basic /w==", long.as_str()] {
            assert_eq!(credentials(&header(value)), None, "{value}");
        }
    }
}
