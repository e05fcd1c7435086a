//! One suite for the store in the database and its twin in memory.

mod alike;
mod twin;

use std::num::NonZeroU64;
use std::sync::Arc;

use serde_json::json;
use xylem_db::{Actor, CloudCopyState as State, CloudPointChange, CloudUsage, Month};
use xylem_model::{CloudPointId, ContentId, Generation, Priority};

use super::{Broken, CloudStore, DatabaseCloudStore, OpenPoint, Work};
use crate::cloud::row;
use crate::sealed::{KEY_BYTES, Sealer};
use crate::wish::WishError;
use twin::{Twin, at, part, point, selection, server, settings, test, want, work};

#[tokio::test]
async fn what_an_upload_wants_is_left_alone_until_its_time_is_over() {
    for twin in Twin::both().await {
        let (store, one) = (twin.store(), want(1, 5, Priority::Normal));
        let wanted = store.want_for_upload(point(), &one, at(20), at(100)).await.unwrap();
        assert_eq!(wanted, None, "it is not the principal");
        twin.make_principal().await;
        let wanted = store.want_for_upload(point(), &one, at(20), at(100)).await.unwrap().unwrap();
        assert_eq!((wanted.state, wanted.upload_until), (State::Wanted, Some(at(100))));
        let open = twin.open().await;
        assert!(open.is_principal);
        assert!(store.unwant(&open, &[one.content], at(99)).await.unwrap());
        assert!(twin.copy(one.content).await.is_some());
        assert!(!store.has_lapsed_uploads(point(), at(99)).await.unwrap());
        assert!(store.has_lapsed_uploads(point(), at(100)).await.unwrap());
        assert!(store.unwant(&open, &[one.content], at(100)).await.unwrap());
        assert_eq!(twin.copy(one.content).await, None);
        // What the catalogue names needs no upload any more that wants it.
        store.want_for_upload(point(), &one, at(101), at(200)).await.unwrap();
        assert!(twin.want(std::slice::from_ref(&one), 1).await);
        assert_eq!(twin.copy(one.content).await.unwrap().upload_until, None);
        assert!(!store.has_lapsed_uploads(point(), at(300)).await.unwrap());
    }
}

#[tokio::test]
async fn a_point_is_opened_with_its_keys() {
    for twin in Twin::both().await {
        let open = twin.open().await;
        assert_eq!((open.id, open.is_active, open.revision), (point(), true, 1));
        assert_eq!((&open.settings, open.followed), (&settings(), Generation(0)));
        assert!(open.keys.to_sealable_json().contains("planted"));
        assert!(!format!("{open:?}").contains("planted"));
        assert!(open.writes_once && !open.paused && open.selection.is_none());
        assert!(twin.store().leaving().await.unwrap().is_none());

        let broken = Broken {
            message: "é".repeat(9_000),
            since: at(5),
            next_try: at(6),
            still_offered: true,
        };
        twin.store().set_broken(point(), 1, Some(&broken)).await.unwrap();
        let told = twin.open().await.broken.unwrap();
        assert_eq!((told.message.chars().count(), told.next_try), (2_000, at(6)));
        twin.change(at(7)).await;
        assert_eq!(twin.open().await.broken, None, "what was set was tested");
        twin.store().set_broken(point(), 1, Some(&broken)).await.unwrap();
        assert_eq!(twin.open().await.broken, None, "that was found with the former keys");
        twin.pause(true).await;
        twin.select(Some(selection())).await;
        let open = twin.open().await;
        assert!(open.paused && open.revision == 2);
        assert_eq!(open.selection.as_deref(), Some(&selection()));

        twin.forget().await;
        assert!(twin.store().active().await.unwrap().is_none());
        twin.store().set_broken(point(), 2, None).await.unwrap();
    }
}

#[tokio::test]
async fn a_provider_writes_once_unless_a_test_found_that_it_cannot() {
    let Twin::Database { store, database, _folder } = Twin::database().await else { panic!() };
    let mut not_tried = test(None);
    not_tried["steps"][0]["outcome"] = json!("skipped");
    for (found, expected) in [
        (test(Some("it overwrites")), false),
        (json!({ "steps": "another form" }), true),
        (not_tried, true),
        (test(None), true),
    ] {
        database.note_cloud_test(point(), 1, &found).await.unwrap();
        let open = store.active().await.unwrap().unwrap();
        assert_eq!(open.writes_once, expected, "{found}");
    }
}

