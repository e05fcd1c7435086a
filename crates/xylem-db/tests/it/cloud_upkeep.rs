//! What becomes of contents in the cloud that are there: unwanted, lost, others than were sent, doubted.

use xylem_db::{CloudCopy, CloudCopyState as State, CloudPointChange, CloudReadBack, CloudWant, CloudWork};
use xylem_model::{CloudPointId, DistributionServerId, FileName, Priority};

use crate::bench::{Bench, admin, at, id, name, sha256_of};
use crate::filled::{Filled, content, want};

pub(crate) async fn what_is_unwanted_goes_in_its_state_s_way(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.fill("present").await;
    filled.send("sending", 3).await;
    filled.want(&[want("wanted", 5, Priority::Normal)]).await;
    for text in ["present", "sending", "wanted", "unknown"] {
        filled.unwant(text, at(50)).await;
    }
    assert_eq!(filled.copy("wanted").await, None, "nothing of it was begun");
    let sending = filled.copy("sending").await.unwrap();
    assert_eq!((sending.state, sending.since, sending.lease), (State::Removing, at(50), None));
    assert_eq!(sending.reference.as_deref(), Some("upload 1"), "to end it by");
    assert!(filled.parts("sending").await.is_empty());
    assert_eq!(db.keep_cloud_copy(filled.work("sending"), at(99)).await.unwrap(), None);
    let present = filled.copy("present").await.unwrap();
    assert_eq!((present.state, present.unwanted), (State::Present, Some(at(50))));
    filled.unwant("present", at(60)).await;
    assert_eq!(filled.copy("present").await, Some(present), "its grace does not begin anew");

    let removing = |before, now, limit| db.begin_cloud_removals(filled.point, before, now, limit);
    let names = |copies: Vec<CloudCopy>| -> Vec<FileName> {
        copies.into_iter().map(|copy| copy.name).collect()
    };
    assert_eq!(names(removing(at(50), at(70), 9).await.unwrap()), [name("sending")]);
    assert_eq!(names(removing(at(51), at(70), 1).await.unwrap()), [name("sending")]);
    assert_eq!(filled.state("present").await, Some(State::Present), "no more than is given");
    let both = names(removing(at(51), at(70), 9).await.unwrap());
    assert_eq!(both, [name("sending"), name("present")]);
    assert_eq!(filled.state("present").await, Some(State::Removing));

    // Wanted again in the middle: first it goes, then it is sent.
    filled.want(&[want("present", 20, Priority::Urgent)]).await;
    assert_eq!(filled.state("present").await, Some(State::Removing));
    assert_eq!(filled.take(&[], 80, 200).await, None);
    for text in ["present", "sending"] {
        db.note_cloud_removed(filled.point, content(text), at(80)).await.unwrap();
    }
    assert_eq!(filled.copy("sending").await, None);
    let wanted = filled.copy("present").await.unwrap();
    assert_eq!((wanted.state, wanted.since, wanted.arrived), (State::Wanted, at(80), 0));
    assert_eq!((wanted.etag, wanted.reference, wanted.part_bytes), (None, None, None));
    db.note_cloud_removed(filled.point, content("present"), at(81)).await.unwrap();
    assert_eq!(filled.state("present").await, Some(State::Wanted), "it is not being removed");
    assert_eq!(filled.take(&[], 82, 200).await.as_deref(), Some("present"));
}

pub(crate) async fn what_is_wanted_again_in_its_grace_stays(bench: Bench) {
    let filled = Filled::on(&bench).await;
    filled.fill("A.pkg").await;
    filled.unwant("A.pkg", at(50)).await;
    let renamed = CloudWant { name: name("B.pkg"), ..want("A.pkg", 20, Priority::Bulk) };
    filled.want(&[renamed]).await;
    let copy = filled.copy("A.pkg").await.unwrap();
    assert_eq!((copy.state, copy.unwanted, copy.since), (State::Present, None, at(40)));
    assert_eq!((copy.name, copy.priority), (name("B.pkg"), Priority::Bulk));
    let over = filled.db.begin_cloud_removals(filled.point, at(999), at(999), 9).await.unwrap();
    assert!(over.is_empty());
}

