//! Rounds at a point that is being left.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use async_trait::async_trait;
use xylem_db::{CloudForgotten, CloudObjects};

use super::*;
use crate::cloud::leave::{Lacking, Step, lacking, leave};
use crate::cloud::trouble::DELETION_MAY_ARRIVE;

const FOREIGN: [&str; 2] = ["elsewhere/theirs", "macs/content/read me.txt"];
/// Longer than an address lives, and than what was signed may arrive.
const OVER: Duration = Duration::from_secs(901);

/// What is told of the former point and the active one.
struct Told(Apart);

#[async_trait]
impl Separation for Told {
    async fn apart(&self, _former: &OpenPoint) -> Apart {
        self.0.clone()
    }
}

impl World {
    /// What is there, sent, left by crashes and of others.
    async fn mixed() -> Self {
        let world = Self::new().await;
        world.fill(b"one").await;
        world.fill(b"two").await;
        let sending = world.send(b"sending", Some("an upload")).await;
        world.double.begin_upload(&name_of(&sending.content));
        world.double.begin_upload(&name_of(&ContentId::of(b"a crash left it")));
        world.double.place(&name_of(&ContentId::of(b"in no row")), "in no row");
        world.double.place(PROBE, "probe");
        for name in FOREIGN {
            world.double.place(name, "theirs");
        }
        world
    }

    fn remove(&self, objects: CloudObjects) {
        self.store.remove(self.point.id, objects, self.now());
    }

    /// A round as another process does it: on nothing but what is stored.
    async fn leave(&self, may_remove: bool) -> Result<Step, RoundError> {
        self.leave_told(may_remove, Some(&Told(Apart::Yes))).await
    }

    /// The same where something else is told of the two places.
    async fn leave_told(&self, may_remove: bool, told: Option<&Told>) -> Result<Step, RoundError> {
        let point = self.store.leaving().await.unwrap().unwrap();
        self.leave_as(&point, may_remove, told).await
    }

    /// The same by a round that read the point when it was so.
    async fn leave_as(
        &self,
        point: &OpenPoint,
        may_remove: bool,
        told: Option<&Told>,
    ) -> Result<Step, RoundError> {
        let (provider, memory) = (self.provider(), Memory::default());
        let separation = told.map(|told| told as &dyn Separation);
        let round =
            Round { point, memory: &memory, may_remove, separation, ..self.round(&*provider) };
        leave(&round).await
    }

    async fn waits(&self, why: &str) {
        match self.leave(true).await.unwrap() {
            Step::Waits(told) => assert!(told.contains(why), "{told}"),
            Step::Ended(stays) => panic!("it ended: {stays:?}"),
        }
    }

    async fn is_forgotten(&self) -> bool {
        self.store.leaving().await.unwrap().is_none()
    }
}

/// Has a future go on so many times, and drops it then, as a process that is killed.
async fn killed_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn what_is_kept_stays_and_what_was_under_way_is_aborted() {
    let world = World::mixed().await;
    world.remove(CloudObjects::Kept);
    world.waits("addresses that computers have").await;
    let left = name_of(&ContentId::of(b"a crash left it"));
    assert_eq!(world.double.uploads().len(), 1, "that of the row is aborted at once");
    world.pass(OVER);
    let ended = world.leave(true).await.unwrap();
    assert_eq!(ended, Step::Ended(CloudForgotten { objects: 2, bytes: 6, uploads: 0 }));
    assert!(world.is_forgotten().await);
    assert_eq!(world.double.uploads(), Vec::<String>::new(), "{left}");
    for kept in [&b"one"[..], b"two", b"in no row"] {
        assert!(world.is_there(ContentId::of(kept)));
    }
    assert!(world.double.bytes(MARKER).is_some() && world.double.bytes(PROBE).is_none());
}

#[tokio::test]
async fn everything_of_ours_goes_when_no_address_is_good_any_more() {
    let world = World::mixed().await;
    world.remove(CloudObjects::Deleted);
    world.waits("addresses that computers have").await;
    for content in [&b"one"[..], b"two"] {
        let content = ContentId::of(content);
        assert!(world.is_there(content), "computers may be reading it");
        assert_eq!(world.row(content).await.unwrap().unwanted, Some(world.now()));
    }
    world.pass(OVER);
    assert_eq!(world.leave(true).await.unwrap(), Step::Ended(CloudForgotten::default()));
    assert_eq!(world.double.names(), FOREIGN);
    assert!(world.double.uploads().is_empty() && world.is_forgotten().await);
}

