//! Who may have what.
//!
//! Decided anew for each request, from documents at hand, so that a management server that is away
//! stops nobody for fourteen days. In the order in which it is asked: was the party removed? Is it
//! a peer with a grant, or a computer, for this content? Else: does it present a ticket for it?
//! Names are also read by accounts, and by anybody where the server is open to all.
//! That a content exists is told only to those who may have it.

use std::sync::Arc;

use http::{HeaderMap, header};
use xylem_api::error::ErrorCode;
use xylem_http::{ApiError, Peer};
use xylem_model::{ContentId, Party};
use xylem_trust::{Descriptor, Document, Head, Operation, check_window};

use crate::access::Access;
use crate::accounts::{Visitor, identify, presents_password};
use crate::node::Node;
use crate::tickets;

/// When to ask again of a server that is not ready, in seconds.
const RETRY_AFTER_SECONDS: u32 = 10;

/// The right to read one content; looked at again while it is being read.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    party: Option<Party>,
    /// Who asked by a name, where no party and no ticket did.
    visitor: Option<Visitor>,
}

impl Permit {
    /// The right of a party to whom things are granted one by one.
    pub(crate) fn of(peer: &Peer) -> Self {
        Self { party: peer.party(), visitor: None }
    }

    /// Whether it is an account's.
    pub(crate) const fn is_of_account(&self) -> bool {
        matches!(self.visitor, Some(Visitor::Account { .. }))
    }

    /// Whether the right still stands: its party may have been removed meanwhile.
    pub(crate) fn still_stands(&self, node: &Node) -> bool {
        if self.party.is_none() && self.visitor.is_none() {
            return true;
        }
        let Some(access) = node.access() else { return true };
        self.party.is_none_or(|party| !access.is_revoked(&party))
            && self.visitor.as_ref().is_none_or(|visitor| visitor.still_stands(&access))
    }
}

/// Whether the caller may read a content.
pub(crate) fn authorize(
    node: &Node,
    peer: &Peer,
    headers: &HeaderMap,
    content: &ContentId,
) -> Result<Permit, ApiError> {
    let access = ready(node)?;
    let party = peer.party();
    access.refuse_revoked(party)?;
    let by_certificate = match party {
        Some(Party::DistributionServer(id)) => {
            // What merely lies here until it is removed is for nobody by right.
            let is_wanted = || node.catalogue().wanted(content).is_some();
            access.granted(&id).map(|granted| granted.has(content) && is_wanted())
        }
        // Computers get what is published, not what merely lies here until it is removed.
        Some(Party::Computer(_)) if access.grants.client_certificates => {
            Some(access.offers(content) && node.catalogue().wanted(content).is_some())
        }
        Some(Party::Computer(_)) => None,
        Some(Party::ManagementServer(_)) | None => None,
    };
    if by_certificate == Some(true) {
        return Ok(Permit { party, visitor: None });
    }
    if let Some(ticket) = tickets::presented(node, peer, headers)? {
        return match ticket.operation {
            Operation::Read { content: other } if other == *content => {
                Ok(Permit { party, visitor: None })
            }
            _ => {
                let message = "the ticket is not for reading this content";
                Err(ApiError::new(ErrorCode::Forbidden, message))
            }
        };
    }
    match (by_certificate, party) {
        (Some(_), _) => Err(unknown()),
        (None, Some(Party::Computer(_))) => Err(ApiError::new(
            ErrorCode::Unauthorized,
            "a certificate alone is not enough to read from this server: an administrator turned \
             that off, so that it takes a ticket or one of its WebDAV accounts",
        )),
        (None, Some(_)) => Err(ApiError::new(
            ErrorCode::Forbidden,
            "this certificate gives no right to fetch from here: the management server decides \
             which servers may",
        )),
        (None, None) => Err(ApiError::new(
            ErrorCode::Unauthorized,
            "reading needs a client certificate of this installation, one of this server's WebDAV \
             accounts, or a ticket",
        )),
    }
}

/// The right to read what a name means. Whoever may not have it hears the same as for a name that
/// means nothing, so that nobody can find out which names exist.
pub(crate) async fn authorize_named(
    node: &Arc<Node>,
    peer: &Peer,
    headers: &HeaderMap,
    content: Option<&ContentId>,
) -> Result<Permit, ApiError> {
    let access = ready(node)?;
    // A Mac whose certificate does not count here is anybody.
    let is_anybody = match peer.party() {
        None => true,
        Some(Party::Computer(_)) => !access.grants.client_certificates,
        Some(_) => false,
    };
    let says_nothing = is_anybody && !headers.contains_key(header::AUTHORIZATION);
    if presents_password(headers) || (says_nothing && access.grants.open_to_all) {
        let visitor = Box::pin(identify(node, &access, peer, headers)).await?;
        let is_for = |content: &&ContentId| visitor.writer().is_some() || access.offers(content);
        let is_known = content.filter(is_for).is_some();
        let permit = Permit { party: peer.party(), visitor: Some(visitor) };
        return if is_known { Ok(permit) } else { Err(unknown()) };
    }
    // A content that cannot exist stands in where there is none.
    let nothing = ContentId::from_bytes([0; 32]);
    let permit = authorize(node, peer, headers, content.unwrap_or(&nothing));
    match permit {
        Err(error) if error.code() == ErrorCode::Forbidden => Err(unknown()),
        Ok(_) if content.is_none() => Err(unknown()),
        permit => permit,
    }
}

/// What is in force, as long as it may be believed.
pub(crate) fn ready(node: &Node) -> Result<Arc<Access>, ApiError> {
    let not_ready = || {
        let message = "this server has not yet heard from its management server: try again shortly";
        ApiError::unavailable(message, RETRY_AFTER_SECONDS)
    };
    let access = node.access().ok_or_else(not_ready)?;
    let now = node.now();
    let head_window = {
        let catalogue = node.catalogue();
        let signed = catalogue.manifest.head().ok_or_else(not_ready)?;
        check_window(Head::TYPE, signed.head.issued, signed.head.expires, now)
    };
    head_window.and_then(|()| access.check_age(now)).map_err(|error| {
        let message = format!(
            "this server serves nobody until it hears from its management server again: {error}"
        );
        ApiError::unavailable(message, RETRY_AFTER_SECONDS)
    })?;
    Ok(access)
}

/// A content that may be served now: wanted or within its grace, and here; or, for who may have it
/// so, arriving.
pub(crate) fn served(node: &Node, content: &ContentId, arriving: bool) -> Result<Served, ApiError> {
    let (descriptor, in_grace) = {
        let catalogue = node.catalogue();
        (catalogue.wanted(content).cloned(), catalogue.is_in_grace(content))
    };
    if descriptor.is_none() && !in_grace {
        return Err(unknown());
    }
    let published = node.repository.size_of(content);
    let size = published.or_else(|| arriving.then(|| node.repository.arriving(content)).flatten());
    let size = size.ok_or_else(unknown)?;
    Ok(Served { content: *content, size, descriptor })
}

/// A content that is here.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) content: ContentId,
    pub(crate) size: u64,
    /// None within its grace: then it has no name any more.
    pub(crate) descriptor: Option<Arc<Descriptor>>,
}

/// Neither "not here" nor "not for you": nobody learns which.
pub(crate) fn unknown() -> ApiError {
    ApiError::not_found("there is no such content here, or none for you")
}