#[tokio::test]
async fn keys_sealed_for_another_row_or_by_another_key_are_not_opened() {
    let Twin::Database { database, _folder, .. } = Twin::database().await else { panic!() };
    let other = Arc::new(Sealer::new(&[8; KEY_BYTES]).unwrap());
    let store = DatabaseCloudStore::new(database.clone(), Arc::clone(&other));
    let told = store.active().await.unwrap_err();
    assert!(matches!(&told, WishError::Store(why) if why.to_string().contains("secrets.key")));
    let row_of_another = row(CloudPointId::from_parts(8, &[8; 10]));
    for (row, text) in [(row_of_another, "{}"), (row(point()), "{\"secret\":\"planted\"}")] {
        let sealed = Some(other.seal(&row, text).unwrap());
        let revision = database.cloud_point().await.unwrap().unwrap().revision;
        let change = CloudPointChange { sealed, ..CloudPointChange::default() };
        let (actor, now) = (Actor::system(), at(3));
        database.change_cloud_point(point(), revision, &change, &actor, now).await.unwrap();
        let told = store.active().await.unwrap_err();
        assert!(!format!("{told:?}").contains("planted"), "{told:?}");
    }
}

#[tokio::test]
async fn a_content_goes_its_way() {
    for twin in Twin::both().await {
        let store = twin.store();
        let (content, work) = (ContentId::of(&[1]), work(1, 1));
        assert!(twin.want(&[want(1, 25, Priority::Urgent)], 5).await);
        assert_eq!(twin.open().await.followed, Generation(5));
        let taken = store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        assert_eq!((taken.content, taken.state, taken.since), (content, State::Sending, at(20)));
        let other = Work { server: server(2), ..work };
        assert!(store.keep(other, at(150)).await.unwrap().is_none());
        assert!(!store.begun(other, None, None).await.unwrap());
        assert!(store.begun(work, NonZeroU64::new(10), Some("upload")).await.unwrap());
        assert!(store.arrived(work, &[part(2, 10), part(1, 9)]).await.unwrap());
        assert!(store.arrived(work, &[part(1, 10), part(3, 5)]).await.unwrap());
        assert!(!store.arrived(other, &[part(1, 10)]).await.unwrap());
        let parts = store.parts(point(), content).await.unwrap();
        assert_eq!(parts, [part(1, 10), part(2, 10), part(3, 5)]);
        assert!(!store.present(work, None, at(30)).await.unwrap(), "it was not proved");
        assert!(store.proving(work).await.unwrap() && store.proving(work).await.unwrap());
        assert_eq!(store.keep(work, at(160)).await.unwrap().unwrap().arrived, 25);
        assert!(store.present(work, Some("\"e\""), at(40)).await.unwrap());
        assert!(store.parts(point(), content).await.unwrap().is_empty());
        let present = twin.copy(content).await.unwrap();
        assert_eq!((present.state, present.etag.as_deref()), (State::Present, Some("\"e\"")));

        let open = twin.open().await;
        assert!(store.unwant(&open, &[content], at(50)).await.unwrap());
        assert!(store.to_remove(point(), at(50), at(51), 9).await.unwrap().is_empty());
        let removing = store.to_remove(point(), at(51), at(52), 9).await.unwrap();
        assert_eq!((removing.len(), removing[0].state), (1, State::Removing));
        assert_eq!(store.to_remove(point(), at(0), at(53), 9).await.unwrap(), removing);
        store.removed(point(), content, at(54)).await.unwrap();
        assert!(twin.copy(content).await.is_none());
    }
}

#[tokio::test]
async fn what_was_followed_in_the_past_counts_no_more() {
    for twin in Twin::both().await {
        let (store, seen) = (twin.store(), twin.open().await);
        let wants = [want(1, 5, Priority::Normal)];
        assert!(twin.want(&wants, 3).await);
        let again = store.want(&seen, &wants, Generation(4), at(11)).await.unwrap();
        assert!(!again, "somebody else was faster");
        let seen = twin.open().await;
        twin.select(Some(selection())).await;
        assert_eq!(twin.open().await.followed, Generation(0));
        assert!(!store.unwant(&seen, &[ContentId::of(&[1])], at(12)).await.unwrap());
        assert!(!store.want(&seen, &[], Generation(4), at(12)).await.unwrap());
        assert!(twin.copy(ContentId::of(&[1])).await.is_some());
    }
}

