//! From one cloud distribution point to another, and the end of one, with two providers.

use std::time::Duration;

use serde_json::json;
use xylem_api::cloud::{
    ChangeCloud, CloudLeaving, CloudObjects, CloudState, CloudStays, RemoveCloud, SetCloud,
};
use xylem_api::error::ErrorCode;
use xylem_db::{Actor, CloudPointChange};
use xylem_model::CloudPointId;
use xylem_testkit::{CutProxy, S3Double, S3Fault};

use crate::cloud::{forgetting, set};
use crate::cloud_offering::{BYTES, World, object_name};
use crate::harness::{START, refusal};

const FOREIGN: &str = "macs/content/read me.txt";
const MARKER: &str = "macs/xylem.json";
/// Longer than an address lives, and than what was signed may arrive.
const LONG: Duration = Duration::from_secs(901);

/// The former point of the one that has the package, and another one set in its place.
struct Change {
    world: World,
    second: S3Double,
    point: CloudPointId,
}

impl Change {
    async fn new() -> Self {
        let world = World::filled(None).await;
        world.double.place(FOREIGN, "theirs");
        let second = S3Double::start(&world.harness.environment).await;
        let replacing = SetCloud { replace: true, ..set(&second) };
        let point = world.harness.admin().set_cloud(&replacing).await.unwrap().id;
        Self { world, second, point }
    }

    /// The same where the new one is reached by a name that can be led elsewhere.
    async fn by_a_name() -> (Self, CutProxy) {
        let world = World::filled(None).await;
        let second = S3Double::start(&world.harness.environment).await;
        let name = CutProxy::to(address(&second)).await;
        let mut replacing = SetCloud { replace: true, ..set(&second) };
        replacing.storage["endpoint"] = json!(name.url());
        replacing.ca_pem = Some(format!("{}\n{}", second.ca_pem(), world.double.ca_pem()));
        let point = world.harness.admin().set_cloud(&replacing).await.unwrap().id;
        (Self { world, second, point }, name)
    }

    async fn fill(&self) {
        self.world.fill_at(self.point, &self.second).await;
    }

    async fn state(&self) -> CloudState {
        self.world.harness.admin().cloud().await.unwrap()
    }

    async fn leaving(&self) -> CloudLeaving {
        self.state().await.leaving.unwrap()
    }

    /// Says what becomes of the former one, which has the job look again too.
    async fn remove(&self, delete_objects: bool) {
        let asked = RemoveCloud { former: true, delete_objects, forget: false };
        self.world.harness.admin().remove_cloud(asked).await.unwrap();
    }

    async fn until_it_holds(&self, why: &str) -> CloudState {
        self.until(|state| {
            let holds = state.leaving.as_ref().and_then(|leaving| leaving.holds.as_deref());
            holds.is_some_and(|told| told.contains(why))
        })
        .await
    }

    async fn until(&self, is_so: impl Fn(&CloudState) -> bool) -> CloudState {
        let looking = async {
            loop {
                let state = self.state().await;
                if is_so(&state) {
                    return state;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), looking).await.unwrap()
    }

    async fn restart(self) -> Self {
        Self { world: self.world.restart().await, ..self }
    }

    async fn offered_by(&self) -> Option<&'static str> {
        let url = self.world.sources().await.cloud?.url;
        let by = |double: &S3Double| url.starts_with(&double.endpoint());
        match (by(&self.world.double), by(&self.second)) {
            (true, false) => Some("former"),
            (false, true) => Some("new"),
            other => panic!("{other:?}: {url}"),
        }
    }
}

/// Host and port.
fn address(double: &S3Double) -> String {
    double.endpoint().trim_start_matches("https://").to_owned()
}

#[tokio::test]
async fn computers_get_from_the_former_what_the_new_one_lacks_until_it_lacks_nothing() {
    let change = Change::new().await;
    assert_eq!(change.offered_by().await, Some("former"));
    let leaving = change.leaving().await;
    assert_eq!((leaving.left_at, leaving.objects), (None, None));
    let before = change.world.offered().await.unwrap();
    change.fill().await;
    assert_eq!(change.offered_by().await, Some("new"));
    let change = change.restart().await;
    let state = change.until(|state| state.leaving.as_ref().is_some_and(|it| it.left_at.is_some()));
    let leaving = state.await.leaving.unwrap();
    assert_eq!((leaving.objects, leaving.lacking), (None, 0));
    assert_eq!(change.world.fetch(&before).await.unwrap(), BYTES, "who has an address goes on");

    // What the new one loses comes from servers: the former is left.
    let db = &change.world.harness.database;
    let work = change.world.work_at(change.point);
    assert!(db.note_cloud_lost(change.point, work.content, "gone", START).await.unwrap());
    assert_eq!(change.offered_by().await, None);
    // Nobody said what becomes of its objects, so it waits for that.
    change.world.harness.clock.advance(LONG);
    let change = change.restart().await;
    let state = change.until(|state| {
        state
            .leaving
            .as_ref()
            .is_some_and(|it| it.holds.as_ref().is_some_and(|why| why.contains("nobody said")))
    });
    state.await;
    assert_eq!(change.world.double.bytes(&object_name(BYTES)).as_deref(), Some(BYTES));
}

