//! What is at the cloud distribution point, how far the rest is, and what it took.

use xylem_db::{CloudCopy, CloudCopyState as State, CloudFollowing, CloudPart, CloudPointChange, CloudUsage, CloudWork, DbError, Month};
use xylem_model::{CloudPointId, DistributionServerId, Generation, Priority, SiteId};
use xylem_sync::{NamePattern, Rule, SMALL_BYTES, Selection};

use crate::bench::{Bench, admin, at, id, in_parallel, sha256_of};
use crate::cloud_points::cloud_point;
use crate::filled::{Filled, LARGE, content, following, part, pieces, want};

pub(crate) async fn a_content_is_wanted_sent_proved_and_present(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, work) = (&filled.db, filled.work("Tööl.pkg"));
    filled.want(&[want("Tööl.pkg", 25, Priority::Urgent)]).await;
    let wanted = filled.copy("Tööl.pkg").await.unwrap();
    assert_eq!((wanted.state, wanted.since, wanted.lease), (State::Wanted, at(10), None));
    assert_eq!((wanted.name.as_str(), wanted.priority), ("Tööl.pkg", Priority::Urgent));
    assert_eq!((wanted.size, wanted.sha256), (25, sha256_of("Tööl.pkg".as_bytes())));
    // Nothing can be said of what is not sent.
    assert!(!db.note_cloud_begun(work, pieces(10), None).await.unwrap());
    assert!(!db.note_cloud_parts(work, &[part(1, 10)]).await.unwrap());
    assert!(!db.note_cloud_proving(work).await.unwrap());
    assert_eq!(db.keep_cloud_copy(work, at(99)).await.unwrap(), None);

    assert_eq!(filled.take(&[], 20, 140).await.as_deref(), Some("Tööl.pkg"));
    assert!(!db.note_cloud_present(work, None, at(21)).await.unwrap(), "it was not proved");
    assert!(db.note_cloud_begun(work, pieces(10), Some("upload 1")).await.unwrap());
    assert!(db.note_cloud_begun(work, pieces(11), Some("upload 2")).await.unwrap(), "begun anew");
    assert!(db.note_cloud_begun(work, pieces(10), Some("upload 3")).await.unwrap());
    assert!(db.note_cloud_parts(work, &[part(3, 5), part(1, 9)]).await.unwrap());
    assert!(db.note_cloud_parts(work, &[part(1, 10)]).await.unwrap(), "sent once more");
    let told = filled.parts("Tööl.pkg").await;
    assert_eq!(told, [part(1, 10), part(3, 5)], "in order, the last word counts");
    let late = db.note_cloud_begun(work, pieces(10), Some("upload 4")).await.unwrap();
    assert!(!late, "parts of the upload are there");
    let sending = db.keep_cloud_copy(work, at(150)).await.unwrap().unwrap();
    assert_eq!((sending.state, sending.since, sending.arrived), (State::Sending, at(20), 15));
    assert_eq!((sending.reference.as_deref(), sending.part_bytes), (Some("upload 3"), pieces(10)));
    assert_eq!(sending.lease.unwrap().until, at(150));
    assert!(db.note_cloud_parts(work, &[part(2, 10)]).await.unwrap());

    for _ in 0..2 {
        assert!(db.note_cloud_proving(work).await.unwrap());
    }
    assert!(!db.note_cloud_parts(work, &[part(2, 10)]).await.unwrap(), "all of them are there");
    assert!(db.keep_cloud_copy(work, at(160)).await.unwrap().is_some());
    assert_eq!(filled.parts("Tööl.pkg").await.len(), 3);
    assert!(db.note_cloud_present(work, Some("\"etag\""), at(40)).await.unwrap());
    let present = filled.copy("Tööl.pkg").await.unwrap();
    assert_eq!((present.state, present.since), (State::Present, at(40)));
    assert_eq!((present.etag.as_deref(), present.lease), (Some("\"etag\""), None));
    assert_eq!((present.arrived, present.looked_at), (25, Some(at(40))));
    assert!(filled.parts("Tööl.pkg").await.is_empty());
    assert!(!db.note_cloud_present(work, None, at(41)).await.unwrap());
    assert!(!db.note_cloud_failed(work, "late", true, at(41), None).await.unwrap());
    assert_eq!(filled.take(&[], 1_000, 2_000).await, None);
}

