//! What is made of answers to parts, and of what is told twice or too much.

use super::*;

#[tokio::test]
async fn parts_are_sent_again_after_a_wait_and_fewer_at_once() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let busy = |part| answered(part, 503, &[("retry-after", "90")], SLOW_DOWN);
    let told = vec![busy(LARGE_PARTS[0]), busy(LARGE_PARTS[1])];
    let told = root.parts(content, told, vec![LARGE_PARTS[2]]).await.unwrap();
    let again: Vec<_> = told.again.iter().map(|it| it.number).collect();
    assert_eq!((again, told.lacking, told.pieces.len()), (vec![1, 2], 3, 1));
    assert!(told.again.iter().all(|it| it.after_ms >= 90_000), "{:?}", told.again);
    assert_eq!(told.at_once, job.at_once / 2, "halved once for all of them");
    // The line, and what is there with another digest: the same part again, until that is too often.
    let other = [("etag", "\"00000000000000000000000000000000\"")];
    for _ in 0..2 {
        let told = answered(LARGE_PARTS[0], 200, &other, "");
        let told = root.parts(content, vec![told], Vec::new()).await.unwrap();
        assert_eq!(told.again, [PartAgain { number: 1, after_ms: 0 }]);
        let told = answered(LARGE_PARTS[0], 400, &[], BAD_DIGEST);
        root.parts(content, vec![told], Vec::new()).await.unwrap();
    }
    let told = answered(LARGE_PARTS[0], 200, &other, "");
    let refused = root.parts(content, vec![told], Vec::new()).await.unwrap_err();
    assert!(refused.1.contains("5 times"), "{refused:?}");
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.tries), (CloudCopyState::Failed, 1));
    assert_eq!(root.next().await.job, None);
    world.clock.advance(Duration::from_secs(3601));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn a_small_file_that_lies_there_with_other_bytes_is_removed_before_it_is_sent_again() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &parts).await;
    world.double.misbehave(S3Fault::StoresOther);
    let sent = root.send(&pieces, b"small", &parts).await;
    world.double.misbehave(S3Fault::None);
    assert!(world.double.bytes(&World::key(content)).is_some_and(|bytes| &*bytes != b"small"));
    let told = root.parts(content, sent, Vec::new()).await.unwrap();
    assert_eq!(told.again, [PartAgain { number: 1, after_ms: 0 }]);
    assert_eq!(world.double.bytes(&World::key(content)), None);
    root.fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn an_upload_that_vanished_is_begun_anew() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces[..1], &LARGE, &LARGE_PARTS).await;
    root.parts(content, sent, Vec::new()).await.unwrap();
    world.double.forget_uploads();
    let sent = root.send(&pieces[1..], &LARGE, &LARGE_PARTS).await;
    let refused = root.parts(content, sent, Vec::new()).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.reference, row.arrived), (CloudCopyState::Failed, None, 0));
    assert!(row.reason.unwrap().contains("NoSuchUpload"));
    world.clock.advance(Duration::from_secs(61));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_upload_that_vanished_before_its_end_is_begun_anew() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    root.fill(&LARGE, &LARGE_PARTS, 4).await;
    world.double.forget_uploads();
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("NoSuchUpload"), "{refused:?}");
    world.clock.advance(Duration::from_secs(61));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_end_that_may_be_under_way_is_waited_for_and_nothing_is_sent_anew_for_it() {
    let world = World::new().await;
    let (content, _) = world.unheard_end().await;
    let root = world.root(1);
    // As a provider answers a second end that is putting the parts together for the first one.
    world.double.forget_uploads();
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("putting the parts together"), "{refused:?}");
    let row = world.row(content).await.unwrap();
    assert_eq!((row.state, row.arrived), (CloudCopyState::Failed, LARGE.len() as u64));
    assert_eq!(root.next().await.job, None, "for as long as that may take");
    // It was lost all the same: then it is sent anew, soon.
    world.clock.advance(Duration::from_secs(361));
    assert_eq!(root.job().await.lacking.len(), 0);
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.1.contains("NoSuchUpload"), "{refused:?}");
    world.clock.advance(Duration::from_secs(61));
    root.fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &parts).await;
    // It arrived, and nobody heard. The same again is answered that something is there.
    root.send(&pieces, b"small", &parts).await;
    let sent = root.send(&pieces, b"small", &parts).await;
    assert_eq!(sent[0].answer.status, 412);
    assert_eq!(root.parts(content, sent, Vec::new()).await.unwrap().lacking, 0);
    root.finish(content).await.unwrap();
    root.finish(content).await.expect("asking again gives the same");
    root.sampled(content, SampleFound::Same).await.unwrap();
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn parts_that_are_told_again_are_counted_once() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces, &LARGE, &LARGE_PARTS).await;
    // Two of them are noted, and the answer to that is lost.
    root.parts(content, sent[..2].to_vec(), Vec::new()).await.unwrap();
    let (_, before) = world.copies.usage(point_id()).await.unwrap()[0];
    let told = root.parts(content, sent, Vec::new()).await.unwrap();
    assert_eq!((told.lacking, told.again), (0, Vec::new()));
    let (_, used) = world.copies.usage(point_id()).await.unwrap()[0];
    assert_eq!((used.sent, used.writes), (LARGE.len() as u64, before.writes + 1));
    root.finish(content).await.unwrap();
    root.sampled(content, SampleFound::Same).await.unwrap();
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn what_is_told_beyond_all_measure_is_refused() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    let root = world.root(1);
    root.job().await;
    let refused = root.parts(content, Vec::new(), digests(b"small").repeat(65)).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::BAD_REQUEST);
    let beyond = PartDigests { number: 2, ..digests(b"small")[0] };
    let refused = root.parts(content, Vec::new(), vec![beyond]).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::BAD_REQUEST);
    let told = CloudContent { point: CloudPointId::from_parts(1, &[1; 10]), content };
    let refused = world.call::<CloudProof>(1, "/v1/control/cloud/finish", &told).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT, "another point");
}
