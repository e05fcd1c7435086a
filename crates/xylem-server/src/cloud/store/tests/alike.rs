//! Whether the two decide alike: by lot, and when a point is left.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use xylem_db::{
    CloudCopyState as State, CloudLeaving, CloudObjects, CloudReadBack, CloudUsage, Month,
};
use xylem_model::{ContentId, Generation, Priority};
use xylem_sync::SMALL_BYTES;

use super::twin::{Twin, at, part, point, server, want, work};

/// Steps of the comparison of the two: enough that every state is come to, many times.
const STEPS: u32 = 1_200;
/// Contents in it.
const CONTENTS: u8 = 5;

#[tokio::test]
async fn the_twins_decide_alike() {
    let [memory, database] = Twin::both().await;
    let mut dice = Dice(0x5eed_c10d);
    let mut states = BTreeSet::new();
    for step in 0..STEPS {
        let before = dice;
        let told = scene(&memory, &mut dice, step).await;
        let mut again = before;
        assert_eq!(told, scene(&database, &mut again, step).await, "step {step}, {before:?}");
        let copies = memory.store().copies(point(), None, None, 99).await.unwrap();
        let others = database.store().copies(point(), None, None, 99).await.unwrap();
        assert_eq!(copies, others, "after {told} (step {step}, {before:?})");
        states.extend(copies.iter().map(|copy| copy.state));
        for copy in &copies {
            let parts = memory.store().parts(point(), copy.content).await.unwrap();
            assert_eq!(parts, database.store().parts(point(), copy.content).await.unwrap());
            let counted = database.store().count_parts(point(), copy.content).await.unwrap();
            assert_eq!(counted, parts.len() as u64);
        }
    }
    let counts = memory.store().counts(point()).await.unwrap();
    assert_eq!(counts, database.store().counts(point()).await.unwrap());
    let usage = memory.store().usage(point()).await.unwrap();
    assert_eq!(usage, database.store().usage(point()).await.unwrap());
    assert_eq!((states.len(), usage.len()), (6, usize::from(CONTENTS)), "{states:?}");
}

#[tokio::test]
async fn the_twins_let_a_point_go_alike() {
    for objects in [CloudObjects::Kept, CloudObjects::Deleted] {
        let mut told = Vec::new();
        for twin in Twin::both().await {
            told.push(going(&twin, objects).await);
        }
        assert_eq!(told[0], told[1]);
        let ended = told[0].iter().filter(|told| told.contains("Some(CloudForgotten"));
        assert_eq!(ended.count(), 1, "{:?}", told[0]);
    }
}

#[tokio::test]
async fn what_uploads_wanted_goes_like_the_rest_of_a_point_that_is_left() {
    for objects in [CloudObjects::Kept, CloudObjects::Deleted] {
        let mut told = Vec::new();
        for twin in Twin::both().await {
            let store = twin.store();
            twin.make_principal().await;
            for n in 1..=3 {
                let want = want(n, 25, Priority::Normal);
                store.want_for_upload(point(), &want, at(10), at(9_999)).await.unwrap().unwrap();
                if n < 3 {
                    store.take(point(), server(n), &[], at(20), at(140)).await.unwrap().unwrap();
                }
            }
            assert!(store.proving(work(1, 1)).await.unwrap());
            assert!(store.present(work(1, 1), None, at(40)).await.unwrap());
            twin.unmake_principal().await;
            twin.remove(objects, at(50)).await;
            let states = async || {
                let copies = store.copies(point(), None, None, 9).await.unwrap();
                assert!(copies.iter().all(|copy| copy.upload_until.is_none()), "{copies:?}");
                copies.iter().map(|it| (it.content, it.state, it.unwanted)).collect::<Vec<_>>()
            };
            let left = states().await;
            assert_eq!(left.len(), 2, "what was not begun is forgotten: {left:?}");
            store.unwant_all(point(), at(50), at(60)).await.unwrap();
            told.push((left, states().await));
        }
        assert_eq!(told[0], told[1]);
        let present = told[0].1.iter().find(|(_, state, _)| *state == State::Present).unwrap();
        let is_deleted = objects == CloudObjects::Deleted;
        assert_eq!(present.2, is_deleted.then(|| at(50)), "{objects:?}");
    }
}

