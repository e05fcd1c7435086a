//! When nothing is sent: keys that are wrong, a bucket that is gone, a provider that is busy, a pause.

use super::*;

#[tokio::test]
async fn wrong_keys_stop_everything_until_they_are_right() {
    let world = World::new().await;
    let first = world.publish(1, "a.pkg", b"first").await;
    world.publish(2, "b.pkg", b"second").await;
    world.set_point("planted-secret");
    let root = world.root(1);
    assert_eq!(root.next().await.job, None);
    let broken = world.copies.active().await.unwrap().unwrap().broken.unwrap();
    assert!(broken.message.contains("SignatureDoesNotMatch"), "{}", broken.message);
    assert!(!broken.message.contains("planted"));
    let row = world.row(first).await.unwrap();
    assert_eq!((row.tries, row.lease), (0, None), "no content is to blame");
    let asked = world.double.asked().len();
    assert_eq!(root.next().await.job, None);
    assert_eq!(world.double.asked().len(), asked, "nothing is asked for a while");
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(root.next().await.job, None);
    assert_eq!(world.double.asked().len(), asked + 1, "one request tries again");
    let still = world.copies.active().await.unwrap().unwrap().broken.unwrap();
    assert_eq!(still.since, broken.since);

    world.set_point(S3_SECRET);
    root.fill(b"first", &digests(b"first"), ALL).await;
    world.is_there(first, b"first").await;
}

#[tokio::test]
async fn a_point_that_mends_itself_is_found_by_the_one_request() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    world.double.misbehave(S3Fault::BucketGone);
    let pieces = root.signed(&job, &parts).await;
    let sent = root.send(&pieces, b"small", &parts).await;
    let refused = root.parts(content, sent, Vec::new()).await.unwrap_err();
    assert!(
        refused.1.contains("NoSuchBucket") && refused.1.contains("stands still"),
        "{refused:?}"
    );
    world.double.misbehave(S3Fault::None);
    assert_eq!(root.next().await.job, None);
    world.clock.advance(Duration::from_secs(301));
    root.fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
    assert_eq!(world.copies.active().await.unwrap().unwrap().broken, None);
}

#[tokio::test]
async fn a_point_that_is_paused_is_found_to_work_again() {
    let world = World::new().await;
    let (_, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    world.double.misbehave(S3Fault::BucketGone);
    let pieces = root.signed(&job, &parts).await;
    let sent = root.send(&pieces, b"small", &parts).await;
    root.parts(job.content, sent, Vec::new()).await.unwrap_err();
    let broken = async || world.copies.active().await.unwrap().unwrap().broken;
    assert!(broken().await.is_some());
    world.double.misbehave(S3Fault::None);
    world.copies.pause(point_id(), true);
    world.clock.advance(Duration::from_secs(301));
    assert_eq!(root.next().await.job, None, "it is paused");
    assert_eq!(broken().await, None, "clients are sent there again");
}

#[tokio::test]
async fn a_busy_provider_is_left_alone_and_nothing_fails() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    world.double.misbehave(S3Fault::Busy);
    let next = world.root(1).next().await;
    assert_eq!(next.job, None);
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.tries), (CloudCopyState::Sending, 0));
    world.double.misbehave(S3Fault::None);
    world.root(1).fill(b"small", &digests(b"small"), ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn an_end_that_gets_no_good_answer_is_asked_for_again() {
    let world = World::new().await;
    let (content, refused) = world.unheard_end().await;
    assert_eq!(refused.0, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(refused.2.is_some_and(|seconds| seconds >= 1), "{refused:?}");
    let root = world.root(1);
    root.finish(content).await.unwrap();
    root.sampled(content, SampleFound::Same).await.unwrap();
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn a_paused_point_sends_nothing() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    let root = world.root(1);
    root.job().await;
    world.copies.pause(point_id(), true);
    let refused = root.parts(content, Vec::new(), digests(b"small")).await.unwrap_err();
    assert!(refused.1.contains("paused"), "{refused:?}");
    assert_eq!(root.next().await.job, None);
    world.copies.pause(point_id(), false);
    root.fill(b"small", &digests(b"small"), ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn several_that_meet_a_standstill_are_nobodys_and_not_to_blame() {
    let world = World::new().await;
    let first = world.publish(1, "a.pkg", b"first").await;
    let second = world.publish(2, "b.pkg", b"second").await;
    world.set_point("planted-secret");
    let root = world.root(1);
    let next = root.several(&[]).await;
    assert_eq!((next.job, next.more), (None, Vec::new()));
    assert!(world.copies.active().await.unwrap().unwrap().broken.is_some());
    for content in [first, second] {
        let row = world.row(content).await.unwrap();
        assert_eq!((row.tries, row.lease), (0, None), "{row:?}");
    }
    let asked = world.double.asked().len();
    assert_eq!(root.several(&[]).await.job, None);
    assert_eq!(world.double.asked().len(), asked, "nothing is asked for a while");
    world.set_point(S3_SECRET);
    world.copies.pause(point_id(), true);
    assert_eq!(root.several(&[]).await.job, None, "it is paused");
    world.copies.pause(point_id(), false);
    assert_eq!(root.several(&[]).await.more.len(), 1);
}

#[tokio::test]
async fn several_that_meet_a_busy_provider_wait_and_are_nobodys() {
    let world = World::new().await;
    let first = world.publish(1, "a.pkg", b"first").await;
    let second = world.publish(2, "b.pkg", b"second").await;
    world.double.misbehave(S3Fault::Busy);
    let next = world.root(1).several(&[]).await;
    assert_eq!((next.job, next.more), (None, Vec::new()));
    for content in [first, second] {
        let row = world.row(content).await.unwrap();
        let found = (row.state, row.tries, row.lease);
        assert_eq!(found, (CloudCopyState::Sending, 0, None));
    }
}
