//! NetStorage itself.

use aws_lc_rs::digest;

use super::*;

#[tokio::test]
async fn our_requests_pass() {
    let world = World::new().await;
    world.written().await;
    assert_eq!(world.double.names(), [world.key().as_str()]);
    let provider = world.provider();
    let asked = world.send(&provider.ask(&world.key(), at(2))).await;
    let found = provider.found(&world.key(), &asked).unwrap().unwrap();
    assert_eq!((found.size, found.etag.map(|etag| etag.len())), (15, Some(32)));
    let read = world.send(&provider.read(&world.key(), at(3))).await;
    assert_eq!((read.status, &*read.body), (200, BYTES));
    let removed = world.send(&provider.remove(&world.key(), at(4))).await;
    assert_eq!(provider.removed(&world.key(), &removed), Ok(()));
    assert!(world.double.names().is_empty());
}

#[tokio::test]
async fn a_request_is_taken_once_and_within_a_minute() {
    let world = World::new().await;
    world.written().await;
    let provider = world.provider();
    let ask = provider.ask(&world.key(), at(2));
    assert_eq!(world.send(&ask).await.status, 200);
    assert_eq!(world.send(&ask).await.status, 403, "the number comes again");
    let far = Duration::from_secs(61);
    for now in [now().minus(far), now().plus(far)] {
        let moment = Moment { now, nonce: 3 };
        assert_eq!(world.send(&provider.ask(&world.key(), moment)).await.status, 403);
    }
}

#[tokio::test]
async fn what_is_signed_otherwise_is_refused() {
    let world = World::new().await;
    world.written().await;
    let ask = |number| world.provider().ask(&world.key(), at(number));
    let data = |version: u32, account: &str| {
        let seconds = now().unix_seconds();
        format!("{version}, 0.0.0.0, 0.0.0.0, {seconds}, 9, {account}")
    };
    // Signed as it says, so that nothing but the data is wrong.
    let resigned = |data: &str| {
        let request = ask(9);
        let action = request.header(signature::ACTION).unwrap().to_owned();
        let sign = signature::sign(data, &request.path, &action);
        with_header(with_header(request, signature::DATA, data), signature::SIGN, &sign)
    };
    let mut elsewhere = ask(10);
    elsewhere.path = elsewhere.path.replace("%20", "+");
    let mut lower = ask(11);
    lower.path = lower.path.replace("%2B", "%2b");
    let mut doubled = ask(12);
    doubled.headers.push(header(signature::SIGN, "x"));
    for (request, what) in [
        (resigned(&data(3, NETSTORAGE_ACCOUNT)), "MD5"),
        (resigned(&data(4, NETSTORAGE_ACCOUNT)), "SHA-1"),
        (resigned(&data(5, "somebody")), "another account"),
        (resigned("5, 0.0.0.0, 1790000000, 9, xylem-upload"), "five fields"),
        (resigned(&data(5, NETSTORAGE_ACCOUNT).replace(", 9,", ", x,")), "no number"),
        (with_header(ask(13), signature::ACTION, "version=1&action=delete"), "another action"),
        (elsewhere, "another path"),
        (lower, "a path that is encoded otherwise"),
        (doubled, "two signatures"),
        (ask(14).unsigned(), "no signature"),
    ] {
        assert_eq!(world.send(&request).await.status, 403, "{what}");
    }
    assert_eq!(world.send(&resigned(&data(5, NETSTORAGE_ACCOUNT))).await.status, 200);
    let more = with_header(ask(15), "x-akamai-other", "1");
    assert_eq!(world.send(&more).await.status, 400);
}

