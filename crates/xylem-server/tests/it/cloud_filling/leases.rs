//! Whose a content is: the root's alone, for a while, and until it gives it up.

use super::*;

#[tokio::test]
async fn nobody_but_the_root_is_answered() {
    let world = World::new().await;
    world.publish(1, "a.pkg", b"a").await;
    let asked = AskCloudNext::default();
    let path = "/v1/control/cloud/next";
    let refused = world.call::<CloudNext>(2, path, &asked).await.unwrap_err();
    assert!(refused.0 == StatusCode::FORBIDDEN && refused.1.contains("root"), "{refused:?}");
    world.wishes.change_settings(id(1), |settings| settings.maintenance = true);
    let refused = world.call::<CloudNext>(1, path, &asked).await.unwrap_err();
    assert!(refused.0 == StatusCode::FORBIDDEN && refused.1.contains("maintenance"), "{refused:?}");
}

#[tokio::test]
async fn a_root_that_goes_into_maintenance_can_give_up_what_it_has() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"a").await;
    world.root(1).job().await;
    world.wishes.change_settings(id(1), |settings| settings.maintenance = true);
    world.root(1).give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(b"a").await;
    assert_eq!(world.root(2).job().await.content, content, "at once");
}

#[tokio::test]
async fn what_a_server_has_is_not_another_ones() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"a").await;
    world.root(1).job().await;
    world.hand_over(b"a").await;
    assert_eq!(world.root(2).next().await.job, None, "its time has not come");
    let refused = world.root(2).parts(content, Vec::new(), digests(b"a")).await.unwrap_err();
    assert_eq!(refused.0, StatusCode::CONFLICT);
    world.clock.advance(Duration::from_secs(121));
    assert_eq!(world.root(2).job().await.content, content);
}

#[tokio::test]
async fn what_a_root_gives_up_goes_on_later_or_at_once() {
    let world = World::new().await;
    let (content, parts) = (world.publish(1, "a.pkg", b"small").await, digests(b"small"));
    let root = world.root(1);
    root.job().await;
    let why = "GET https://s3.example.org/k?X-Amz-Signature=planted broke".to_owned();
    root.give_up(content, GivenUp::Line { why }).await.unwrap();
    let row = world.row(content).await.unwrap();
    assert_eq!(row.state, CloudCopyState::Failed);
    assert!(!row.reason.unwrap().contains("planted"));
    assert_eq!(root.next().await.job, None);
    world.clock.advance(Duration::from_secs(301));
    root.job().await;
    root.give_up(content, GivenUp::NoCopy).await.unwrap();
    world.clock.advance(Duration::from_secs(301));
    root.job().await;
    root.give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(b"small").await;
    world.root(2).fill(b"small", &parts, ALL).await;
    world.is_there(content, b"small").await;
}

#[tokio::test]
async fn what_may_be_ending_is_left_to_nobody_before_its_time_is_over() {
    let world = World::new().await;
    let (content, _) = world.unheard_end().await;
    world.root(1).give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(&LARGE).await;
    assert_eq!(world.root(2).next().await.job, None, "the provider may be at it");
    world.clock.advance(Duration::from_secs(361));
    world.root(2).fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn what_was_ended_is_left_to_the_next_one_at_once() {
    let world = World::new().await;
    let content = world.publish(1, "Large.pkg", &LARGE).await;
    world.root(1).fill(&LARGE, &LARGE_PARTS, 5).await;
    assert_eq!(world.state(content).await, CloudCopyState::Proving);
    world.root(1).give_up(content, GivenUp::Leaving).await.unwrap();
    world.hand_over(&LARGE).await;
    world.root(2).fill(&LARGE, &LARGE_PARTS, ALL).await;
    world.is_there(content, &LARGE).await;
}

#[tokio::test]
async fn whoever_leaves_what_is_anothers_costs_that_one_nothing() {
    let world = World::new().await;
    let content = world.publish(1, "a.pkg", b"small").await;
    let root = world.root(1);
    root.fill(b"small", &digests(b"small"), 5).await;
    let asked = || world.double.asked().iter().filter(|it| it.starts_with("HEAD")).count();
    let before = asked();
    world.root(2).give_up(content, GivenUp::Leaving).await.unwrap();
    root.sampled(content, SampleFound::Same).await.unwrap();
    assert_eq!(asked(), before, "what was asked after is remembered");
    world.is_there(content, b"small").await;
}

/// What was given, in order.
fn given(next: &CloudNext) -> Vec<ContentId> {
    next.job.iter().chain(&next.more).map(|job| job.content).collect()
}

#[tokio::test]
async fn small_ones_are_given_together_as_many_as_may_be_under_way() {
    let world = World::new().await;
    let bytes: Vec<Vec<u8>> = (1..=6_u8).map(|n| vec![n; usize::from(n)]).collect();
    let mut contents = Vec::new();
    for (n, bytes) in (1..).zip(&bytes) {
        contents.push(world.publish(n, &format!("{n}.pkg"), bytes).await);
    }
    let root = world.root(1);
    let first = root.several(&[]).await;
    assert_eq!((given(&first), first.again_after_ms), (contents[..4].to_vec(), 0));
    assert_eq!(world.state(contents[4]).await, CloudCopyState::Wanted);
    assert_eq!(given(&root.several(&contents[..4]).await), contents[4..]);
    assert!(given(&root.several(&contents).await).is_empty(), "all are under way");
    // The answers were lost, or the root was killed: it is told the same again.
    assert_eq!(given(&root.several(&[]).await), contents[..4]);
    assert_eq!(given(&root.next().await), contents[..1], "one where no more are asked for");
    for (content, bytes) in contents.iter().zip(&bytes) {
        root.fill(bytes, &digests(bytes), ALL).await;
        world.is_there(*content, bytes).await;
    }
}

#[tokio::test]
async fn what_cannot_be_begun_keeps_nothing_back_that_can() {
    let world = World::new().await;
    let first = world.publish(1, "a.pkg", b"a").await;
    let second = world.publish(2, "b.pkg", b"bb").await;
    // Another thing lies there, and what is below the prefix is another catalogue's: so it stays.
    world.double.place(&World::key(first), b"another".to_vec());
    world.double.place(MARKER, Marker::of("another catalogue").to_json());
    let root = world.root(1);
    assert_eq!(given(&root.several(&[]).await), [second]);
    let row = world.row(first).await.unwrap();
    assert_eq!((row.state, row.lease), (CloudCopyState::Failed, None), "{row:?}");
    assert_eq!(world.state(second).await, CloudCopyState::Sending);
}
