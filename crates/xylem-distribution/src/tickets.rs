//! Tickets: what the management server signs for somebody who has no certificate, or no right by
//! certificate.

use http::{HeaderMap, Uri, header};
use xylem_api::error::ErrorCode;
use xylem_api::ingest::TICKET_SCHEME;
use xylem_api::manifests::TICKET_PARAMETER;
use xylem_http::{ApiError, Peer};
use xylem_model::ContentId;
use xylem_trust::{Operation, Ticket};

use crate::node::Node;

/// Longest ticket that is read, in bytes of its header.
const MAX_TICKET_BYTES: usize = 16 << 10;

/// The ticket that a request presents, where it does: signed, in its time, and presented by its
/// holder. What it is good for is the caller's to look at.
pub(crate) fn presented(
    node: &Node,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Option<Ticket>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.len() <= MAX_TICKET_BYTES);
    let ticket = text
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(TICKET_SCHEME))
        .map(|(_, ticket)| ticket)
        .ok_or_else(|| refused("the Authorization header holds no ticket"))?;
    let ticket = open(node, ticket).map_err(|reason| refused(&reason))?;
    if ticket.holder.is_some_and(|holder| peer.party() != Some(holder)) {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "the ticket is for somebody else: it counts only with its holder's certificate",
        ));
    }
    Ok(Some(ticket))
}

/// The content that a device may have, whose address holds a ticket; none where it holds none.
pub(crate) fn in_address(node: &Node, uri: &Uri) -> Result<Option<ContentId>, ApiError> {
    let parameters = uri.query().into_iter().flat_map(|query| query.split('&'));
    let mut tickets = parameters
        .filter_map(|parameter| parameter.strip_prefix(TICKET_PARAMETER)?.strip_prefix('='));
    let Some(text) = tickets.next() else { return Ok(None) };
    let not_accepted = |reason: &str| {
        let message = format!("the address is not accepted: {reason}; have the manifest made anew");
        ApiError::new(ErrorCode::Forbidden, message)
    };
    if text.len() > MAX_TICKET_BYTES {
        return Err(not_accepted("its ticket is too long"));
    }
    match open(node, text).map_err(|reason| not_accepted(&reason))?.operation {
        Operation::Device { content } => Ok(Some(content)),
        _ => Err(not_accepted("its ticket is not for a device")),
    }
}

/// A ticket that is signed, and in its time; else why it is not.
fn open(node: &Node, text: &str) -> Result<Ticket, String> {
    node.trust().open_ticket(text, node.now()).map_err(|error| error.to_string())
}

fn refused(reason: &str) -> ApiError {
    let message = format!("the ticket is not accepted: {reason}; ask the management server anew");
    ApiError::new(ErrorCode::Unauthorized, message)
}
