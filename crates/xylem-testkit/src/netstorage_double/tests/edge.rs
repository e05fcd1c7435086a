//! The edge: who is let in, and what is given.

use super::*;

/// A request with this token for the object.
fn with_token(world: &World, token: &str) -> CloudRequest {
    CloudRequest { query: format!("{EDGE_TOKEN_NAME}={token}"), ..world.get(now()) }
}

/// Fields with the right signature.
fn signed(fields: &str) -> String {
    format!("{fields}~hmac={}", edge_token::sign(fields))
}

#[tokio::test]
async fn our_addresses_open_one_object_whole_and_in_part() {
    let world = World::new().await;
    world.written().await;
    let whole = world.send(&world.get(now())).await;
    assert_eq!((whole.status, &*whole.body), (200, BYTES));
    let part = world.send(&world.get(now()).with_range(5, 6)).await;
    assert_eq!((part.status, &*part.body), (206, &BYTES[5..=6]));
    assert_eq!(part.header("content-range"), Some("bytes 5-6/15"));
    assert_eq!(world.send(&world.get(now()).with_range(15, 16)).await.status, 416);
    let mut elsewhere = world.get(now());
    elsewhere.path = elsewhere.path.replace("/1-", "/2-");
    assert_eq!(world.send(&elsewhere).await.status, 403);
    let put = CloudRequest { method: "PUT".parse().unwrap(), ..world.get(now()) };
    assert_eq!(world.send(&put).await.status, 405);
}

#[tokio::test]
async fn tokens_that_are_wrong_in_one_thing_are_refused() {
    let world = World::new().await;
    world.written().await;
    let seconds = now().unix_seconds();
    let (starts, ends) = (seconds - 60, seconds + 60);
    let good = format!("st={starts}~exp={ends}~acl=/macs/*");
    let status = async |token: &str| world.send(&with_token(&world, token)).await.status;
    assert_eq!(status(&signed(&good)).await, 200);
    assert_eq!(status(&signed(&format!("exp={ends}~acl=/x!/macs/probe/1-?*"))).await, 200);
    for (token, what) in [
        (good.clone(), "unsigned"),
        (format!("{good}~hmac={}", "0".repeat(64)), "another signature"),
        (signed(&good).to_uppercase(), "other letters"),
        (signed(&format!("st={starts}~exp={ends}~acl=/other/*")), "another path"),
        (signed(&format!("st={starts}~exp={seconds}~acl=/macs/*")), "over"),
        (signed(&format!("st={}~exp={ends}~acl=/macs/*", seconds + 1)), "too early"),
        (signed(&format!("st={ends}~exp={ends}~acl=/macs/*")), "of no length"),
        (signed("acl=/macs/*"), "without an end"),
        (signed(&format!("exp={ends}~st={starts}~acl=/macs/*")), "out of order"),
        (signed(&format!("{good}~acl=/macs/*")), "a field twice"),
        (signed(&format!("{good}~user=me")), "an unknown field"),
        (signed(&format!("ip=10.0.0.1~{good}")), "of another client"),
        (
            signed(&format!("exp={ends}~acl=/macs/probe/1-a%20b%2B%C3%A9%2650%25%23")),
            "encoded alone",
        ),
        (signed(&format!("exp={ends}")), "for a path that is escaped somehow"),
    ] {
        assert_eq!(status(&token).await, 403, "{what}");
    }
    assert_eq!(world.send(&world.get(now()).unsigned()).await.status, 403);
    let mut twice = world.get(now());
    twice.query = format!("{0}&{0}", twice.query);
    assert_eq!(world.send(&twice).await.status, 403);
    let ended = now().minus(Duration::from_secs(60));
    assert_eq!(world.send(&world.get(ended)).await.status, 403);
}

#[tokio::test]
async fn a_token_for_a_url_opens_that_one() {
    let world = World::new().await;
    world.double.place("macs/plain", BYTES);
    let ends = now().unix_seconds() + 60;
    let fields = format!("exp={ends}");
    let sign = edge_token::sign(&format!("{fields}~url=/macs/plain"));
    let get = |path: &str| CloudRequest {
        path: path.to_owned(),
        ..with_token(&world, &format!("{fields}~hmac={sign}"))
    };
    assert_eq!(world.send(&get("/macs/plain")).await.status, 200);
    world.double.place("macs/other", BYTES);
    assert_eq!(world.send(&get("/macs/other")).await.status, 403);
}
