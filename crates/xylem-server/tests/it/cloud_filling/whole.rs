//! Contents that get there, whatever is killed on the way.

use super::*;

#[tokio::test]
async fn a_file_of_three_parts_gets_there() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    let root = world.root(1);
    let job = root.job().await;
    assert_eq!((job.content, job.size, job.point), (content, LARGE.len() as u64, point_id()));
    assert_eq!(job.part_bytes.unwrap().get(), PART as u64);
    assert_eq!((job.lacking[0].first, job.lacking[0].last, job.lacking.len()), (1, 3, 1));
    assert!(job.at_once >= 1 && job.ca_pem.is_some());
    assert_eq!(world.double.uploads(), [World::key(content)]);
    let pieces = root.signed(&job, &LARGE_PARTS).await;
    let sent = root.send(&pieces[..2], &LARGE, &LARGE_PARTS).await;
    let told = root.parts(content, sent, Vec::new()).await.unwrap();
    assert_eq!((told.lacking, told.pieces), (1, Vec::new()));
    let refused = root.finish(content).await.unwrap_err();
    assert!(refused.0 == StatusCode::CONFLICT && refused.1.contains("2 arrived"), "{refused:?}");
    let sent = root.send(&pieces[2..], &LARGE, &LARGE_PARTS).await;
    assert_eq!(root.parts(content, sent, Vec::new()).await.unwrap().lacking, 0);
    let proof = root.finish(content).await.unwrap();
    root.look(&proof, &LARGE).await;
    assert_eq!(world.state(content).await, CloudCopyState::Proving);
    root.sampled(content, SampleFound::Same).await.unwrap();
    root.sampled(content, SampleFound::Same).await.expect("it is only said again");
    world.is_there(content, &LARGE).await;
    assert_eq!(root.next().await.job, None);
    let (_, used) = world.copies.usage(point_id()).await.unwrap()[0];
    assert_eq!((used.sent, used.read_back), (LARGE.len() as u64, 32 * 1024));
    assert!(used.writes >= 5 && used.reads >= 2 && used.lists >= 2, "{used:?}");
}

#[tokio::test]
async fn small_files_and_empty_ones_go_as_a_whole() {
    let world = World::new().await;
    for (n, bytes) in [(1, b"small".as_slice()), (2, b"".as_slice())] {
        let content = world.publish(n, &format!("{n}.pkg"), bytes).await;
        let job = world.root(1).job().await;
        assert_eq!((job.content, job.part_bytes), (content, None));
        let parts = digests(bytes);
        let pieces = world.root(1).signed(&job, &parts).await;
        let sent = world.root(1).send(&pieces, bytes, &parts).await;
        world.root(1).parts(content, sent, Vec::new()).await.unwrap();
        world.root(1).finish(content).await.unwrap();
        world.root(1).sampled(content, SampleFound::Same).await.unwrap();
        world.is_there(content, bytes).await;
    }
}

#[tokio::test]
async fn whoever_is_killed_between_any_two_steps_another_one_goes_on() {
    for steps in 0..ALL {
        let mut world = World::new().await;
        let content = world.publish(1, "Large.pkg", &LARGE).await;
        world.root(1).fill(&LARGE, &LARGE_PARTS, steps).await;
        let before = world.double.asked().iter().filter(|it| it.starts_with("PUT")).count();
        world.restart();
        world.hand_over(&LARGE).await;
        world.clock.advance(Duration::from_secs(121));
        world.root(2).fill(&LARGE, &LARGE_PARTS, ALL).await;
        world.is_there(content, &LARGE).await;
        let all = world.double.asked().iter().filter(|it| it.starts_with("PUT")).count();
        let again = if steps >= 4 { 0 } else { 3 };
        assert_eq!(all - before, again, "after {steps} steps");
        let refused = world.root(1).finish(content).await.unwrap_err();
        assert_eq!(refused.0, StatusCode::FORBIDDEN, "it is the root no longer");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_write_once_is_done_without() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "Large.pkg", &LARGE).await, &*LARGE_PARTS);
    world.double.misbehave(S3Fault::NoConditions);
    world.root(1).fill(&LARGE, parts, ALL).await;
    world.is_there(content, &LARGE).await;
}