pub(crate) async fn only_the_holder_of_the_lease_changes_anything(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.send("A.pkg", 2).await;
    let other = id(DistributionServerId::from_parts);
    let others = CloudWork { server: other, ..filled.work("A.pkg") };
    let before = filled.copy("A.pkg").await;
    assert_eq!(db.keep_cloud_copy(others, at(999)).await.unwrap(), None);
    assert!(!db.note_cloud_begun(others, None, None).await.unwrap());
    assert!(!db.note_cloud_parts(others, &[part(1, 1)]).await.unwrap());
    assert!(!db.note_cloud_proving(others).await.unwrap());
    assert!(!db.note_cloud_present(others, None, at(50)).await.unwrap());
    assert!(!db.note_cloud_failed(others, "why", true, at(50), None).await.unwrap());
    db.release_cloud_copy(others).await.unwrap();
    assert_eq!(filled.copy("A.pkg").await, before);
    assert_eq!(filled.parts("A.pkg").await.len(), 2);

    assert_eq!(filled.take_for(other, &[], 119, 300).await, None, "the lease lasts until 120");
    assert_eq!(filled.take_for(other, &[], 120, 300).await.as_deref(), Some("A.pkg"));
    let taken = filled.copy("A.pkg").await.unwrap();
    assert_eq!((taken.state, taken.arrived, taken.since), (State::Sending, 20, at(20)), "it goes on");
    assert!(!db.note_cloud_proving(filled.work("A.pkg")).await.unwrap());
    assert_eq!(db.keep_cloud_copy(filled.work("A.pkg"), at(999)).await.unwrap(), None);
    assert!(db.note_cloud_proving(others).await.unwrap());

    db.release_cloud_copy(others).await.unwrap();
    assert_eq!(filled.copy("A.pkg").await.unwrap().lease, None);
    assert!(!db.note_cloud_present(others, None, at(130)).await.unwrap(), "it gave it back");
    assert_eq!(filled.take(&[], 130, 300).await.as_deref(), Some("A.pkg"), "at once");
    assert_eq!(filled.state("A.pkg").await, Some(State::Proving));
}

/// Contents of every class are wanted, named by what decides about their turn.
async fn of_every_class(bench: &Bench) -> Filled {
    let filled = Filled::on(bench).await;
    filled
        .want(&[
            want("bulk", LARGE, Priority::Bulk),
            want("large", LARGE + 2, Priority::Normal),
            want("less", LARGE + 1, Priority::Normal),
            want("small", SMALL_BYTES, Priority::Bulk),
            want("smaller", 5, Priority::Normal),
            want("urgent", LARGE + 9, Priority::Urgent),
        ])
        .await;
    filled
}

pub(crate) async fn what_is_sent_next_comes_in_order(bench: Bench) {
    let filled = of_every_class(&bench).await;
    let mut busy: Vec<&str> = Vec::new();
    for next in ["urgent", "smaller", "small", "less", "bulk"] {
        assert_eq!(filled.take(&busy, 20, 50).await.as_deref(), Some(next), "beside {busy:?}");
        busy.push(next);
    }
    assert_eq!(filled.take(&busy, 20, 60).await, None, "no second large one of a class");
    let kept = filled.copy("urgent").await.unwrap();
    assert_eq!(kept.lease.unwrap().until, at(60), "what is being sent is kept");
    assert_eq!(filled.state("large").await, Some(State::Wanted));

    // Whoever was started anew goes on with what it had, in the same order.
    assert_eq!(filled.take(&[], 21, 70).await.as_deref(), Some("urgent"));
    let without_less = ["urgent", "smaller", "small", "bulk"];
    assert_eq!(filled.take(&without_less, 21, 70).await.as_deref(), Some("less"));
    let work = filled.work("less");
    assert!(filled.db.note_cloud_failed(work, "why", false, at(22), None).await.unwrap());
    assert_eq!(filled.take(&busy, 23, 70).await.as_deref(), Some("large"), "the way is free");
    // What another one has is nobody else's.
    let other = id(DistributionServerId::from_parts);
    assert_eq!(filled.take_for(other, &[], 24, 70).await, None);
}