pub(crate) async fn what_was_lost_is_sent_anew(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.fill("A.pkg").await;
    filled.fill("B.pkg").await;
    let looked_at = [content("A.pkg"), content("unknown")];
    db.note_cloud_looked_at(filled.point, &looked_at, at(60)).await.unwrap();
    assert_eq!(filled.copy("A.pkg").await.unwrap().looked_at, Some(at(60)));
    assert_eq!(filled.copy("B.pkg").await.unwrap().looked_at, Some(at(40)));

    let lose = |text| db.note_cloud_lost(filled.point, content(text), "it is gone", at(70));
    assert!(lose("A.pkg").await.unwrap());
    assert!(!lose("A.pkg").await.unwrap(), "of several, one says it");
    assert!(!lose("unknown").await.unwrap());
    let lost = filled.copy("A.pkg").await.unwrap();
    assert_eq!((lost.state, lost.since, lost.arrived), (State::Wanted, at(70), 0));
    assert_eq!((lost.reason.as_deref(), lost.etag, lost.looked_at), (
        Some("it is gone"), None, None
    ));
    assert_eq!(filled.take(&[], 71, 200).await.as_deref(), Some("A.pkg"));

    filled.unwant("B.pkg", at(72)).await;
    assert!(lose("B.pkg").await.unwrap());
    assert_eq!(filled.copy("B.pkg").await, None, "nobody wants it");
}

pub(crate) async fn what_is_another_is_removed_and_sent_anew(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.fill("A.pkg").await;
    let withdraw =
        |text| db.note_cloud_withdrawn(filled.point, content(text), "it is another", at(70));
    assert!(withdraw("A.pkg").await.unwrap());
    assert!(!withdraw("A.pkg").await.unwrap(), "of several, one says it");
    assert!(!withdraw("unknown").await.unwrap());
    let withdrawn = filled.copy("A.pkg").await.unwrap();
    assert_eq!((withdrawn.state, withdrawn.unwanted), (State::Removing, None));
    assert_eq!(filled.take(&[], 71, 200).await, None, "first it goes");
    let over = db.begin_cloud_removals(filled.point, at(0), at(72), 9).await.unwrap();
    assert_eq!(over.len(), 1, "the next round of removals goes on with it");
    db.note_cloud_removed(filled.point, content("A.pkg"), at(73)).await.unwrap();
    let wanted = filled.copy("A.pkg").await.unwrap();
    assert_eq!((wanted.state, wanted.etag), (State::Wanted, None));
    assert_eq!(wanted.reason.as_deref(), Some("it is another"));
}

pub(crate) async fn what_could_be_written_by_others_is_asked_after_once_more(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    let due = async |now: i64| {
        let found = db.unsettled_cloud_copies(filled.point, at(now), 9).await.unwrap();
        found.into_iter().map(|copy| copy.name.to_string()).collect::<Vec<_>>()
    };
    filled.send("A.pkg", 2).await;
    let work = filled.work("A.pkg");
    let others = CloudWork { server: id(DistributionServerId::from_parts), ..work };
    assert!(!db.note_cloud_signed(others, at(900)).await.unwrap());
    for until in [300, 200] {
        assert!(db.note_cloud_signed(work, at(until)).await.unwrap());
    }
    assert_eq!(filled.copy("A.pkg").await.unwrap().unbound_until, Some(at(300)), "the last one");
    assert!(due(900).await.is_empty(), "it is not there yet");
    assert!(db.note_cloud_proving(work).await.unwrap());
    assert!(!db.note_cloud_signed(work, at(999)).await.unwrap(), "nothing is sent any more");
    assert!(db.note_cloud_present(work, None, at(40)).await.unwrap());
    filled.fill("B.pkg").await;
    assert!(due(299).await.is_empty());
    assert_eq!(due(300).await, ["A.pkg"]);
    db.note_cloud_settled(filled.point, content("A.pkg"), at(299), None).await.unwrap();
    assert_eq!(due(300).await, ["A.pkg"], "it was too early");
    db.note_cloud_settled(filled.point, content("A.pkg"), at(301), None).await.unwrap();
    assert!(due(999).await.is_empty());
    let settled = filled.copy("A.pkg").await.unwrap();
    assert_eq!((settled.unbound_until, settled.looked_at), (None, Some(at(301))));
}