#[tokio::test]
async fn objects_are_deleted_at_the_former_after_the_last_address_and_nothing_of_others() {
    let change = Change::new().await;
    change.remove(true).await;
    let told = change.leaving().await;
    assert_eq!((told.left_at, told.objects), (None, Some(CloudObjects::Deleted)));
    assert_eq!(change.offered_by().await, Some("former"), "what was said holds for later");
    let before = change.world.offered().await.unwrap();
    change.fill().await;
    change.remove(true).await;
    let state = change.until(|state| state.leaving.as_ref().is_some_and(|it| it.left_at.is_some()));
    assert!(state.await.leaving.unwrap().not_before.is_some());
    assert_eq!(change.world.fetch(&before).await.unwrap(), BYTES);
    // The service is another one when it is time.
    change.world.harness.clock.advance(LONG);
    let change = change.restart().await;
    let state = change.until(|state| state.former.is_none()).await;
    assert_eq!(state.point.unwrap().id, change.point);
    assert_eq!(change.world.double.names(), [FOREIGN]);
    assert!(change.second.bytes(&object_name(BYTES)).is_some());
    assert_eq!(change.offered_by().await, Some("new"));
    let audit = change.world.harness.database.audit_records(None, 9).await.unwrap();
    let told: Vec<_> = audit.iter().map(|it| (it.action.as_str(), it.actor.as_str())).collect();
    assert_eq!(told[0], ("cloud.forget", "system"));
    assert!(told.contains(&("cloud.leave", "system")), "{told:?}");
}

