//! What to believe.

use xylem_model::{Stamp, Timestamp};

use crate::{Document, Envelope, EnvelopeError, Head, PublicKey, Ticket, TrustDocument};

/// Why a signed document is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The bytes are no signed document.
    #[error("the document cannot be read")]
    Envelope(#[from] EnvelopeError),
    /// Another type was expected.
    #[error("a signed `{expected}` was expected, but this is a signed `{found}`")]
    WrongType {
        /// What was expected.
        expected: &'static str,
        /// What came.
        found: String,
    },
    /// Too few good signatures.
    #[error(
        "the {what} carries {found} valid signatures of the keys trusted here; {needed} are needed"
    )]
    Signatures {
        /// The document's type.
        what: &'static str,
        /// Valid ones.
        found: u32,
        /// Required ones.
        needed: u32,
    },
    /// The signed bytes are not the document they say they are.
    #[error("the signed {what} does not parse: {reason}")]
    Malformed {
        /// The document's type.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// It was good once.
    #[error(
        "the {what} expired on {expired}: the management server has not been heard for too long, or this machine's clock is wrong (it says {now})"
    )]
    Expired {
        /// The document's type.
        what: &'static str,
        /// When.
        expired: Timestamp,
        /// The present moment.
        now: Timestamp,
    },
    /// It would be good for longer than any of its kind.
    #[error("the {what} is good for {seconds} s, and at most {longest} s are believed")]
    TooLong {
        /// The document's type.
        what: &'static str,
        /// From its issue to its end, in seconds.
        seconds: u64,
        /// The most, in seconds.
        longest: u64,
    },
    /// It comes from the future.
    #[error(
        "the {what} was issued on {issued}, which lies ahead of this machine's clock ({now}): set the clock right"
    )]
    NotYetValid {
        /// The document's type.
        what: &'static str,
        /// When it was signed.
        issued: Timestamp,
        /// The present moment.
        now: Timestamp,
    },
    /// It is older than one already seen.
    #[error(
        "the {what} is of {offered}, older than {seen}, which was seen before: a rollback is refused"
    )]
    Rollback {
        /// The document's type.
        what: &'static str,
        /// The stamp that came.
        offered: String,
        /// The stamp seen before.
        seen: String,
    },
    /// A trust document was left out, or cannot govern anything.
    #[error("trust document {found} cannot follow {current}: {reason}")]
    Succession {
        /// The version held.
        current: u64,
        /// The version offered.
        found: u64,
        /// What is wrong.
        reason: &'static str,
    },
}

/// How far a clock may be behind the one that signed.
const CLOCK_TOLERANCE: std::time::Duration = std::time::Duration::from_secs(600);

/// The pinned trust document and what follows from it.
#[derive(Debug, Clone)]
pub struct TrustStore {
    document: TrustDocument,
    envelope: Envelope,
}

impl TrustStore {
    /// Pins a trust document received over a channel that is already trusted (enrollment). It
    /// must be signed by enough of its own root keys.
    pub fn pin(envelope: Envelope) -> Result<Self, TrustError> {
        let document: TrustDocument = parse(&envelope)?;
        if document.threshold == 0 || document.online_keys.is_empty() {
            return Err(TrustError::Succession {
                current: 0,
                found: document.version,
                reason: "it names no threshold or no online key",
            });
        }
        require(&envelope, &document.root_keys, document.threshold, TrustDocument::TYPE)?;
        Ok(Self { document, envelope })
    }

    /// Takes the next trust document: exactly one version higher, signed by enough root keys of
    /// the present one and by enough of its own. The same one again changes nothing.
    pub fn advance(&mut self, envelope: Envelope, now: Timestamp) -> Result<(), TrustError> {
        if envelope == self.envelope {
            return Ok(());
        }
        let next = Self::pin(envelope)?;
        let (current, found) = (self.document.version, next.document.version);
        if found != current.saturating_add(1) {
            let reason = "versions must follow one another without a gap";
            return Err(TrustError::Succession { current, found, reason });
        }
        let (keys, threshold) = (&self.document.root_keys, self.document.threshold);
        require(&next.envelope, keys, threshold, TrustDocument::TYPE)?;
        check_window(TrustDocument::TYPE, next.document.issued, next.document.expires, now)?;
        *self = next;
        Ok(())
    }

    /// The document in force.
    pub const fn document(&self) -> &TrustDocument {
        &self.document
    }