#[tokio::test]
async fn of_two_walks_the_one_that_began_first_is_of_the_past() {
    for twin in Twin::both().await {
        let store = twin.store();
        assert!(twin.want(&[want(1, 5, Priority::Normal)], 3).await);
        let walk = async |seen: OpenPoint| {
            let walks = store.begin_walk(&seen).await.unwrap();
            walks.map(|walks| OpenPoint { walks, ..seen })
        };
        let seen = twin.open().await;
        let first = walk(seen.clone()).await.unwrap();
        assert!(walk(seen).await.is_none(), "it was read before that");
        let second = walk(twin.open().await).await.unwrap();
        let (wants, followed) = ([want(2, 5, Priority::Normal)], second.followed);
        assert!(store.want(&second, &wants, followed, at(11)).await.unwrap());
        assert!(!store.unwant(&first, &[ContentId::of(&[2])], at(12)).await.unwrap());
        assert!(!store.want(&first, &[], Generation(9), at(12)).await.unwrap());
        assert!(twin.copy(ContentId::of(&[2])).await.is_some());
        assert!(store.want(&second, &[], Generation(9), at(13)).await.unwrap());
    }
}

#[tokio::test]
async fn parts_are_looked_up_by_their_numbers() {
    for twin in Twin::both().await {
        let store = twin.store();
        assert!(twin.want(&[want(1, 25, Priority::Normal)], 5).await);
        store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        let parts = [part(1, 10), part(2, 10), part(3, 5)];
        assert!(store.arrived(work(1, 1), &parts).await.unwrap());
        let content = ContentId::of(&[1]);
        let among = store.parts_among(point(), content, &[3, 1, 7]).await.unwrap();
        assert_eq!(among, [part(1, 10), part(3, 5)]);
        assert_eq!(store.count_parts(point(), content).await.unwrap(), 3);
        assert!(store.released(work(1, 1)).await.unwrap());
        assert!(!store.released(work(1, 1)).await.unwrap(), "it has it no more");
    }
}

#[tokio::test]
async fn nothing_is_done_for_a_point_that_is_gone() {
    for twin in Twin::both().await {
        let (store, seen) = (twin.store(), twin.open().await);
        assert!(twin.want(&[want(1, 5, Priority::Normal)], 3).await);
        twin.forget().await;
        assert!(!store.want(&seen, &[], Generation(4), at(11)).await.unwrap());
        assert!(!store.proving(work(1, 1)).await.unwrap());
        assert!(store.take(point(), server(1), &[], at(20), at(30)).await.unwrap().is_none());
        let usage = CloudUsage { sent: 1, ..CloudUsage::default() };
        store.used(point(), Month(1), &usage).await.unwrap();
        assert!(store.usage(point()).await.unwrap().is_empty());
        assert!(store.counts(point()).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn what_was_signed_without_its_bytes_is_asked_after_once_more() {
    for twin in Twin::both().await {
        let store = twin.store();
        let (content, work, other) = (ContentId::of(&[1]), work(1, 1), work(1, 2));
        assert!(twin.want(&[want(1, 25, Priority::Normal)], 5).await);
        assert!(!store.signed(work, at(90)).await.unwrap(), "nobody sends it");
        store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        assert!(store.signed(work, at(90)).await.unwrap());
        assert!(store.signed(work, at(80)).await.unwrap());
        assert!(!store.signed(other, at(999)).await.unwrap());
        assert!(store.unsettled(point(), at(100), 9).await.unwrap().is_empty());
        assert!(store.proving(work).await.unwrap());
        assert!(!store.signed(work, at(999)).await.unwrap());
        assert!(store.present(work, None, at(40)).await.unwrap());
        assert!(store.unsettled(point(), at(89), 9).await.unwrap().is_empty());
        let due = store.unsettled(point(), at(90), 9).await.unwrap();
        assert_eq!((due.len(), due[0].unbound_until), (1, Some(at(90))));
        store.settled(point(), content, at(89), None).await.unwrap();
        assert_eq!(twin.copy(content).await.unwrap().unbound_until, Some(at(90)));
        store.settled(point(), content, at(90), Some(at(91))).await.unwrap();
        let waiting = twin.copy(content).await.unwrap();
        assert_eq!((waiting.unbound_until, waiting.looked_at), (Some(at(91)), Some(at(40))));
        assert!(store.unsettled(point(), at(90), 9).await.unwrap().is_empty());
        store.settled(point(), content, at(91), None).await.unwrap();
        let settled = twin.copy(content).await.unwrap();
        assert_eq!((settled.unbound_until, settled.looked_at), (None, Some(at(91))));
        assert!(store.unsettled(point(), at(999), 9).await.unwrap().is_empty());
    }
}
