//! What is asked of a folder, and what the answers are worth.

use std::num::NonZeroU64;

use xylem_model::{ContentId, Sha256};

use super::*;
use crate::parts::PartPlan;

fn answer(status: u16, body: &str) -> CloudAnswer {
    let (headers, body) = (http::HeaderMap::new(), body.as_bytes().to_vec());
    CloudAnswer { status, headers, body, received: xylem_model::Timestamp::default() }
}

fn upload(plan: PartPlan) -> Upload {
    Upload {
        key: Prefix::default().content(&ContentId::of(b"a")),
        sha256: Sha256::from_bytes([1; 32]),
        disposition: String::new(),
        plan,
        reference: None,
        create_only: true,
    }
}

#[test]
fn what_is_asked_is_read_back_as_it_was_meant() {
    let settings = FolderSettings { prefix: Prefix::new("a/b").unwrap() };
    let folder = Folder::new(&settings).unwrap();
    let at = Moment { now: Default::default(), nonce: 0xab };
    let key = settings.prefix.content(&ContentId::of(b"a"));
    let parts = PartPlan::again(10, NonZeroU64::new(4));
    let begun = Upload { key: key.clone(), ..upload(parts) };
    let FolderWork::Begin { object, upload: id } =
        FolderWork::read(&folder.begin(&begun, at).unwrap()).unwrap()
    else {
        panic!("it is not begun")
    };
    assert_eq!((object.path(), id.id()), (key.as_str(), "00000000000000ab"));
    let reference = folder.begun(&begun, &answer(201, id.id())).unwrap();
    let begun = Upload { reference: Some(reference), ..begun };
    let piece = Piece::of(parts.part(3).unwrap(), b"xx");
    let part = FolderWork::read(&folder.piece(&begun, &piece, at).unwrap());
    let (upload, sha256) = (id.clone(), piece.sha256);
    assert_eq!(part, Some(FolderWork::Part { upload, offset: 8, sha256 }));
    let end = FolderWork::read(&folder.finish(&begun, &[], at).unwrap());
    let (object, size) = (object.clone(), 10);
    assert_eq!(end, Some(FolderWork::End { object, upload: id.clone(), size }));
    let left = begun.reference.unwrap();
    let left = Leftover::Upload { key: key.clone(), id: left, begun: None };
    let discard = FolderWork::read(&folder.discard(&left, at).unwrap());
    assert_eq!(discard, Some(FolderWork::Discard(id)));
    let removed = FolderWork::read(&folder.remove(&key, at));
    assert!(matches!(removed, Some(FolderWork::Remove(_))), "{removed:?}");
    let probe = settings.prefix.probe("0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000", "a b+é&50%#");
    let Some(FolderWork::Ask(object)) = FolderWork::read(&folder.ask(&probe, at)) else {
        panic!("it is not asked after")
    };
    assert_eq!(object.path(), probe.as_str());
    let listed = FolderWork::read(&folder.list(Below::Everything, &Cursor::START, at).unwrap());
    assert_eq!(listed, Some(FolderWork::List { path: "a/b".to_owned(), after: None }));
}

#[test]
fn whole_files_are_not_begun_and_parts_are_not_sent_before() {
    let settings = FolderSettings::default();
    let folder = Folder::new(&settings).unwrap();
    let at = Moment { now: Default::default(), nonce: 1 };
    let whole = upload(PartPlan::again(10, None));
    assert!(folder.begin(&whole, at).is_none() && folder.finish(&whole, &[], at).is_none());
    let parts = upload(PartPlan::again(10, NonZeroU64::new(4)));
    let piece = Piece::of(parts.plan.part(1).unwrap(), b"xxxx");
    let lost = folder.piece(&parts, &piece, at).unwrap_err();
    assert_eq!(lost.kind, FaultKind::UploadLost);
    assert!(folder.begun(&parts, &answer(201, "../x")).is_err());
}

#[test]
fn what_the_root_says_is_worth_what_it_means() {
    let settings = FolderSettings::default();
    let folder = Folder::new(&settings).unwrap();
    let key = settings.prefix.marker();
    let kind = |status| folder.removed(&key, &answer(status, "why")).unwrap_err().kind;
    let kinds = [403, 409, 410, 413, 500, 507].map(kind);
    assert_eq!(
        kinds,
        [
            FaultKind::Rights,
            FaultKind::Unexpected,
            FaultKind::Place,
            FaultKind::TooLarge,
            FaultKind::Busy,
            FaultKind::Full,
        ]
    );
    assert!(folder.removed(&key, &answer(404, "")).is_ok());
    let whole = upload(PartPlan::again(1, None));
    let piece = Piece::of(whole.plan.part(1).unwrap(), b"x");
    let kind =
        |status| folder.piece_answered(&whole, &piece, &answer(status, "")).unwrap_err().kind;
    assert_eq!(
        [404, 412, 422].map(kind),
        [FaultKind::UploadLost, FaultKind::Exists, FaultKind::Line]
    );
}