pub(crate) async fn what_a_deletion_may_still_reach_is_given_to_nobody(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point, root) = (&filled.db, filled.point, Some(filled.root));
    let deleting = |text, by, until| db.note_cloud_deletion(point, content(text), by, at(until));
    filled.send("A.pkg", 2).await;
    let other = Some(id(DistributionServerId::from_parts));
    for by in [None, other] {
        assert_eq!(deleting("A.pkg", by, 500).await.unwrap(), None, "it is the root's");
    }
    let first = deleting("A.pkg", root, 500).await.unwrap().unwrap();
    assert_eq!((first.until, first.before), (at(500), None));
    let second = deleting("A.pkg", root, 500).await.unwrap().unwrap();
    assert_eq!((second.until, second.before), (at(501), Some(at(500))));
    // The answer to the one says nothing of the other.
    db.note_cloud_deletion_answered(point, content("A.pkg"), first).await.unwrap();
    assert_eq!(filled.copy("A.pkg").await.unwrap().not_before, Some(at(501)));
    db.note_cloud_deletion_answered(point, content("A.pkg"), second).await.unwrap();
    assert_eq!(filled.copy("A.pkg").await.unwrap().not_before, Some(at(500)));

    let work = filled.work("A.pkg");
    assert!(db.note_cloud_failed(work, "why", true, at(60), Some(at(60))).await.unwrap());
    let asked = CloudPointChange { sealed: Some("others".into()), ..Default::default() };
    db.change_cloud_point(point, 1, &asked, &admin(), at(99)).await.unwrap();
    assert_eq!(filled.take(&[], 499, 900).await, None, "not by a change of the keys either");
    assert_eq!(filled.take(&[], 500, 900).await.as_deref(), Some("A.pkg"));

    filled.fill("B.pkg").await;
    assert_eq!(deleting("B.pkg", None, 900).await.unwrap(), None, "it is offered");
    filled.unwant("B.pkg", at(50)).await;
    db.begin_cloud_removals(point, at(51), at(70), 9).await.unwrap();
    let deletion = deleting("B.pkg", None, 900).await.unwrap().unwrap();
    assert!(!db.note_cloud_removed(point, content("B.pkg"), at(899)).await.unwrap());
    assert_eq!(filled.state("B.pkg").await, Some(State::Removing));
    db.note_cloud_deletion_answered(point, content("B.pkg"), deletion).await.unwrap();
    assert!(db.note_cloud_removed(point, content("B.pkg"), at(80)).await.unwrap());
    assert_eq!(filled.copy("B.pkg").await, None);
}

pub(crate) async fn what_lies_there_without_a_row_gets_one_before_it_goes(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    let condemn = |text, point| db.condemn_in_cloud(point, content(text), 7, at(20));
    assert!(condemn("A.pkg", point).await.unwrap());
    assert!(!condemn("A.pkg", point).await.unwrap(), "it has one");
    assert!(!condemn("A.pkg", id(CloudPointId::from_parts)).await.unwrap());
    let row = filled.copy("A.pkg").await.unwrap();
    assert_eq!((row.state, row.unwanted, row.size), (State::Removing, Some(at(20)), 7));
    // Wanted meanwhile: it goes, and then it is sent, as its descriptor has it.
    filled.want(&[want("A.pkg", 30, Priority::Urgent)]).await;
    assert!(db.note_cloud_removed(point, content("A.pkg"), at(30)).await.unwrap());
    let row = filled.copy("A.pkg").await.unwrap();
    assert_eq!((row.state, row.size, row.sha256), (State::Wanted, 30, sha256_of(b"A.pkg")));
    assert_eq!((row.name, row.priority), (name("A.pkg"), Priority::Urgent));
}