#[tokio::test]
async fn the_twins_keep_alike_what_was_to_be_deleted() {
    for twin in Twin::both().await {
        let (store, one) = (twin.store(), ContentId::of(&[1]));
        assert!(twin.want(&[want(1, 25, Priority::Normal)], 1).await);
        store.take(point(), server(1), &[], at(20), at(140)).await.unwrap().unwrap();
        assert!(store.proving(work(1, 1)).await.unwrap());
        assert!(store.present(work(1, 1), None, at(40)).await.unwrap());
        twin.remove(CloudObjects::Deleted, at(50)).await;
        assert_eq!(store.leaving().await.unwrap().unwrap().revision, 2);
        for (objects, unwanted) in [
            (CloudObjects::Deleted, Some(at(50))),
            (CloudObjects::Kept, None),
            (CloudObjects::Deleted, Some(at(50))),
        ] {
            twin.remove(objects, at(60)).await;
            store.unwant_all(point(), at(50), at(61)).await.unwrap();
            assert_eq!(twin.copy(one).await.unwrap().unwanted, unwanted, "{objects:?}");
        }
    }
}

/// A point goes, with contents in every state; gives what was answered and what was there.
async fn going(twin: &Twin, objects: CloudObjects) -> Vec<String> {
    let store = twin.store();
    for n in 1..=5 {
        assert!(twin.want(&[want(n, 25, Priority::Normal)], u64::from(n)).await);
        if n < 5 {
            store.take(point(), server(n), &[], at(20), at(140)).await.unwrap().unwrap();
            assert!(store.begun(work(n, n), NonZeroU64::new(10), Some("upload")).await.unwrap());
            assert!(store.arrived(work(n, n), &[part(1, 10)]).await.unwrap());
        }
    }
    assert!(store.failed(work(1, 1), "why", false, at(30), None).await.unwrap());
    assert!(store.proving(work(2, 2)).await.unwrap() && store.proving(work(3, 3)).await.unwrap());
    assert!(store.present(work(3, 3), Some("\"e\""), at(40)).await.unwrap());
    assert!(!store.left(point(), at(41)).await.unwrap(), "it is the active one");
    store.unwant_all(point(), at(41), at(41)).await.unwrap();
    assert_eq!(twin.copy(ContentId::of(&[3])).await.unwrap().unwanted, None);
    let seen = twin.open().await;
    twin.remove(objects, at(50)).await;

    let leaving = store.leaving().await.unwrap().unwrap();
    let expected = CloudLeaving { since: at(50), left: Some(at(50)), objects: Some(objects) };
    assert_eq!((leaving.is_active, leaving.leaving), (false, Some(expected)));
    assert!(store.active().await.unwrap().is_none());
    assert!(!store.want(&seen, &[], Generation(9), at(51)).await.unwrap());
    assert!(!store.left(point(), at(51)).await.unwrap(), "it was already");
    let copies = async || format!("{:?}", store.copies(point(), None, None, 99).await.unwrap());
    let mut told = vec![copies().await];
    if objects == CloudObjects::Deleted {
        store.unwant_all(point(), at(50), at(60)).await.unwrap();
        told.push(copies().await);
    }
    for n in [1, 2, 4, 3] {
        told.push(format!("{:?}", store.end(point(), objects, at(70)).await.unwrap()));
        assert!(store.parts(point(), ContentId::of(&[n])).await.unwrap().is_empty());
        let removing = store.to_remove(point(), at(51), at(71), 9).await.unwrap();
        told.push(format!("{removing:?}"));
        store.removed(point(), ContentId::of(&[n]), at(72)).await.unwrap();
    }
    let other = match objects {
        CloudObjects::Kept => CloudObjects::Deleted,
        CloudObjects::Deleted => CloudObjects::Kept,
    };
    assert_eq!(store.end(point(), other, at(73)).await.unwrap(), None);
    told.push(format!("{:?}", store.end(point(), objects, at(74)).await.unwrap()));
    assert!(store.leaving().await.unwrap().is_none());
    told
}

