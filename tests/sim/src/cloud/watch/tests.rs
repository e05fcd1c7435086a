//! That what must not happen is noticed.

use xylem_db::CloudWant;
use xylem_model::{FileName, Priority, Sha256, Timestamp};

use super::*;

const BYTES: &[u8] = b"what is sent";

fn content() -> ContentId {
    ContentId::of(BYTES)
}

fn name_of(content: &ContentId) -> String {
    Prefix::new(PREFIX).unwrap().content(content).to_string()
}

fn written(sent: &'static [u8], stored: &'static [u8], over: Option<&'static [u8]>) -> S3Event {
    let (sent, stored) = (sent.into(), stored.into());
    S3Event::Written { name: name_of(&content()), sent, stored, over: over.map(Into::into) }
}

fn deleted(name: &str) -> S3Event {
    S3Event::Deleted { name: name.to_owned(), was: Some(BYTES.into()) }
}

fn row(state: CloudCopyState) -> CloudCopy {
    let want = CloudWant {
        content: content(),
        size: BYTES.len() as u64,
        sha256: Sha256::from_bytes([1; 32]),
        name: FileName::new("File-0.pkg").unwrap(),
        priority: Priority::Normal,
    };
    CloudCopy { state, ..CloudCopy::of_want(&want, Timestamp::from_unix_ms(1)) }
}

/// What is noticed as these things are done, one after another.
fn noticed(seen: &mut Seen, events: &[S3Event], state: Option<CloudCopyState>) -> Vec<String> {
    let (wishes, history) = (Arc::new(MemoryWishStore::new()), History::default());
    for event in events {
        seen.note(event, &wishes, |_| state.map(row), &history);
    }
    history.lock().violations.clone()
}

fn announced() -> Seen {
    let mut seen = Seen::default();
    seen.announce(content());
    seen
}

fn starts(noticed: &[String]) -> Vec<&str> {
    noticed.iter().filter_map(|told| told.get(..7)).collect()
}

#[test]
fn other_bytes_over_what_is_there_are_noticed() {
    let same = noticed(&mut announced(), &[written(BYTES, BYTES, Some(BYTES))], None);
    assert!(same.is_empty(), "{same:?}");
    let over = noticed(&mut announced(), &[written(BYTES, BYTES, Some(b"other"))], None);
    assert_eq!(starts(&over), ["cloud 2"]);
    let other = noticed(&mut announced(), &[written(b"other", b"other", None)], None);
    assert_eq!(starts(&other), ["cloud 2"]);
}

#[test]
fn what_is_no_file_is_noticed() {
    let unknown = noticed(&mut Seen::default(), &[written(BYTES, BYTES, None)], None);
    assert_eq!(starts(&unknown), ["cloud 9"]);
}

#[test]
fn deletions_that_must_not_be_are_noticed() {
    let ours = name_of(&content());
    let of = |name: &str, state| noticed(&mut announced(), &[deleted(name)], state);
    for foreign in ["macs/notes.txt", "macs/xylem.json", "other.pkg"] {
        assert_eq!(starts(&of(foreign, None)), ["cloud 4"], "{foreign}");
    }
    assert_eq!(starts(&of(&ours, Some(CloudCopyState::Present))), ["cloud 4"]);
    // No file means it, so it may go.
    for state in [None, Some(CloudCopyState::Removing), Some(CloudCopyState::Sending)] {
        assert!(of(&ours, state).is_empty(), "{state:?}");
    }
}

#[test]
fn what_is_offered_was_written_asked_after_and_read_in_this_order() {
    let name = || name_of(&content());
    let size = BYTES.len();
    let part = |range| S3Event::Given { name: name(), range, size };
    let (asked, given) = (S3Event::Asked { name: name() }, part(0..size));
    let sound = written(BYTES, BYTES, None);
    let is_proved = |events: &[S3Event]| {
        let mut seen = announced();
        noticed(&mut seen, events, None);
        let history = History::default();
        seen.check_proof(content(), &history);
        let record = history.lock();
        assert_eq!(record.figures.cloud_proved, 1);
        record.violations.is_empty()
    };
    assert!(is_proved(&[sound.clone(), asked.clone(), given.clone()]));
    let (first, last) = (part(0..4), part(4..size));
    assert!(is_proved(&[sound.clone(), asked.clone(), first.clone(), last.clone()]));
    for one in [first, last] {
        assert!(!is_proved(&[sound.clone(), asked.clone(), one]));
    }
    assert!(!is_proved(&[]));
    assert!(!is_proved(&[sound.clone(), asked.clone()]));
    assert!(!is_proved(&[sound.clone(), given.clone(), asked.clone()]));
    assert!(!is_proved(&[asked.clone(), given.clone(), sound]));
    assert!(!is_proved(&[written(BYTES, b"other", None), asked, given]));
}