pub(crate) async fn what_is_doubted_is_read_back_first_and_the_rest_in_its_turn(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    for text in ["A.pkg", "B.pkg", "C.pkg"] {
        filled.fill(text).await;
    }
    let next = async |server, before: Option<i64>, now: i64| {
        let (before, until) = (before.map(at), at(now + 50));
        let taking = db.take_to_read_back(point, server, before, at(now), until).await.unwrap();
        taking.map(|copy| copy.name.to_string())
    };
    let read = async |text: &str, found, now: i64| {
        db.note_cloud_read_back(filled.work(text), found, at(now)).await
    };
    let (root, other) = (filled.root, id(DistributionServerId::from_parts));
    assert_eq!(next(root, None, 100).await, None, "nobody doubts anything");
    assert_eq!(next(root, Some(40), 100).await, None, "all of it is there since 40");
    assert!(db.doubt_in_cloud(point, content("C.pkg"), at(0), at(90)).await.unwrap());
    assert!(!db.doubt_in_cloud(point, content("C.pkg"), at(80), at(95)).await.unwrap());
    assert!(!db.doubt_in_cloud(point, content("unknown"), at(80), at(95)).await.unwrap());
    assert_eq!(next(root, Some(60), 100).await.as_deref(), Some("C.pkg"));
    assert_eq!(next(root, None, 101).await.as_deref(), Some("C.pkg"), "it goes on with its own");
    assert_eq!(next(other, None, 102).await, None);
    assert_eq!(db.keep_reading_back(filled.work("A.pkg"), at(400)).await.unwrap(), None);
    let kept = db.keep_reading_back(filled.work("C.pkg"), at(400)).await.unwrap().unwrap();
    assert_eq!(kept.lease.unwrap().until, at(400));
    let others = CloudWork { server: other, ..filled.work("C.pkg") };
    assert!(!db.note_cloud_read_back(others, CloudReadBack::Right, at(110)).await.unwrap());
    assert!(read("C.pkg", CloudReadBack::Right, 110).await.unwrap());
    let right = filled.copy("C.pkg").await.unwrap();
    assert_eq!((right.verified(), right.is_doubted(), right.lease), (Some(at(110)), false, None));

    // What never was read, then what was read longest ago.
    let mut never = Vec::new();
    for now in [120, 121] {
        let text = next(root, Some(115), now).await.unwrap();
        assert!(read(&text, CloudReadBack::Right, now).await.unwrap());
        never.push(text);
    }
    never.sort_unstable();
    assert_eq!(never, ["A.pkg", "B.pkg"]);
    assert_eq!(next(root, Some(110), 130).await, None, "it was read at 110");
    assert_eq!(next(root, Some(111), 130).await.as_deref(), Some("C.pkg"));
    let unread = CloudReadBack::Unread("no line", at(300));
    assert!(read("C.pkg", unread, 131).await.unwrap());
    let waits = filled.copy("C.pkg").await.unwrap();
    assert_eq!((waits.state, waits.reason.as_deref()), (State::Present, Some("no line")));
    assert_eq!(next(root, Some(111), 299).await, None);
    assert_eq!(next(root, Some(111), 300).await.as_deref(), Some("C.pkg"));
    assert!(read("C.pkg", CloudReadBack::Left, 301).await.unwrap());
    assert_eq!(next(other, Some(111), 302).await.as_deref(), Some("C.pkg"), "at once");

    let wrong = CloudWork { server: other, ..filled.work("C.pkg") };
    let found = CloudReadBack::Wrong("other bytes");
    assert!(db.note_cloud_read_back(wrong, found, at(310)).await.unwrap());
    let gone = filled.copy("C.pkg").await.unwrap();
    assert_eq!((gone.state, gone.lease, gone.read_back), (State::Removing, None, Some(at(310))));
    assert_eq!((gone.reason.as_deref(), gone.verified()), (Some("other bytes"), None));
    assert!(db.note_cloud_removed(point, content("C.pkg"), at(320)).await.unwrap());
    let wanted = filled.copy("C.pkg").await.unwrap();
    assert_eq!((wanted.state, wanted.read_back), (State::Wanted, Some(at(310))), "once a day");
    filled.unwant("A.pkg", at(330)).await;
    assert_ne!(next(root, Some(999), 340).await.as_deref(), Some("A.pkg"), "it is about to go");
}
