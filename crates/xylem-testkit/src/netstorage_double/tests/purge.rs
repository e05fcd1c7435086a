//! The purge API, and the cache that it empties.

use super::*;

/// What purges these, as we ask for it.
fn purges(world: &World, keys: &[ObjectKey], at: Moment) -> CloudRequest {
    world.provider().purge(keys, "", at).unwrap().remove(0)
}

#[tokio::test]
async fn what_was_given_out_is_given_out_until_it_is_purged() {
    let world = World::new().await;
    world.written().await;
    assert_eq!(world.send(&world.get(now())).await.status, 200);
    world.double.take_away(world.key().as_str());
    let cached = world.send(&world.get(now())).await;
    assert_eq!((cached.status, &*cached.body), (200, BYTES));
    let purged = world.send(&purges(&world, &[world.key()], at(1))).await;
    assert_eq!(world.provider().purged(&purged), Ok(()));
    assert_eq!(purged.status, 201);
    assert_eq!(world.send(&world.get(now())).await.status, 404);
    assert!(world.double.asked().iter().any(|it| it.starts_with("purge-delete-production /macs/")));
}

#[tokio::test]
async fn purges_that_are_not_signed_or_not_ours_to_ask_are_refused() {
    let world = World::new().await;
    let keys = [world.key()];
    let good = |number| purges(&world, &keys, at(number));
    assert_eq!(world.send(&good(1)).await.status, 201);
    assert_eq!(world.send(&good(1)).await.status, 400, "the nonce comes again");
    let late = Moment { now: now().minus(Duration::from_secs(31)), nonce: 2 };
    assert_eq!(world.send(&purges(&world, &keys, late)).await.status, 400);
    assert_eq!(world.send(&good(3).unsigned()).await.status, 401);
    let mut other = good(4);
    other.body = Body::Bytes(br#"{"objects":["https://x"]}"#.to_vec());
    assert_eq!(world.send(&other).await.status, 401, "other bytes than were signed");
    let mut elsewhere = good(5);
    elsewhere.path = elsewhere.path.replace("production", "staging");
    assert_eq!(world.send(&elsewhere).await.status, 401);
    let authorization = good(6).header("authorization").unwrap().to_owned();
    let token = authorization.replace(EDGEGRID_ACCESS_TOKEN, "akab-other");
    assert_eq!(world.send(&with_header(good(6), "authorization", &token)).await.status, 401);
    assert_eq!(world.double.asked().len(), 1);
}

#[tokio::test]
async fn objects_of_another_host_are_not_purged() {
    let mut world = World::new().await;
    let settings = json!({
        "provider": "akamai",
        "upload_host": world.double.upload_host(),
        "account": NETSTORAGE_ACCOUNT,
        "cp_code": NETSTORAGE_CP_CODE,
        "delivery_url": "https://other.example.org",
    });
    world.settings = serde_json::from_value(settings).unwrap();
    let refused = world.send(&purges(&world, &[world.key()], at(1))).await;
    assert_eq!(refused.status, 403);
}