    /// The document in force, as it was signed.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Checks type and signature by an online key, then parses. Times and stamps are the
    /// caller's: they differ from document to document.
    pub fn open<D: Document>(&self, envelope: &Envelope, now: Timestamp) -> Result<D, TrustError> {
        let TrustDocument { issued: _, expires, .. } = self.document;
        if now >= expires {
            return Err(TrustError::Expired { what: TrustDocument::TYPE, expired: expires, now });
        }
        let document = parse(envelope)?;
        require(envelope, &self.document.online_keys, 1, D::TYPE)?;
        Ok(document)
    }

    /// Opens a head: signature, time and no step back behind `seen`.
    pub fn open_head(
        &self,
        envelope: &Envelope,
        seen: Option<Stamp>,
        now: Timestamp,
    ) -> Result<Head, TrustError> {
        let head: Head = self.open(envelope, now)?;
        check_window(Head::TYPE, head.issued, head.expires, now)?;
        check_stamp(Head::TYPE, head.stamp, seen)?;
        Ok(head)
    }

    /// Opens a ticket as it stands in a header or an address: signature, time, and that it is good for
    /// no longer than tickets for the same are.
    pub fn open_ticket(&self, text: &str, now: Timestamp) -> Result<Ticket, TrustError> {
        let ticket: Ticket = self.open(&Envelope::from_header(text)?, now)?;
        check_window(Ticket::TYPE, ticket.issued, ticket.expires, now)?;
        let (life, longest) =
            (ticket.expires.since(ticket.issued), ticket.operation.longest_life());
        if life > longest {
            let (seconds, longest) = (life.as_secs(), longest.as_secs());
            return Err(TrustError::TooLong { what: Ticket::TYPE, seconds, longest });
        }
        Ok(ticket)
    }

    /// Opens any document that carries a stamp and a window of validity.
    pub fn open_stamped<D: Document>(
        &self,
        envelope: &Envelope,
        window: impl FnOnce(&D) -> (Stamp, Timestamp, Timestamp),
        seen: Option<Stamp>,
        now: Timestamp,
    ) -> Result<D, TrustError> {
        let document: D = self.open(envelope, now)?;
        let (stamp, issued, expires) = window(&document);
        check_window(D::TYPE, issued, expires, now)?;
        check_stamp(D::TYPE, stamp, seen)?;
        Ok(document)
    }
}

/// Whether the present lies between issue (less some tolerance for clocks) and expiry.
pub fn check_window(
    what: &'static str,
    issued: Timestamp,
    expires: Timestamp,
    now: Timestamp,
) -> Result<(), TrustError> {
    if now >= expires {
        return Err(TrustError::Expired { what, expired: expires, now });
    }
    if now.plus(CLOCK_TOLERANCE) < issued {
        return Err(TrustError::NotYetValid { what, issued, now });
    }
    Ok(())
}

fn check_stamp(what: &'static str, offered: Stamp, seen: Option<Stamp>) -> Result<(), TrustError> {
    match seen {
        Some(seen) if offered < seen => {
            Err(TrustError::Rollback { what, offered: offered.to_string(), seen: seen.to_string() })
        }
        _ => Ok(()),
    }
}

fn parse<D: Document>(envelope: &Envelope) -> Result<D, TrustError> {
    if envelope.kind != D::TYPE {
        return Err(TrustError::WrongType { expected: D::TYPE, found: envelope.kind.clone() });
    }
    serde_json::from_slice(&envelope.payload)
        .map_err(|e| TrustError::Malformed { what: D::TYPE, reason: e.to_string() })
}

/// Counts keys, not signatures: one key that signs twice is one.
fn require(
    envelope: &Envelope,
    keys: &[PublicKey],
    needed: u32,
    what: &'static str,
) -> Result<(), TrustError> {
    let message = envelope.message();
    let mut unique: Vec<&PublicKey> = Vec::new();
    for key in keys {
        if !unique.contains(&key) {
            unique.push(key);
        }
    }
    let valid = unique.into_iter().filter(|key| {
        let id = key.id();
        envelope.signatures.iter().any(|s| s.key == id && key.verifies(&message, &s.signature))
    });
    let found = u32::try_from(valid.count()).unwrap_or(u32::MAX);
    if found < needed { Err(TrustError::Signatures { what, found, needed }) } else { Ok(()) }
}
