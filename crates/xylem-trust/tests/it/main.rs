//! What is believed, and every way of being lied to.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::time::Duration;

use xylem_model::{
    ContentId, DistributionServerId, FileId, FileKind, FileName, Priority, Sha256, Stamp,
    Timestamp, UploadId, VersionMark,
};
use xylem_trust::{
    Descriptor, DescriptorId, DigestSource, Envelope, Head, Operation, SigningKey, Ticket,
    TrustDocument, TrustError, TrustStore, set_root,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn trust(
    version: u64,
    roots: &[&SigningKey],
    threshold: u32,
    online: &SigningKey,
) -> TrustDocument {
    TrustDocument {
        version,
        issued: now(),
        expires: now().plus(365 * DAY),
        root_keys: roots.iter().map(|key| key.public().clone()).collect(),
        threshold,
        online_keys: vec![online.public().clone()],
    }
}

fn pinned() -> TrustStore {
    let document = trust(1, &[&key(1)], 1, &key(2));
    TrustStore::pin(Envelope::sign(&document, &[&key(1)]).unwrap()).unwrap()
}

fn head(stamp: Stamp) -> Head {
    Head {
        server: DistributionServerId::from_parts(1, &[1; 10]),
        stamp,
        issued: now(),
        expires: now().plus(14 * DAY),
        count: 0,
        set_root: set_root([]),
    }
}

fn descriptor() -> Descriptor {
    Descriptor {
        file: FileId::from_parts(1, &[2; 10]),
        kind: FileKind::Package,
        name: FileName::new("Depot-1.0.pkg").unwrap(),
        version: 1,
        content: ContentId::of(b"bytes"),
        sha256: Sha256::from_bytes([3; 32]),
        size: 5,
        digest_source: DigestSource::Declared,
        priority: Priority::Normal,
        mark: None,
        stamp: Stamp::new(1, 7),
        issued: now(),
    }
}

#[test]
fn a_mark_is_signed_and_left_out_where_there_is_none() {
    let plain = serde_json::to_string(&descriptor()).unwrap();
    assert!(!plain.contains("mark"), "descriptors of before keep their ids: {plain}");
    let marked = Descriptor { mark: Some(VersionMark::Test), ..descriptor() };
    let envelope = Envelope::sign(&marked, &[&key(2)]).unwrap();
    assert_eq!(pinned().open::<Descriptor>(&envelope, now()).unwrap(), marked);
    assert!(String::from_utf8(envelope.payload).unwrap().contains(r#""mark":"test""#));
}

#[test]
fn a_descriptor_signed_by_the_online_key_is_believed_and_survives_every_form() {
    let envelope = Envelope::sign(&descriptor(), &[&key(2)]).unwrap();
    for copy in [
        Envelope::from_bytes(&envelope.to_bytes()).unwrap(),
        Envelope::from_header(&envelope.to_header()).unwrap(),
    ] {
        assert_eq!(copy, envelope);
        assert_eq!(pinned().open::<Descriptor>(&copy, now()).unwrap(), descriptor());
    }
}

#[test]
fn every_flipped_bit_of_a_signed_document_is_noticed() {
    let bytes = Envelope::sign(&descriptor(), &[&key(2)]).unwrap().to_bytes();
    let store = pinned();
    for at in 0..bytes.len() {
        let mut copy = bytes.clone();
        copy[at] ^= 1;
        let believed = Envelope::from_bytes(&copy)
            .ok()
            .and_then(|envelope| store.open::<Descriptor>(&envelope, now()).ok());
        assert_eq!(believed, None, "byte {at}");
    }
}

#[test]
fn a_signature_on_one_type_is_worth_nothing_on_another() {
    let mut envelope = Envelope::sign(&head(Stamp::new(1, 1)), &[&key(2)]).unwrap();
    assert!(matches!(
        pinned().open::<Descriptor>(&envelope, now()),
        Err(TrustError::WrongType { .. })
    ));
    envelope.kind = "grants".to_owned();
    assert!(pinned().open::<xylem_trust::Grants>(&envelope, now()).is_err());
}

#[test]
fn root_keys_and_strangers_cannot_sign_descriptors() {
    for stranger in [1, 9] {
        let envelope = Envelope::sign(&descriptor(), &[&key(stranger)]).unwrap();
        assert!(matches!(
            pinned().open::<Descriptor>(&envelope, now()),
            Err(TrustError::Signatures { found: 0, needed: 1, .. })
        ));
    }
}

#[test]
fn heads_that_step_back_or_are_stale_or_come_from_the_future_are_refused() {
    let store = pinned();
    let envelope = Envelope::sign(&head(Stamp::new(1, 5)), &[&key(2)]).unwrap();
    let open = |seen, now| store.open_head(&envelope, seen, now);
    assert!(open(Some(Stamp::new(1, 5)), now()).is_ok());
    assert!(matches!(open(Some(Stamp::new(1, 6)), now()), Err(TrustError::Rollback { .. })));
    assert!(matches!(open(Some(Stamp::new(2, 0)), now()), Err(TrustError::Rollback { .. })));
    assert!(matches!(open(None, now().plus(14 * DAY)), Err(TrustError::Expired { .. })));
    assert!(matches!(open(None, now().minus(DAY)), Err(TrustError::NotYetValid { .. })));
    assert!(open(None, now().minus(Duration::from_secs(300))).is_ok(), "small skew is tolerated");
}

/// A ticket for each thing that there is one for, and the longest that it may be good for.
fn operations() -> [(Operation, Duration); 4] {
    let content = ContentId::of(b"bytes");
    let ingest = Operation::Ingest {
        upload: UploadId::from_parts(1, &[4; 10]),
        size: 5,
        content: Some(content),
        sha256: None,
        name: descriptor().name,
        kind: FileKind::Package,
    };
    let server = DistributionServerId::from_parts(1, &[1; 10]);
    let (minutes, week) = (Duration::from_secs(600), 7 * DAY);
    [
        (ingest, minutes),
        (Operation::Read { content }, minutes),
        (Operation::Device { content }, week),
        (Operation::Manifest { content, server, md5: false }, week),
    ]
}

#[test]
fn a_ticket_that_is_good_for_longer_than_its_kind_is_refused() {
    let store = pinned();
    for (operation, longest) in operations() {
        let open = |life: Duration| {
            let (issued, operation) = (now(), operation.clone());
            let ticket = Ticket { operation, holder: None, issued, expires: issued.plus(life) };
            let text = Envelope::sign(&ticket, &[&key(2)]).unwrap().to_header();
            store.open_ticket(&text, now()).map(|opened| assert_eq!(opened, ticket))
        };
        open(longest).unwrap();
        let told = open(longest + Duration::from_secs(1)).unwrap_err();
        let (seconds, longest) = (longest.as_secs() + 1, longest.as_secs());
        assert_eq!(told, TrustError::TooLong { what: "ticket", seconds, longest });
        assert!(open(100 * 365 * DAY).is_err());
    }
}

#[test]
fn trust_passes_on_one_version_at_a_time_with_the_consent_of_the_old_keys() {
    let next = trust(2, &[&key(3)], 1, &key(4));
    let by = |keys: &[&SigningKey]| Envelope::sign(&next, keys).unwrap();

    let mut store = pinned();
    assert!(store.advance(by(&[&key(3)]), now()).is_err(), "old keys did not agree");
    assert!(store.advance(by(&[&key(1)]), now()).is_err(), "new keys did not sign");
    let leap = Envelope::sign(&trust(3, &[&key(3)], 1, &key(4)), &[&key(1), &key(3)]).unwrap();
    assert!(matches!(store.advance(leap, now()), Err(TrustError::Succession { .. })));
    store.advance(by(&[&key(1), &key(3)]), now()).unwrap();

    let old = Envelope::sign(&descriptor(), &[&key(2)]).unwrap();
    assert!(store.open::<Descriptor>(&old, now()).is_err(), "the old online key is out");
    let first = Envelope::sign(&trust(1, &[&key(1)], 1, &key(2)), &[&key(1)]).unwrap();
    assert!(store.advance(first, now()).is_err(), "no way back");
}

#[test]
fn one_key_signing_twice_is_one_signature() {
    let document = trust(1, &[&key(1), &key(5)], 2, &key(2));
    let twice = Envelope::sign(&document, &[&key(1), &key(1)]).unwrap();
    assert!(matches!(TrustStore::pin(twice), Err(TrustError::Signatures { found: 1, .. })));
    let doubled = trust(1, &[&key(1), &key(1)], 2, &key(2));
    assert!(TrustStore::pin(Envelope::sign(&doubled, &[&key(1)]).unwrap()).is_err());
    assert!(TrustStore::pin(Envelope::sign(&document, &[&key(1), &key(5)]).unwrap()).is_ok());
}

#[test]
fn an_expired_trust_document_vouches_for_nothing() {
    let envelope = Envelope::sign(&descriptor(), &[&key(2)]).unwrap();
    assert!(matches!(
        pinned().open::<Descriptor>(&envelope, now().plus(365 * DAY)),
        Err(TrustError::Expired { .. })
    ));
}

#[test]
fn a_set_has_one_root_whatever_its_order_and_another_when_one_is_left_out() {
    let id = |n: u64| {
        let document = Descriptor { size: n, ..descriptor() };
        DescriptorId::of(&Envelope::sign(&document, &[&key(2)]).unwrap())
    };
    let root = set_root([id(1), id(2), id(3)]);
    assert_eq!(root, set_root([id(3), id(1), id(2), id(2)]));
    assert_ne!(root, set_root([id(1), id(2)]));
    assert_ne!(root, set_root([]));
}

/// The vectors of `docs/design/signed-documents.md`: other implementations check against them.
#[test]
fn published_test_vectors_hold() {
    let page = include_str!("../../../../docs/design/signed-documents.md");
    let signed = Envelope::sign(&descriptor(), &[&key(2)]).unwrap();
    let trust = Envelope::sign(&trust(1, &[&key(1)], 1, &key(2)), &[&key(1)]).unwrap();
    for (what, line) in [
        ("key id", key(2).public().id().to_string()),
        ("descriptor payload", String::from_utf8(signed.payload.clone()).unwrap()),
        ("descriptor envelope", String::from_utf8(signed.to_bytes()).unwrap()),
        ("descriptor id", DescriptorId::of(&signed).to_string()),
        ("trust payload", String::from_utf8(trust.payload.clone()).unwrap()),
        ("trust envelope", String::from_utf8(trust.to_bytes()).unwrap()),
        ("set root of one", set_root([DescriptorId::of(&signed)]).to_string()),
        ("set root of none", set_root([]).to_string()),
    ] {
        assert!(page.contains(&line), "the page lacks {what}:\n{line}");
    }
}