#[tokio::test]
async fn methods_fields_and_paths_that_an_action_has_not_are_refused() {
    let world = World::new().await;
    world.written().await;
    let file = "/123456/macs/probe";
    let cases = [
        ("PUT", file, "dir&format=xml", 403),
        ("POST", file, "stat&format=xml", 403),
        ("GET", file, "delete", 403),
        ("POST", "/123456/macs/n", "upload", 403),
        ("PUT", file, "quick-delete&quick-delete=imreallyreallysure", 403),
        ("GET", "/123457/macs", "dir&format=xml", 403),
        ("GET", "/123456x/macs", "dir&format=xml", 403),
        ("GET", "/123456/macs/../macs", "dir&format=xml", 400),
        ("GET", "/123456//macs", "dir&format=xml", 400),
        ("GET", file, "dir", 400),
        ("GET", file, "dir&format=sql", 400),
        ("GET", file, "dir&format=xml&max_entries=x", 400),
        ("GET", file, "dir&format=xml&depth=2", 400),
        ("GET", file, "dir&format=xml&format=xml", 400),
        ("GET", file, "walk", 400),
        ("POST", file, "quick-delete&quick-delete=sure", 400),
        ("POST", file, "rename", 400),
        ("PUT", "/123456/macs/n", "upload&crc32=1", 400),
        ("PUT", "/123456/macs/n", "upload&md5=1", 400),
        ("PUT", "/123456/macs/n", "upload&size=x", 400),
    ];
    for ((method, path, action, status), number) in cases.into_iter().zip(100..) {
        let (told, why) = world.ask(method, path, action, number).await;
        assert_eq!(told, status, "{method} {path} {action}: {why}");
    }
    let queried =
        CloudRequest { query: "a=b".to_owned(), ..world.asking("GET", file, "dir&format=xml", 99) };
    assert_eq!(world.send(&queried).await.status, 400);
}

#[tokio::test]
async fn other_bytes_than_were_announced_leave_what_was_there() {
    let world = World::new().await;
    world.written().await;
    let other = vec![b'x'; BYTES.len()];
    let answer = world.send_bytes(&world.put(at(2)), &other).await;
    assert_eq!(answer.status, 412);
    let path = world.put(at(3)).path;
    let digits = |count| "ab".repeat(count);
    for (announced, number) in [
        ("size=14".to_owned(), 10),
        (format!("md5={}", digits(16)), 11),
        (format!("sha1={}", digits(20)), 12),
        (format!("sha256={}", digits(32)), 13),
    ] {
        let action = format!("upload&{announced}");
        let mut request = world.asking("PUT", &path, &action, number);
        request.body = Body::Piece { size: BYTES.len() as u64 };
        assert_eq!(world.send_bytes(&request, BYTES).await.status, 412, "{announced}");
    }
    assert_eq!(world.double.bytes(world.key().as_str()).unwrap(), BYTES);
    let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, BYTES);
    let action = format!("upload&sha1={}&size=15&mtime=7", hex::encode(sha1));
    let mut right = world.asking("PUT", &path, &action, 14);
    right.body = Body::Piece { size: BYTES.len() as u64 };
    assert_eq!(world.send_bytes(&right, BYTES).await.status, 200);
    let (_, told) = world.ask("GET", &path, "stat&format=xml", 15).await;
    assert!(told.contains("mtime=\"7\""), "{told}");
}

#[tokio::test]
async fn an_upload_that_breaks_leaves_what_was_there_and_may_be_repeated_with_another_number() {
    let world = World::new().await;
    world.written().await;
    world.double.misbehave(NetStorageFault::BreakAfter(1));
    let put = world.put(at(2));
    let broken = world.client.send_piece(&put, full_body(BYTES.to_vec())).await;
    assert!(broken.as_ref().is_err_and(ClientError::is_transient), "{broken:?}");
    world.double.misbehave(NetStorageFault::None);
    assert_eq!(world.double.bytes(world.key().as_str()).unwrap(), BYTES);
    assert_eq!(world.send_bytes(&put, BYTES).await.status, 403);
    assert_eq!(world.send_bytes(&world.put(at(3)), BYTES).await.status, 200);
    assert_eq!(world.double.uploads(), (0, 1));
}