pub(crate) async fn several_that_are_taken_together_come_in_the_same_order(bench: Bench) {
    let filled = of_every_class(&bench).await;
    let root = filled.root;
    assert_eq!(filled.take_some(root, &[], 0, 20).await, Vec::<String>::new());
    let first = ["urgent", "smaller", "small"];
    assert_eq!(filled.take_some(root, &[], 3, 20).await, first);
    assert_eq!(filled.copy("small").await.unwrap().lease.unwrap().until, at(50));
    assert_eq!(filled.state("less").await, Some(State::Wanted), "no more than may be");
    let next = filled.take_some(root, &first, 9, 30).await;
    assert_eq!(next, ["less", "bulk"], "one large of a class");
    assert_eq!(filled.copy("urgent").await.unwrap().lease.unwrap().until, at(60), "it is kept");
    assert_eq!(filled.state("large").await, Some(State::Wanted));
    let other = id(DistributionServerId::from_parts);
    let others = filled.take_some(other, &[], 9, 31).await;
    assert_eq!(others, ["large"], "what another one has is nobody else's");

    // Whoever was started anew goes on with what it had, in the same order.
    let all = ["urgent", "smaller", "small", "less", "bulk"];
    assert_eq!(filled.take_some(root, &[], 9, 32).await, all);
}

pub(crate) async fn of_many_who_take_at_once_each_gets_another(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let names: Vec<String> = (0..6).map(|n| format!("{n}.pkg")).collect();
    let wants: Vec<_> = names.iter().map(|name| want(name, 5, Priority::Normal)).collect();
    filled.want(&wants).await;
    let taken = in_parallel(6, |_| {
        let (db, point) = (filled.db.clone(), filled.point);
        let server = id(DistributionServerId::from_parts);
        async move { db.take_from_cloud_wants(point, server, &[], at(20), at(50)).await.unwrap() }
    })
    .await;
    let mut taken: Vec<_> = taken.into_iter().flatten().map(|copy| copy.name.to_string()).collect();
    taken.sort_unstable();
    assert_eq!(taken, names);
}

pub(crate) async fn what_fails_is_tried_again_in_time(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.send("A.pkg", 2).await;
    let work = filled.work("A.pkg");
    assert!(db.note_cloud_failed(work, "no\0 line", false, at(30), Some(at(90))).await.unwrap());
    let failed = filled.copy("A.pkg").await.unwrap();
    assert_eq!((failed.state, failed.tries, failed.lease), (State::Failed, 1, None));
    assert_eq!((failed.reason.as_deref(), failed.next_try), (Some("no line"), Some(at(90))));
    assert_eq!((failed.arrived, filled.parts("A.pkg").await.len()), (20, 2), "it can go on");
    assert_eq!(filled.take(&[], 89, 200).await, None);
    assert_eq!(filled.take(&[], 90, 200).await.as_deref(), Some("A.pkg"));
    let again = filled.copy("A.pkg").await.unwrap();
    assert_eq!((again.state, again.tries, again.next_try), (State::Sending, 1, None));
    assert_eq!(again.reason.as_deref(), Some("no line"), "until it succeeds");

    assert!(db.note_cloud_proving(work).await.unwrap());
    assert!(db.note_cloud_failed(work, "too large", true, at(95), None).await.unwrap());
    let anew = filled.copy("A.pkg").await.unwrap();
    assert_eq!((anew.tries, anew.arrived, anew.part_bytes), (2, 0, None));
    assert_eq!((anew.reference, filled.parts("A.pkg").await.len()), (None, 0));
    assert_eq!(filled.take(&[], i64::MAX - 1, i64::MAX).await, None, "never by itself");

    // A change of the point may mend it.
    let broken = serde_json::json!({ "message": "no rights" });
    db.note_cloud_broken(filled.point, 1, Some(&broken)).await.unwrap();
    let point = db.cloud_point().await.unwrap().unwrap();
    assert_eq!(point.broken.as_ref(), Some(&broken));
    let asked = CloudPointChange { sealed: Some("others".into()), ..Default::default() };
    let changed = db.change_cloud_point(point.id, 1, &asked, &admin(), at(99)).await.unwrap();
    assert_eq!(changed.broken, None);
    db.note_cloud_broken(filled.point, 1, Some(&broken)).await.unwrap();
    let now = db.cloud_point().await.unwrap().unwrap();
    assert_eq!(now.broken, None, "what was found with the former keys says nothing of these");
    assert_eq!(filled.take(&[], 99, 200).await.as_deref(), Some("A.pkg"));
}

