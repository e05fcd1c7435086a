//! What is deleted on the way, by whom, and what may still arrive.

use super::*;

/// For how long a deletion that got no answer may arrive.
const MAY_ARRIVE: Duration = Duration::from_secs(15 * 60);

#[tokio::test]
async fn below_another_catalogues_marker_or_none_nothing_wrong_is_removed() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"right").await;
    let (root, key) = (world.root(1), World::key(content));
    world.double.place(&key, b"others".as_slice());
    let others = Marker::of("another catalogue").to_json();
    for marker in [Some(others), Some(b"{}".to_vec()), None] {
        match marker {
            Some(bytes) => world.double.place(MARKER, bytes),
            None => world.double.take_away(MARKER),
        }
        assert_eq!(root.next().await.job, None);
        let row = world.row(content).await.unwrap();
        assert!(row.reason.unwrap().contains(MARKER));
        assert_eq!(world.double.bytes(&key).unwrap(), b"others".as_slice());
        world.clock.advance(Duration::from_secs(3601));
    }
    world.double.place(MARKER, marker().to_json());
    root.fill(b"right", &digests(b"right"), ALL).await;
    world.is_there(content, b"right").await;
}

#[tokio::test]
async fn nothing_is_written_where_a_deletion_may_still_arrive() {
    let mut world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    world.root(1).job().await;
    // Killed in the middle of a deletion.
    let until = world.now().plus(MAY_ARRIVE);
    let deletion = world.copies.deleting(point_id(), content, Some(id(1)), until).await.unwrap();
    assert!(deletion.is_some());
    world.restart();
    let root = world.root(1);
    root.parts(content, Vec::new(), Vec::new()).await.unwrap();
    let refused = root.parts(content, Vec::new(), parts.clone()).await.unwrap_err();
    assert!(refused.0 == StatusCode::CONFLICT && refused.1.contains("still arrive"), "{refused:?}");
    // Not even where a change of the keys has everything tried at once.
    world.set_point(S3_SECRET);
    assert_eq!(root.next().await.job, None);
    world.clock.advance(MAY_ARRIVE);
    root.fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn an_upload_does_not_end_where_a_deletion_may_still_arrive() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 4).await;
    let until = world.now().plus(MAY_ARRIVE);
    let deletion = world.copies.deleting(point_id(), content, Some(id(1)), until).await.unwrap();
    assert!(deletion.is_some());
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("still arrive"), "{refused:?}");
    assert!(world.double.bytes(&World::key(content)).is_none());
    world.clock.advance(MAY_ARRIVE);
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_answered_deletion_hinders_nobody() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"right").await;
    world.double.place(&World::key(content), b"wrong".as_slice());
    let job = world.root(1).job().await;
    assert_eq!(world.row(job.content).await.unwrap().not_before, None);
    assert!(world.double.bytes(&World::key(content)).is_none());
}

#[tokio::test]
async fn a_paused_point_deletes_and_aborts_nothing() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let (root, key) = (world.root(1), World::key(content));
    root.fill(b"small", &parts, 4).await;
    world.double.place(&key, b"other".as_slice());
    world.copies.pause(point_id(), true);
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("paused"), "{refused:?}");
    assert_eq!(world.double.bytes(&key).unwrap(), b"other".as_slice());

    world.copies.pause(point_id(), false);
    let large = world.publish(2, "Large.pkg", &LARGE).await;
    assert_eq!(root.job().await.content, large);
    world.copies.pause(point_id(), true);
    world.wishes.delete_file(&FileName::new("Large.pkg").unwrap());
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(root.next().await.job, None);
    let refused = root.parts(large, Vec::new(), LARGE_PARTS.clone()).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    assert_eq!(world.state(large).await, CloudCopyState::Removing, "the wish is followed");
    assert_eq!(world.double.uploads().len(), 1, "what it asks for waits");
}