#[tokio::test]
async fn killed_anywhere_it_goes_on_and_takes_nothing_of_others() {
    let mut killed = 0;
    for polls in 1..1_000 {
        let world = World::mixed().await;
        world.remove(CloudObjects::Deleted);
        world.pass(OVER);
        let first = Box::pin(killed_after(polls, world.leave(true))).await;
        let mut rounds = 0;
        while !world.is_forgotten().await {
            rounds += 1;
            assert!(rounds < 5, "after {polls} polls: {:?}", world.leave(true).await);
            // What a killed process asked for may arrive for a while.
            world.pass(DELETION_MAY_ARRIVE);
            let _went_on = world.leave(true).await;
        }
        assert_eq!(world.double.names(), FOREIGN, "after {polls} polls");
        assert!(world.double.uploads().is_empty(), "after {polls} polls");
        match first {
            Some(ended) => {
                assert!(matches!(ended.unwrap(), Step::Ended(_)));
                assert!(killed > 5, "it was killed {killed} times");
                return;
            }
            None => killed += 1,
        }
    }
    panic!("it never came to its end");
}

#[tokio::test]
async fn nothing_goes_before_a_restore_is_confirmed() {
    let world = World::mixed().await;
    world.remove(CloudObjects::Deleted);
    world.pass(OVER);
    let (names, uploads) = (world.double.names(), world.double.uploads());
    for _ in 0..2 {
        let Step::Waits(told) = world.leave(false).await.unwrap() else { panic!("it ended") };
        assert!(told.contains("confirm-restore"), "{told}");
        assert_eq!(
            (world.double.names(), world.double.uploads()),
            (names.clone(), uploads.clone())
        );
    }
    assert!(matches!(world.leave(true).await.unwrap(), Step::Ended(_)));
}

#[tokio::test]
async fn nothing_goes_where_the_prefix_is_anothers_or_nobodys() {
    for other in [Some(Marker::of("another")), None] {
        let world = World::mixed().await;
        match other {
            Some(other) => world.double.place(MARKER, other.to_json()),
            None => world.double.take_away(MARKER),
        }
        world.remove(CloudObjects::Deleted);
        world.pass(OVER);
        let before = world.double.names();
        let told = world.leave(true).await.unwrap_err();
        assert!(matches!(told, RoundError::NotOurs { .. }), "{told}");
        assert_eq!(world.double.names(), before);
        assert!(!world.is_forgotten().await);
    }
}

#[tokio::test]
async fn what_is_said_later_counts_and_a_provider_that_fails_is_asked_again() {
    let world = World::mixed().await;
    world.remove(CloudObjects::Deleted);
    world.remove(CloudObjects::Kept);
    world.pass(OVER);
    world.double.misbehave(S3Fault::Busy);
    assert!(world.leave(true).await.is_err());
    assert!(!world.is_forgotten().await);
    world.double.misbehave(S3Fault::None);
    assert!(matches!(world.leave(true).await.unwrap(), Step::Ended(_)));
    assert!(world.is_there(ContentId::of(b"one")));
}

#[tokio::test]
async fn until_nobody_is_sent_there_it_only_gives_up_what_was_under_way() {
    let world = World::mixed().await;
    let next = CloudPointId::from_parts(8, &[8; 10]);
    world.store.set(OpenPoint { id: next, ..world.point.clone() }, world.now());
    world.pass(LONG);
    world.waits("what the new one lacks").await;
    assert!(world.is_there(ContentId::of(b"one")));
    assert_eq!(world.state(ContentId::of(b"sending")).await, None);
    assert_eq!(world.double.uploads().len(), 1);
    assert!(world.store.left(world.point.id, world.now()).await.unwrap());
    world.waits("nobody said").await;

    assert_eq!(lacking(&world.store, next).await.unwrap(), Lacking::default());
    world.want(b"new").await;
    let expected = Lacking { contents: 1, bytes: 3, failed: 0 };
    assert_eq!(lacking(&world.store, next).await.unwrap(), expected);
}

