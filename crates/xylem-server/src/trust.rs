//! The trust document: made at set-up, renewed in time.

use std::time::Duration;

use xylem_model::Timestamp;
use xylem_trust::{Envelope, TrustDocument, TrustStore};

use crate::ServerError;
use crate::folder::Keys;

/// How long a trust document is good for.
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The next one is made when this is left of its time.
const RENEW_WITH_LEFT: Duration = Duration::from_secs(365 * 24 * 60 * 60 / 3);

/// The first trust document, signed by the root key.
pub(crate) fn first(keys: &Keys, now: Timestamp) -> Result<TrustStore, ServerError> {
    let root = keys.root.as_ref().ok_or_else(root_key_away)?;
    let document = TrustDocument {
        version: 1,
        issued: now,
        expires: now.plus(LIFETIME),
        root_keys: vec![root.public().clone()],
        threshold: 1,
        online_keys: vec![keys.online.public().clone()],
    };
    Ok(TrustStore::pin(Envelope::sign(&document, &[root])?)?)
}

/// Whether it is time for the next document.
pub(crate) fn is_due(trust: &TrustStore, now: Timestamp) -> bool {
    now.plus(RENEW_WITH_LEFT) >= trust.document().expires
}

/// The next document: the same keys, one version higher, a year from now.
pub(crate) fn next(
    trust: &TrustStore,
    keys: &Keys,
    now: Timestamp,
) -> Result<TrustStore, ServerError> {
    let root = keys.root.as_ref().ok_or_else(root_key_away)?;
    let document = TrustDocument {
        version: trust.document().version.saturating_add(1),
        issued: now,
        expires: now.plus(LIFETIME),
        ..trust.document().clone()
    };
    let mut next = trust.clone();
    next.advance(Envelope::sign(&document, &[root])?, now)?;
    Ok(next)
}

fn root_key_away() -> ServerError {
    ServerError::Damaged {
        path: "keys/root.seed".into(),
        problem: "it is missing, and the next trust document must be signed with it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use xylem_trust::SigningKey;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_790_000_000_000);

    #[test]
    fn parties_that_pinned_the_first_document_follow_to_the_next() {
        let key = |byte| SigningKey::from_seed(&[byte; 32]).unwrap();
        let keys = Keys { root: Some(key(1)), online: key(2) };
        let first = first(&keys, NOW).unwrap();
        assert!(!is_due(&first, NOW));
        let later = NOW.plus(LIFETIME - RENEW_WITH_LEFT);
        assert!(is_due(&first, later));
        let next = next(&first, &keys, later).unwrap();
        let mut pinned = TrustStore::pin(first.envelope().clone()).unwrap();
        pinned.advance(next.envelope().clone(), later).unwrap();
        assert_eq!(pinned.document().version, 2);
        assert!(!is_due(&pinned, later));
    }
}