#[tokio::test]
async fn folders_are_made_one_by_one_and_go_when_they_are_empty() {
    let world = World::new().await;
    let ask = async |method, path, action, number| world.ask(method, path, action, number).await.0;
    assert_eq!(world.send_bytes(&world.put(at(50)), BYTES).await.status, 404, "no folder is there");
    assert_eq!(ask("PUT", "/123456/a/b", "mkdir", 1).await, 404);
    assert_eq!(ask("PUT", "/123456/a", "mkdir", 2).await, 200);
    assert_eq!(ask("POST", "/123456/a", "mkdir", 3).await, 409);
    world.double.place("a/f", BYTES);
    assert_eq!(ask("PUT", "/123456/a", "delete", 4).await, 409);
    assert_eq!(ask("PUT", "/123456/a", "rmdir", 5).await, 409);
    assert_eq!(ask("PUT", "/123456/a/f", "rmdir", 6).await, 409, "it is no folder");
    world.double.place("a/g", b"other");
    let taken = "rename&destination=%2F123456%2Fa%2Fg";
    assert_eq!(ask("PUT", "/123456/a/f", taken, 7).await, 409);
    let lost = "rename&destination=%2F123456%2Fz%2Fg";
    assert_eq!(ask("PUT", "/123456/a/f", lost, 8).await, 404);
    let others = "rename&destination=%2F7%2Fg";
    assert_eq!(ask("PUT", "/123456/a/f", others, 9).await, 403);
    let free = "rename&destination=%2F123456%2Fa%2Fh+%26+i";
    assert_eq!(ask("PUT", "/123456/a/f", free, 10).await, 200);
    assert_eq!(world.double.names(), ["a/g", "a/h & i"]);
    assert_eq!(ask("PUT", "/123456/a/g", "mtime&mtime=7", 11).await, 200);
    let linked = "symlink&target=%2F123456%2Fa%2Fg";
    assert_eq!(ask("POST", "/123456/a/l", linked, 12).await, 200);
    assert_eq!(world.ask("GET", "/123456/a/l", "download", 13).await, (200, "other".to_owned()));
    let (status, told) = world.ask("GET", "/123456/a", "du&format=xml", 14).await;
    assert!(status == 200 && told.contains("files=\"2\" bytes=\"20\""), "{told}");
    let sure = "quick-delete&quick-delete=imreallyreallysure";
    assert_eq!(ask("POST", "/123456/a", sure, 15).await, 204);
    assert_eq!(ask("GET", "/123456/a", "stat&format=xml", 16).await, 404);
}

#[tokio::test]
async fn listings_are_cut_and_names_are_escaped() {
    let world = World::new().await;
    for name in ["a&b", "a\"c", "a<d", "b", "c", "sub/e"] {
        world.double.place(&format!("l/{name}"), BYTES);
    }
    let (_, first) = world.ask("GET", "/123456/l", "dir&format=xml&max_entries=100", 1).await;
    assert!(first.starts_with("<?xml") && first.contains("<stat directory=\"/123456/l\">"));
    assert!(first.contains("name=\"a&quot;c\"") && first.contains("name=\"a&amp;b\""), "{first}");
    assert!(first.contains("name=\"a&lt;d\"") && !first.contains("name=\"b\""), "{first}");
    assert!(first.contains("<resume start=\"b\"/>"), "{first}");
    let (_, rest) = world.ask("GET", "/123456/l", "dir&format=xml&start=b", 2).await;
    assert!(rest.contains("<file type=\"dir\" name=\"sub\" bytes=\"15\" files=\"1\""), "{rest}");
    assert!(rest.contains("name=\"b\"") && !rest.contains("resume"), "{rest}");
    let (_, some) = world.ask("GET", "/123456/l", "dir&format=xml&prefix=a&end=a%26z", 3).await;
    assert!(some.contains("a&quot;c") && some.contains("a&amp;b") && !some.contains("a&lt;d"));
    assert_eq!(world.ask("GET", "/123456/none", "dir&format=xml", 4).await.0, 404);

    let (_, first) = world.ask("GET", "/123456/l", "list&format=xml", 5).await;
    assert!(first.contains("name=\"123456/l/a&amp;b\""), "{first}");
    assert!(first.contains("<resume start=\"/123456/l/b\"/>"), "{first}");
    let (_, rest) = world.ask("GET", "/123456/l/b", "list&format=xml", 6).await;
    assert!(rest.contains("name=\"123456/l/sub/e\"") && !rest.contains("resume"), "{rest}");
    world.ask("PUT", "/123456/empty", "mkdir", 7).await;
    assert_eq!(world.ask("GET", "/123456/empty", "list&format=xml", 8).await.0, 404);
}