pub(crate) async fn what_lay_elsewhere_is_forgotten_with_a_move(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.fill("present").await;
    filled.send("sending", 3).await;
    db.set_cloud_selection(filled.point, None, &admin(), at(98)).await.unwrap();
    let seen = following(db, filled.point).await;
    let settings = serde_json::json!({ "bucket": "other" });
    let asked = CloudPointChange { settings: Some(settings), moved: true, ..Default::default() };
    let moved = db.change_cloud_point(filled.point, 1, &asked, &admin(), at(99)).await.unwrap();
    assert_eq!((moved.followed.0, moved.last_inventory), (0, None));
    for text in ["present", "sending"] {
        assert_eq!(filled.copy(text).await, None, "{text}");
        assert_eq!(filled.parts(text).await.len(), 0, "{text}");
    }
    let late = [want("late", 5, Priority::Normal)];
    let wanted = db.want_in_cloud(&seen, &late, Generation(9), at(100)).await.unwrap();
    assert!(!wanted, "what a walk wanted before it has no row any more");
}

pub(crate) async fn what_was_followed_by_an_older_selection_counts_no_more(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    filled.want(&[want("A.pkg", 5, Priority::Normal)]).await;
    let seen = following(db, point).await;
    assert_eq!((seen.followed, &seen.selection), (Generation(1), &None));
    let before = db.stamp().await.unwrap();
    let site = db.add_site(id(SiteId::from_parts), "Nord", &admin(), at(1)).await.unwrap();
    let rule = Rule { sites: vec![site.id], ..Rule::default() };
    let selection = Selection { rules: vec![rule] };
    let changed = db.set_cloud_selection(point, Some(&selection), &admin(), at(20)).await.unwrap();
    assert_eq!(changed.selection.as_deref(), Some(&selection));
    assert_eq!((changed.followed, changed.revision), (Generation(0), 1), "from the beginning");
    assert!(changed.stamp > before, "servers hear of it");
    let records = db.audit_records(None, 1).await.unwrap();
    assert_eq!((records[0].action.as_str(), records[0].object.as_str()), ("cloud.change", "s3"));
    assert!(records[0].detail["selection"]["rules"].is_array());

    let late = [want("B.pkg", 5, Priority::Normal)];
    assert!(!db.want_in_cloud(&seen, &late, Generation(9), at(21)).await.unwrap());
    assert!(!db.unwant_in_cloud(&seen, &[content("A.pkg")], at(21)).await.unwrap());
    assert_eq!(filled.state("A.pkg").await, Some(State::Wanted));
    assert_eq!(filled.copy("B.pkg").await, None);
    let seen = following(db, point).await;
    assert!(db.want_in_cloud(&seen, &late, Generation(9), at(22)).await.unwrap());
    assert!(!db.want_in_cloud(&seen, &late, Generation(8), at(23)).await.unwrap(), "no step back");
    assert_eq!(db.cloud_point().await.unwrap().unwrap().followed, Generation(9));

    let told = db.remove_site("Nord", &admin(), at(24)).await.unwrap_err();
    assert!(told.to_string().contains("the selection of the cloud distribution point"), "{told}");
    let none = Selection { rules: vec![Rule::default()] };
    let told = db.set_cloud_selection(point, Some(&none), &admin(), at(25)).await;
    assert!(matches!(told, Err(DbError::Invalid { .. })));
    let all = db.set_cloud_selection(point, None, &admin(), at(26)).await.unwrap();
    assert_eq!((all.selection, all.followed), (None, Generation(0)));
}

pub(crate) async fn a_point_is_paused_bounded_and_looked_through(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    let before = db.stamp().await.unwrap();
    let paused = db.pause_cloud(point, true, &admin(), at(20)).await.unwrap();
    assert!(paused.paused && paused.stamp > before && paused.revision == 1);
    let again = db.pause_cloud(point, true, &admin(), at(21)).await.unwrap();
    assert_eq!(again, paused, "it is so already");
    assert!(!db.pause_cloud(point, false, &admin(), at(22)).await.unwrap().paused);
    let records = db.audit_records(None, 9).await.unwrap();
    let told: Vec<_> = records.iter().map(|record| record.detail["paused"].as_bool()).collect();
    assert_eq!(told[..3], [Some(false), Some(true), None]);

    let bounded = db.set_cloud_ceiling(point, Some(7 << 40), &admin(), at(23)).await.unwrap();
    assert_eq!(bounded.month_ceiling, Some(7 << 40));
    let free = db.set_cloud_ceiling(point, None, &admin(), at(24)).await.unwrap();
    assert_eq!(free.month_ceiling, None);

    let begin = |before, now| db.begin_cloud_inventory(point, before, now);
    assert!(begin(at(0), at(30)).await.unwrap(), "there was none");
    assert!(!begin(at(30), at(40)).await.unwrap());
    assert!(begin(at(31), at(41)).await.unwrap());
    assert_eq!(db.cloud_point().await.unwrap().unwrap().last_inventory, Some(at(41)));
    let ahead = at(50).plus(std::time::Duration::from_secs(3600));
    assert!(begin(at(50), ahead).await.unwrap());
    assert!(begin(at(0), at(50)).await.unwrap(), "a clock that was ahead is not waited for");
    let unknown = id(CloudPointId::from_parts);
    let told = db.pause_cloud(unknown, true, &admin(), at(50)).await;
    assert!(matches!(told, Err(DbError::NotFound { .. })));
}

