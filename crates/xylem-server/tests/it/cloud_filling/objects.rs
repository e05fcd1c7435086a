//! What lies at the provider: wrong, gone, wanted no longer.

use super::*;

#[tokio::test]
async fn what_lies_there_already_is_removed_before() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"right").await;
    let key = World::key(content);
    world.double.place(&key, b"wrong".as_slice());
    world.double.begin_upload(&key);
    world.double.begin_upload(&format!("{key}0"));
    world.root(1).fill(b"right", &digests(b"right"), ALL).await;
    assert_eq!(world.state(content).await, CloudCopyState::Present);
    assert_eq!(world.double.bytes(&key).unwrap(), b"right".as_slice());
    assert_eq!(world.double.uploads(), [format!("{key}0")], "that is somebody else's");
}

#[tokio::test]
async fn nothing_is_removed_while_a_restore_is_unconfirmed() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"right").await;
    let key = World::key(content);
    world.double.place(&key, b"wrong".as_slice());
    world.wishes.begin_epoch(Epoch(9), START).await.unwrap();
    assert_eq!(world.root(1).next().await.job, None);
    let row = world.row(content).await.unwrap();
    assert!(row.reason.unwrap().contains("restore"));
    assert_eq!(world.double.bytes(&key).unwrap(), b"wrong".as_slice());
    world.wishes.confirm_restore();
    world.clock.advance(Duration::from_secs(15 * 60 + 1));
    world.root(1).fill(b"right", &digests(b"right"), ALL).await;
    world.is_there(content, b"right").await;
}

#[tokio::test]
async fn an_object_that_is_gone_or_another_at_the_end_is_sent_anew() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let (root, key) = (world.root(1), World::key(content));
    root.fill(b"small", &parts, 4).await;
    world.double.place(&key, b"other".as_slice());
    let refused = root.finish(content).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    assert!(world.double.bytes(&key).is_none(), "it was removed");
    world.clock.advance(Duration::from_secs(61));
    root.fill(b"small", &parts, 4).await;
    world.double.take_away(&key);
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("nothing is there"), "{refused:?}");
    world.clock.advance(Duration::from_secs(3601));
    root.fill(b"small", &parts, 5).await;
    world.double.place(&key, b"other".as_slice());
    root.sampled(content, SampleFound::Other).await.unwrap();
    assert!(world.double.bytes(&key).is_none(), "it was removed");
    world.clock.advance(Duration::from_secs(3601));
    root.fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn an_object_that_is_right_and_read_otherwise_stays() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 5).await;
    let sent = || world.double.asked().iter().filter(|it| it.starts_with("PUT")).count();
    let before = sent();
    root.sampled(content, SampleFound::Other).await.unwrap();
    assert!(world.double.bytes(&World::key(content)).is_some(), "it is right");
    let row = world.row(content).await.unwrap();
    assert_eq!(row.state, CloudCopyState::Failed);
    assert!(row.reason.unwrap().contains("delivers"));
    assert_eq!(root.next().await.job, None, "it waits");
    world.clock.advance(Duration::from_secs(3601));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
    assert_eq!(sent(), before, "nothing was sent anew");
}

#[tokio::test]
async fn what_is_wanted_no_longer_is_given_up_in_the_middle() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces[..1], &LARGE, &LARGE_PARTS).await;
    root.parts(content, sent, Vec::new()).await.unwrap();
    world.wishes.delete_file(&FileName::new("Large.pkg").unwrap());
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(root.next().await.job, None);
    assert_eq!(world.double.uploads(), Vec::<String>::new());
    assert_eq!(world.state(content).await, CloudCopyState::Removing);
    let sent = root.send(&pieces[1..], &LARGE, &LARGE_PARTS).await;
    assert_eq!(sent[0].answer.status, 404);
    let refused = root.parts(content, sent, Vec::new()).await.unwrap_err();
    assert!(refused.0 == StatusCode::CONFLICT && refused.1.contains("wanted no longer"));
}

#[tokio::test]
async fn nothing_is_unwanted_while_a_restore_is_unconfirmed() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    world.root(1).fill(b"small", &digests(b"small"), ALL).await;
    world.wishes.delete_file(&FileName::new("a.pkg").unwrap());
    world.wishes.begin_epoch(Epoch(9), START).await.unwrap();
    world.root(1).next().await;
    assert_eq!(world.row(content).await.unwrap().unwanted, None);
    world.wishes.confirm_restore();
    world.clock.advance(Duration::from_secs(601));
    world.root(1).next().await;
    assert!(world.row(content).await.unwrap().unwanted.is_some());
}