#[tokio::test]
async fn nothing_goes_where_the_active_point_may_be_in_the_same_place() {
    let cases = [
        (Some(Told(Apart::No)), "same place"),
        (Some(Told(Apart::Unknown("no answer".to_owned()))), "no answer"),
        (None, "cannot be seen"),
    ];
    for (told, expected) in cases {
        for objects in [Some(CloudObjects::Deleted), Some(CloudObjects::Kept), None] {
            let world = World::mixed().await;
            let next = CloudPointId::from_parts(8, &[8; 10]);
            world.store.set(OpenPoint { id: next, ..world.point.clone() }, world.now());
            assert!(world.store.left(world.point.id, world.now()).await.unwrap());
            if let Some(objects) = objects {
                world.remove(objects);
            }
            world.pass(OVER);
            let before = (world.double.names(), world.double.uploads());
            let error = world.leave_told(true, told.as_ref()).await.unwrap_err();
            assert!(matches!(error, RoundError::NotApart(_)), "{objects:?}: {error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!((world.double.names(), world.double.uploads()), before, "{objects:?}");
            let row = world.row(ContentId::of(b"one")).await.unwrap();
            assert_eq!((row.state, row.unwanted), (State::Present, None), "{objects:?}");
            assert!(!world.is_forgotten().await);
        }
    }
}

#[tokio::test]
async fn a_point_in_the_same_place_is_forgotten_where_its_objects_are_kept() {
    let world = World::new().await;
    let one = world.fill(b"one").await;
    world.double.begin_upload(&name_of(&ContentId::of(b"the active one sends it")));
    world.double.place(PROBE, "probe");
    world.remove(CloudObjects::Kept);
    world.pass(OVER);
    let ended = world.leave_told(true, Some(&Told(Apart::No))).await.unwrap();
    assert_eq!(ended, Step::Ended(CloudForgotten { objects: 1, bytes: 3, uploads: 0 }));
    assert_eq!(world.double.uploads().len(), 1);
    assert!(world.is_there(one) && world.double.bytes(PROBE).is_some());
}

#[tokio::test]
async fn what_was_to_be_deleted_is_kept_where_that_is_said_before_its_time() {
    let world = World::mixed().await;
    world.remove(CloudObjects::Deleted);
    world.waits("addresses that computers have").await;
    let one = ContentId::of(b"one");
    assert!(world.row(one).await.unwrap().unwanted.is_some());
    let before = world.store.leaving().await.unwrap().unwrap();
    world.remove(CloudObjects::Kept);
    world.pass(OVER);
    // A round that was begun between the two words knows the first one alone.
    let late = world.leave_as(&before, true, Some(&Told(Apart::Yes))).await;
    assert!(matches!(late, Err(RoundError::Changed)), "{late:?}");
    let row = world.row(one).await.unwrap();
    assert_eq!((row.state, row.unwanted), (State::Present, None));
    let ended = world.leave(true).await.unwrap();
    assert_eq!(ended, Step::Ended(CloudForgotten { objects: 2, bytes: 6, uploads: 0 }));
    assert!(world.is_there(ContentId::of(b"one")) && world.is_there(ContentId::of(b"two")));
}

#[tokio::test]
async fn it_does_not_end_before_what_was_signed_can_arrive_no_more() {
    for objects in [CloudObjects::Deleted, CloudObjects::Kept] {
        let world = World::new().await;
        let one = world.fill(b"one").await;
        world.remove(objects);
        world.pass(DELETION_MAY_ARRIVE);
        world.waits("was being sent there").await;
        assert_eq!(world.is_there(one), objects == CloudObjects::Kept, "no address is good");
        let late = name_of(&ContentId::of(b"late"));
        world.double.place(&late, "late");
        world.pass(Duration::from_secs(1));
        if objects == CloudObjects::Deleted {
            world.waits("no row knows of").await;
            world.pass(OVER);
        }
        assert!(matches!(world.leave(true).await.unwrap(), Step::Ended(_)));
        assert_eq!(world.double.bytes(&late).is_some(), objects == CloudObjects::Kept);
    }
}

#[tokio::test]
async fn where_nothing_says_that_it_is_ours_it_ends_and_nothing_is_swept() {
    for objects in [CloudObjects::Deleted, CloudObjects::Kept] {
        let world = World::new().await;
        let is_kept = objects == CloudObjects::Kept;
        if is_kept {
            world.fill(b"one").await;
        }
        world.double.begin_upload(&name_of(&ContentId::of(b"somebody sends it")));
        world.double.place(PROBE, "probe");
        world.double.take_away(MARKER);
        world.remove(objects);
        world.pass(OVER);
        let (names, uploads) = (world.double.names(), world.double.uploads());
        let ended = world.leave(true).await.unwrap();
        let (kept, bytes) = if is_kept { (1, 3) } else { (0, 0) };
        assert_eq!(ended, Step::Ended(CloudForgotten { objects: kept, bytes, uploads: 0 }));
        assert!(world.is_forgotten().await);
        assert_eq!((world.double.names(), world.double.uploads()), (names, uploads));
    }
}