pub(crate) async fn contents_are_listed_and_counted(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    assert!(db.cloud_counts(point).await.unwrap().is_empty());
    filled.fill("present").await;
    filled.send("sending", 3).await;
    let many: Vec<_> =
        (0..1_200).map(|n| want(&format!("{n}.pkg"), 1 << 40, Priority::Bulk)).collect();
    filled.want(&many).await;
    let counts = db.cloud_counts(point).await.unwrap();
    let counts: Vec<_> =
        counts.iter().map(|it| (it.state, it.contents, it.bytes, it.arrived)).collect();
    assert_eq!(counts, [
        (State::Wanted, 1_200, 1_200 << 40, 0),
        (State::Sending, 1, 30, 30),
        (State::Present, 1, 20, 20),
    ]);

    let mut listed = Vec::new();
    let mut pages = 0;
    loop {
        let after = listed.last().map(|copy: &CloudCopy| copy.content);
        let page = db.cloud_copies(point, Some(State::Wanted), after, 500).await.unwrap();
        if page.is_empty() {
            break;
        }
        pages += 1;
        listed.extend(page);
    }
    assert_eq!((listed.len(), pages), (1_200, 3));
    assert!(listed.is_sorted_by_key(|copy| copy.content));
    let all = db.cloud_copies(point, None, None, u64::MAX).await.unwrap();
    assert_eq!(all.len(), 1_000, "a page at most");
    let present = db.cloud_copies(point, Some(State::Present), None, 9).await.unwrap();
    assert_eq!(present.len(), 1);
}

pub(crate) async fn use_is_counted_by_month(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    let some = CloudUsage { sent: 1 << 40, read_back: 3, writes: 4, ..CloudUsage::default() };
    let more = CloudUsage { sent: 1, told_by_agents: 5, reads: 6, lists: 7, ..some };
    let (may, june) = (Month(2_026 * 12 + 4), Month(2_026 * 12 + 5));
    for (month, usage) in [(may, some), (june, more), (may, more)] {
        db.count_cloud_use(point, month, &usage).await.unwrap();
    }
    let both = CloudUsage {
        sent: (1 << 40) + 1,
        read_back: 6,
        told_by_agents: 5,
        writes: 8,
        reads: 6,
        lists: 7,
    };
    assert_eq!(db.cloud_usage(point).await.unwrap(), [(june, more), (may, both)]);
    in_parallel(8, |_| {
        let (db, once) = (db.clone(), CloudUsage { lists: 1, ..CloudUsage::default() });
        async move { db.count_cloud_use(point, Month(1), &once).await.unwrap() }
    })
    .await;
    assert_eq!(db.cloud_usage(point).await.unwrap()[2].1.lists, 8);
    // Nobody's.
    db.count_cloud_use(id(CloudPointId::from_parts), may, &some).await.unwrap();
}

pub(crate) async fn a_forgotten_point_takes_everything_with_it(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    filled.fill("present").await;
    filled.send("sending", 3).await;
    db.count_cloud_use(point, Month(1), &CloudUsage::default()).await.unwrap();
    let seen = following(db, point).await;
    db.forget_cloud_point(point, &admin(), at(50)).await.unwrap();
    assert!(db.cloud_copies(point, None, None, 9).await.unwrap().is_empty());
    assert!(filled.parts("sending").await.is_empty());
    assert!(db.cloud_usage(point).await.unwrap().is_empty());
    // Whoever comes too late changes nothing.
    assert!(!db.want_in_cloud(&seen, &[], Generation(9), at(51)).await.unwrap());
    assert!(!db.note_cloud_proving(filled.work("sending")).await.unwrap());
    assert!(!db.note_cloud_parts(filled.work("sending"), &[part(1, 1)]).await.unwrap());
    assert_eq!(filled.take(&[], 999, 1_000).await, None);
    db.set_cloud_point(&cloud_point("s3", None), &admin(), at(52)).await.unwrap();
}