#[tokio::test]
async fn objects_are_kept_where_nothing_else_is_said_and_it_is_left_early_by_a_word() {
    let change = Change::new().await;
    let admin = change.world.harness.admin();
    let left = admin.leave_cloud().await.unwrap();
    let again = admin.leave_cloud().await.unwrap();
    assert!(left.left_at.is_some() && again.left_at == left.left_at);
    assert_eq!(change.offered_by().await, None, "the new one lacks it");
    change.world.harness.clock.advance(LONG);
    change.remove(false).await;
    change.until(|state| state.former.is_none()).await;
    let mut names = [FOREIGN.to_owned(), object_name(BYTES), MARKER.to_owned()];
    names.sort();
    assert_eq!(change.world.double.names(), names);
    for gone in [
        refusal(admin.leave_cloud().await),
        refusal(admin.remove_cloud(RemoveCloud { former: true, ..forgetting() }).await),
    ] {
        assert_eq!(gone.0, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn removing_the_point_aborts_what_was_being_uploaded() {
    let world = World::new(None).await;
    let admin = world.harness.admin();
    world.double.begin_upload(&object_name(BYTES));
    world.proving().await;
    let removed = admin.remove_cloud(RemoveCloud::default()).await.unwrap();
    let leaving = removed.leaving.unwrap();
    assert!(leaving.left_at.is_some() && removed.stays.is_none());
    assert_eq!(leaving.objects, Some(CloudObjects::Kept));
    let aborted = async {
        while !world.double.uploads().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), aborted).await.expect("it is aborted");
    assert_eq!(admin.cloud().await.unwrap().point, None);
    // Its place is free again when it is forgotten.
    let (code, told) = refusal(admin.set_cloud(&set(&world.double)).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("wait until it is forgotten"), "{told}");
    let mut other = set(&world.double);
    other.storage["prefix"] = json!("others");
    admin.set_cloud(&other).await.unwrap();
    let (code, told) = refusal(admin.remove_cloud(RemoveCloud::default()).await);
    assert_eq!(code, ErrorCode::Conflict, "{told}");
}

#[tokio::test]
async fn what_cannot_be_reached_is_forgotten_by_a_word_and_told_with_its_number() {
    let change = Change::new().await;
    let admin = change.world.harness.admin();
    change.world.double.misbehave(S3Fault::BucketGone);
    let both = RemoveCloud { former: true, delete_objects: true, forget: true };
    assert_eq!(refusal(admin.remove_cloud(both).await).0, ErrorCode::BadRequest);
    let former = RemoveCloud { former: true, ..forgetting() };
    let removed = admin.remove_cloud(former).await.unwrap();
    let stays = CloudStays { objects: 1, bytes: BYTES.len() as u64, uploads: 0 };
    assert_eq!((removed.stays, removed.leaving), (Some(stays), None));
    assert_eq!(change.state().await.former, None);
    // And one that was never filled, with an upload under way.
    let asked = admin.remove_cloud(RemoveCloud { former: false, ..forgetting() }).await.unwrap();
    assert_eq!(asked.stays, Some(CloudStays::default()));
}

#[tokio::test]
async fn a_former_point_whose_bucket_is_gone_says_so_and_waits() {
    let change = Change::new().await;
    change.fill().await;
    change.world.double.misbehave(S3Fault::BucketGone);
    change.remove(true).await;
    change.until(|state| state.leaving.as_ref().is_some_and(|it| it.left_at.is_some())).await;
    change.world.harness.clock.advance(LONG);
    change.remove(true).await;
    let state = change.until(|state| {
        let holds = state.leaving.as_ref().and_then(|leaving| leaving.holds.as_deref());
        holds.is_some_and(|why| why.contains("NoSuchBucket"))
    });
    assert!(state.await.former.is_some());
    assert_eq!(change.offered_by().await, Some("new"), "it costs the former alone");
}

#[tokio::test]
async fn a_place_of_another_point_is_refused_under_another_name_too() {
    let world = World::filled(None).await;
    let admin = world.harness.admin();
    let name = CutProxy::to(address(&world.double)).await;
    let mut alias = SetCloud { replace: true, ..set(&world.double) };
    alias.storage["endpoint"] = json!(name.url());
    let before = world.double.names();
    let (code, told) = refusal(admin.set_cloud(&alias).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("under another name") && told.contains("cloud change"), "{told}");
    let state = admin.cloud().await.unwrap();
    assert_eq!((state.point.unwrap().id, state.former), (world.point, None));
    assert_eq!(world.double.names(), before, "what was written to see it is gone");

    // Another prefix is another place; it is not moved into the former one's afterwards.
    alias.storage["prefix"] = json!("others");
    admin.set_cloud(&alias).await.unwrap();
    let moving = json!({ "storage": { "prefix": "macs" } });
    let moving = ChangeCloud { revision: 1, settings: Some(moving), ..ChangeCloud::default() };
    let (code, told) = refusal(admin.change_cloud(&moving).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("under another name") && told.contains("being left"), "{told}");
    assert!(before.iter().all(|name| world.double.bytes(name).is_some()));
}

#[tokio::test]
async fn nothing_is_deleted_where_the_new_ones_name_leads_to_the_former_by_now() {
    let (change, name) = Change::by_a_name().await;
    let before = change.world.double.names();
    change.remove(true).await;
    name.lead_to(address(&change.world.double));
    let asked = RemoveCloud { former: true, delete_objects: true, forget: false };
    let (code, told) = refusal(change.world.harness.admin().remove_cloud(asked).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("same place") && told.contains("--forget"), "{told}");

    // It was said before, so whoever is to delete sees it too.
    change.fill().await;
    let change = change.restart().await;
    change.until_it_holds("same place").await;
    change.world.harness.clock.advance(LONG);
    let change = change.restart().await;
    let state = change.until_it_holds("same place").await;
    assert_eq!(state.leaving.unwrap().objects, Some(CloudObjects::Deleted));
    assert_eq!(change.world.double.names(), before);
    change.remove(false).await;
    change.until(|state| state.former.is_none()).await;
    assert_eq!(change.world.double.names(), before, "it is forgotten, and they are kept");
}

#[tokio::test]
async fn deletion_waits_while_it_cannot_be_seen_that_the_former_is_another_place() {
    let (change, name) = Change::by_a_name().await;
    change.fill().await;
    let before = change.world.double.names();
    change.world.double.misbehave(S3Fault::Busy);
    // What cannot be seen now may be seen when it is time.
    change.remove(true).await;
    change.until_it_holds("cannot be seen").await;
    change.world.harness.clock.advance(LONG);
    let change = change.restart().await;
    change.until_it_holds("cannot be seen").await;
    assert_eq!(change.world.double.names(), before);
    change.world.double.misbehave(S3Fault::None);
    change.remove(true).await;
    change.until(|state| state.former.is_none()).await;
    assert_eq!(change.world.double.names(), Vec::<String>::new());
    assert!(change.second.bytes(&object_name(BYTES)).is_some());
    drop(name);
}

#[tokio::test]
async fn a_former_that_works_again_is_found_whatever_is_wrong_with_the_new_one() {
    let change = Change::new().await;
    let db = &change.world.harness.database;
    let sealed = Some("sealed by nobody".into());
    let other = CloudPointChange { sealed, ..CloudPointChange::default() };
    let actor = Actor::new("token admin");
    db.change_cloud_point(change.point, 1, &other, &actor, START).await.unwrap();
    let former = db.leaving_cloud_point().await.unwrap().unwrap();
    let broken = json!({ "message": "keys", "since": START, "next_try": START });
    db.note_cloud_broken(former.id, former.revision, Some(&broken)).await.unwrap();
    // What a server does every minute it does as it starts too.
    let change = change.restart().await;
    let db = &change.world.harness.database;
    let mended = async {
        while db.leaving_cloud_point().await.unwrap().unwrap().broken.is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), mended).await.expect("it is tried again");
}
