//! TempURL keys: in turn, taken back, set by somebody else.

use super::*;

fn renewed(revision: u64) -> ChangeCloud {
    ChangeCloud { revision, keys: Some(keys(SWIFT_PASSWORD)), ..ChangeCloud::default() }
}

#[tokio::test]
async fn the_two_slots_are_used_in_turn() {
    let world = World::new().await;
    let admin = world.harness.admin();
    admin.set_cloud(&world.set(world.tempauth())).await.unwrap();
    let [one, none] = world.double.account_keys();
    assert!(none.is_empty());
    admin.change_cloud(&renewed(1)).await.unwrap();
    let [first, two] = world.double.account_keys();
    assert!(first == one && two.starts_with("xylem-") && two != one, "the one before stays");
    admin.change_cloud(&renewed(2)).await.unwrap();
    let [three, second] = world.double.account_keys();
    assert!(second == two && three != one && three != two);
    admin.change_cloud(&renewed(3)).await.unwrap();
    let [third, four] = world.double.account_keys();
    assert!(third == three && four != two);

    // A change of settings keeps the key; keys of others are left.
    let patch = json!({ "url_lifetime_seconds": 60 });
    let change = ChangeCloud { revision: 4, settings: Some(patch), ..ChangeCloud::default() };
    admin.change_cloud(&change).await.unwrap();
    assert_eq!(world.double.account_keys(), [third, four.clone()]);
    world.double.set_account_key(0, "theirs");
    admin.change_cloud(&renewed(5)).await.unwrap();
    let [theirs, five] = world.double.account_keys();
    assert!(theirs == "theirs" && five != four);
    assert!(admin.test_cloud().await.unwrap().passed);
}

#[tokio::test]
async fn a_change_that_is_not_stored_puts_the_former_keys_back() {
    let world = World::new().await;
    let admin = world.harness.admin();
    admin.set_cloud(&world.set(world.tempauth())).await.unwrap();
    admin.change_cloud(&renewed(1)).await.unwrap();
    let before = world.double.account_keys();
    world.double.misbehave(SwiftFault::NoRanges);
    assert_eq!(refusal(admin.change_cloud(&renewed(2)).await).0, ErrorCode::Refused);
    world.double.misbehave(SwiftFault::None);
    assert_eq!(world.double.account_keys(), before);
    let old = refusal(admin.change_cloud(&renewed(1)).await);
    assert_eq!(old.0, ErrorCode::Conflict, "somebody else changed it");
    assert_eq!(world.double.account_keys(), before);
    assert!(admin.test_cloud().await.unwrap().passed);
}

#[tokio::test]
async fn a_key_that_somebody_replaced_is_told_and_mended_by_a_change() {
    let world = World::new().await;
    let admin = world.harness.admin();
    admin.set_cloud(&world.set(world.tempauth())).await.unwrap();
    world.double.set_account_key(0, "theirs");
    let test = admin.test_cloud().await.unwrap();
    let failed: Vec<_> =
        test.steps.iter().filter(|step| step.outcome == CloudStepOutcome::Failed).collect();
    assert_eq!(failed.len(), 1, "{test:?}");
    let told = failed[0].message.as_deref().unwrap_or_default();
    assert!(failed[0].name == "TempURL key" && told.contains("not there any more"), "{told}");
    assert_eq!(world.double.account_keys(), ["theirs", ""], "a test alone sets none");
    let patch = json!({ "offer": "before-root" });
    let change = ChangeCloud { revision: 1, settings: Some(patch), ..ChangeCloud::default() };
    admin.change_cloud(&change).await.unwrap();
    assert!(world.double.account_keys()[1].starts_with("xylem-"));
    assert!(admin.test_cloud().await.unwrap().passed);
}

#[tokio::test]
async fn another_point_of_ours_in_the_same_account_keeps_its_key() {
    let world = World::new().await;
    let admin = world.harness.admin();
    admin.set_cloud(&world.set(world.tempauth())).await.unwrap();
    let [one, _] = world.double.account_keys();
    let mut other = world.tempauth();
    other["prefix"] = json!("other");
    let replacing = SetCloud { replace: true, ..world.set(other) };
    admin.set_cloud(&replacing).await.unwrap();
    let [first, two] = world.double.account_keys();
    assert!(first == one && two != one && !two.is_empty());
    admin.change_cloud(&renewed(1)).await.unwrap();
    let [first, three] = world.double.account_keys();
    assert!(first == one && three != two, "what the other one signs with is left");
}

#[tokio::test]
async fn keys_of_swift_get_out_nowhere() {
    let world = World::new().await;
    let admin = world.harness.admin();
    let point = admin.set_cloud(&world.set(world.tempauth())).await.unwrap();
    let changed = admin.change_cloud(&renewed(1)).await.unwrap();
    world.double.misbehave(SwiftFault::ContainerGone);
    let failed = admin.test_cloud().await.unwrap();
    let state = admin.cloud().await.unwrap();
    let audit = world.harness.database.audit_records(None, 20).await.unwrap();
    let mut dump = Vec::new();
    world.harness.database.dump(&mut dump).await.unwrap();
    let dump = String::from_utf8(dump).unwrap();
    let told = format!("{point:?} {changed:?} {failed:?} {state:?} {audit:?} {dump}");
    let ours = world.double.account_keys();
    for secret in [SWIFT_PASSWORD, "planted", &ours[0], &ours[1]] {
        assert!(!secret.is_empty() && !told.contains(secret), "{secret}");
    }
}