pub(crate) async fn what_no_provider_says_is_refused(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.send("A.pkg", 2).await;
    let (work, long) = (filled.work("A.pkg"), "x".repeat(1_025));
    let parts = [CloudPart { tag: long.clone(), ..part(1, 10) }];
    let told = db.note_cloud_parts(work, &parts).await;
    assert!(matches!(told, Err(DbError::Invalid { .. })));
    let parts = [part(u32::MAX, 10)];
    assert!(matches!(db.note_cloud_parts(work, &parts).await, Err(DbError::Invalid { .. })));
    assert!(db.note_cloud_proving(work).await.unwrap());
    let told = db.note_cloud_present(work, Some(&long), at(50)).await;
    assert!(matches!(told, Err(DbError::Invalid { .. })));
    assert_eq!(filled.state("A.pkg").await, Some(State::Proving), "nothing is half done");
    let fits = "x".repeat(1_024);
    assert!(db.note_cloud_present(work, Some(&fits), at(50)).await.unwrap());
}

pub(crate) async fn what_is_under_way_is_in_no_backup(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let db = &filled.db;
    filled.fill("present").await;
    filled.send("sending", 3).await;
    filled.want(&[want("wanted", 5, Priority::Normal)]).await;
    let pattern: NamePattern = serde_json::from_str("\"*.pkg\"").unwrap();
    let rule = Rule { names: vec![pattern], ..Rule::default() };
    let selection = Selection { rules: vec![rule] };
    db.set_cloud_selection(filled.point, Some(&selection), &admin(), at(50)).await.unwrap();
    filled.want(&[]).await;
    db.pause_cloud(filled.point, true, &admin(), at(51)).await.unwrap();
    assert!(db.begin_cloud_inventory(filled.point, at(52), at(52)).await.unwrap());

    let mut bytes = Vec::new();
    db.dump(&mut bytes).await.unwrap();
    let other = bench.open_beside("other.db").await;
    other.load(&mut &*bytes).await.unwrap();
    let present = other.cloud_copies(filled.point, None, None, 9).await.unwrap();
    assert_eq!(present, [filled.copy("present").await.unwrap()]);
    assert!(other.cloud_parts(filled.point, content("sending")).await.unwrap().is_empty());
    let point = other.cloud_point().await.unwrap().unwrap();
    assert_eq!(point.selection.as_deref(), Some(&selection));
    assert_eq!((point.followed, point.last_inventory), (Generation(0), None), "all of it anew");
    assert!(point.paused);
}

pub(crate) async fn of_two_walks_the_one_that_began_first_is_of_the_past(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    filled.want(&[want("A.pkg", 5, Priority::Normal)]).await;
    let seen = following(db, point).await;
    let first = CloudFollowing { walks: db.begin_cloud_walk(&seen).await.unwrap().unwrap(), ..seen };
    let late = CloudFollowing { walks: 0, ..first.clone() };
    assert_eq!(db.begin_cloud_walk(&late).await.unwrap(), None, "it was read before that");
    let seen = following(db, point).await;
    let second = CloudFollowing { walks: db.begin_cloud_walk(&seen).await.unwrap().unwrap(), ..seen };
    let wants = [want("B.pkg", 5, Priority::Normal)];
    assert!(db.want_in_cloud(&second, &wants, second.followed, at(11)).await.unwrap());
    assert!(!db.unwant_in_cloud(&first, &[content("B.pkg")], at(12)).await.unwrap());
    assert!(!db.want_in_cloud(&first, &[], Generation(9), at(12)).await.unwrap());
    assert_eq!(filled.state("B.pkg").await, Some(State::Wanted));
    assert!(db.want_in_cloud(&second, &[], Generation(9), at(13)).await.unwrap());
}

pub(crate) async fn parts_are_looked_up_by_their_numbers_and_counted(bench: Bench) {
    let filled = Filled::on(&bench).await;
    let (db, point) = (&filled.db, filled.point);
    filled.send("A.pkg", 5).await;
    let among = db.cloud_parts_among(point, content("A.pkg"), &[4, 2, 9, u32::MAX]).await.unwrap();
    assert_eq!(among, [part(2, 10), part(4, 10)]);
    assert!(db.cloud_parts_among(point, content("A.pkg"), &[]).await.unwrap().is_empty());
    assert_eq!(db.count_cloud_parts(point, content("A.pkg")).await.unwrap(), 5);
    assert_eq!(db.count_cloud_parts(point, content("unknown")).await.unwrap(), 0);
}