/// One call drawn by lot; gives what it was and what was answered.
async fn scene(twin: &Twin, dice: &mut Dice, step: u32) -> String {
    let store = twin.store();
    let now = at(i64::from(step) * 10);
    let (n, by) = (dice.below(CONTENTS), u8::from(dice.below(4) == 0));
    let (work, content) = (work(n, by), ContentId::of(&[n]));
    match dice.below(24) {
        0 | 1 => {
            let size = [5, SMALL_BYTES + 1, SMALL_BYTES + 2][usize::from(n % 3)];
            let priority = [Priority::Bulk, Priority::Normal, Priority::Urgent];
            let want = want(n, size, priority[usize::from(dice.below(3))]);
            let followed = Generation(u64::from(step) + 1);
            let open = twin.open().await;
            format!(
                "{want:?} {:?}",
                store.want(&open, std::slice::from_ref(&want), followed, now).await
            )
        }
        2 => {
            let open = twin.open().await;
            format!("unwant {n} {:?}", store.unwant(&open, &[content], now).await)
        }
        3..=5 => {
            let busy =
                [ContentId::of(&[dice.below(CONTENTS)]), ContentId::of(&[dice.below(CONTENTS)])];
            let busy = &busy[..usize::from(dice.below(3))];
            let until = at(now.unix_ms() + 400);
            let most = usize::from(n % 3) + 1;
            let taken = store.take_some(point(), server(by), busy, most, now, until).await;
            format!("take {by} {most} {taken:?}")
        }
        6 => format!("keep {work:?} {:?}", store.keep(work, at(now.unix_ms() + 400)).await),
        7 => {
            let cut = NonZeroU64::new(u64::from(dice.below(2)) * 10);
            format!("begun {work:?} {:?}", store.begun(work, cut, Some("upload")).await)
        }
        8 | 9 => {
            let one = part(u32::from(dice.below(3)) + 1, u64::from(dice.below(9)));
            let two = part(u32::from(dice.below(3)) + 1, 7);
            format!("arrived {work:?} {:?}", store.arrived(work, &[one, two]).await)
        }
        10 | 11 => format!("proving {work:?} {:?}", store.proving(work).await),
        12..=14 => format!("present {work:?} {:?}", store.present(work, Some("\"e\""), now).await),
        15 => {
            let next = [None, Some(at(now.unix_ms() + 200))][usize::from(dice.below(2))];
            let anew = dice.below(2) == 0;
            format!("failed {work:?} {:?}", store.failed(work, "why", anew, now, next).await)
        }
        16 => format!("released {work:?} {:?}", store.released(work).await),
        17 => {
            let (seen, lost) = (dice.below(CONTENTS), dice.below(3) == 0);
            let looked_at = store.looked_at(point(), &[ContentId::of(&[seen])], now).await;
            let lost = match (lost, dice.below(2)) {
                (true, 0) => Some(store.lost(point(), content, "gone", now).await),
                (true, _) => Some(store.withdrawn(point(), content, "another", now).await),
                (false, _) => None,
            };
            format!("lost {n}, looked at {seen}: {lost:?} {looked_at:?}")
        }
        18 => {
            let before = at(now.unix_ms() - 300);
            let limit = u64::from(dice.below(3));
            let removing = store.to_remove(point(), before, now, limit).await;
            let removed = store.removed(point(), content, now).await;
            format!("to remove {removing:?}, removed {n}: {removed:?}")
        }
        19 => {
            let by = [None, Some(server(by))][usize::from(dice.below(2))];
            let until = at(now.unix_ms() + 300);
            let deletion = store.deleting(point(), content, by, until).await.unwrap();
            let told = format!("deleting {n} by {by:?} {deletion:?}");
            if let (Some(deletion), true) = (deletion, dice.below(3) > 0) {
                store.deletion_answered(point(), content, deletion).await.unwrap();
            }
            told
        }
        20 => {
            let condemned = store.condemn(point(), content, u64::from(n), now).await;
            let heard_before = at(now.unix_ms() - 200);
            let doubted = store.doubt(point(), content, heard_before, now).await;
            format!("condemned {n} {condemned:?}, doubted {doubted:?}")
        }
        21 => {
            let before = [None, Some(at(now.unix_ms() - 300))][usize::from(dice.below(2))];
            let (by, until) = (server(by), at(now.unix_ms() + 400));
            let taken = store.to_read_back(point(), by, before, now, until).await;
            format!("to read back {before:?} {taken:?}")
        }
        22 => {
            let later = at(now.unix_ms() + 200);
            let found = [
                CloudReadBack::Right,
                CloudReadBack::Wrong("other bytes"),
                CloudReadBack::Unread("no line", later),
                CloudReadBack::Left,
            ][usize::from(dice.below(4))];
            let kept = store.keep_reading_back(work, later).await;
            format!("read back {kept:?} {found:?} {:?}", store.read_back(work, found, now).await)
        }
        _ => {
            let more = CloudUsage { sent: u64::from(step), lists: 1, ..CloudUsage::default() };
            let used = store.used(point(), Month(u32::from(n)), &more).await;
            if dice.below(4) == 0 {
                twin.change(now).await;
            }
            format!("used {used:?} {:?}", store.counts(point()).await)
        }
    }
}

/// Numbers by lot, the same each time (xorshift).
#[derive(Debug, Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u8) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u8::try_from(self.0 % u64::from(limit)).unwrap()
    }
}
