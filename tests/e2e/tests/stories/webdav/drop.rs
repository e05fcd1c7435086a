//! What is dropped.

use xylem_testkit::eventually;

use super::{names, package, root};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_loses_nothing() {
    let (stage, casper) = root().await;
    let one = package(&stage, "One.pkg");
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &[], &one).await.status, 201);
    assert_eq!(casper.ask("MKCOL", "/Drop/folder", &[], b"").await.status, 201);
    for path in ["/Drop/folder/a", "/Drop/folder/b", "/Drop/caf%C3%A9"] {
        assert_eq!(casper.ask("PUT", path, &[], b"dropped").await.status, 201, "{path}");
    }
    for (method, from, to, status) in [
        ("MOVE", "/Packages/A.pkg", "/Drop/folder/a", 403),
        ("COPY", "/Packages/A.pkg", "/Drop/folder", 403),
        ("MOVE", "/Drop/folder/a", "/Drop/folder", 403),
        ("MOVE", "/Drop/folder", "/Drop/folder/b", 403),
        // One name, written in two ways.
        ("MOVE", "/Drop/caf%C3%A9", "/Drop/cafe%CC%81", 403),
        ("COPY", "/Drop/missing", "/Drop/folder/a", 404),
        ("MOVE", "/Drop/missing", "/Drop/folder/a", 404),
        ("MOVE", "/Drop/folder", "/Drop/caf%C3%A9", 204),
    ] {
        let moved = casper.ask(method, from, &[("destination", to)], b"").await;
        assert_eq!(moved.status, status, "{method} {from} {to}: {}", moved.text());
    }
    // The last of them took the place of a file, as it should.
    for path in ["/Drop/caf%C3%A9/a", "/Drop/caf%C3%A9/b"] {
        assert_eq!(casper.ask("GET", path, &[], b"").await.body, b"dropped", "{path}");
    }
    assert_eq!(casper.ask("GET", "/Packages/A.pkg", &[], b"").await.body, one);

    // What is at another host, however it is written, is not reached.
    let backslashes = [("destination", "https://localhost/x\\..\\Packages/A.pkg")];
    let moved = casper.ask("MOVE", "/Drop/caf%C3%A9/a", &backslashes, b"").await;
    assert!(moved.status >= 400, "{}", moved.status);
    assert_eq!(casper.ask("GET", "/Packages/A.pkg", &[], b"").await.body, one);
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_complete_is_published_and_what_is_not_stays_with_its_reason() {
    let (mut stage, casper) = root().await;
    let (one, two) = (package(&stage, "One.pkg"), package(&stage, "Two.pkg"));
    let put = async |path: &str, bytes: &[u8]| {
        assert_eq!(casper.ask("PUT", path, &[], bytes).await.status, 201, "{path}");
    };
    let make = async |path: &str| {
        assert_eq!(casper.ask("MKCOL", path, &[], b"").await.status, 201, "{path}");
    };
    put("/Drop/One.pkg", &one).await;
    make("/Drop/Team").await;
    put("/Drop/Team/Two.pkg", &two).await;
    put("/Drop/Junk.pkg", b"this is no package").await;
    put("/Drop/Notes.txt", b"remember").await;
    put("/Drop/.DS_Store", b"for Finder alone").await;
    // A package that is a folder.
    for folder in ["Bundle.mpkg", "Bundle.mpkg/Contents"] {
        make(&format!("/Drop/{folder}")).await;
    }
    put("/Drop/Bundle.mpkg/Contents/Info.plist", b"<plist/>").await;
    assert_eq!(casper.ask("GET", "/Drop/One.pkg", &[], b"").await.body, one);

    eventually("they are published", || async {
        names(&casper, "/Packages/").await == ["One.pkg", "Two.pkg"]
    })
    .await;
    assert_eq!(casper.ask("GET", "/Packages/Two.pkg", &[], b"").await.body, two);
    let reasons = async || {
        let report = casper.ask("GET", "/Drop/Not%20published.txt", &[], b"").await;
        if report.status == 200 { report.text() } else { String::new() }
    };
    eventually("the reasons are there", || async {
        let reasons = reasons().await;
        reasons.contains("Junk.pkg: ") && reasons.contains("Notes.txt: ")
    })
    .await;
    let told = reasons().await;
    assert!(told.contains("not an installer package"), "{told}");
    assert!(told.contains("packages end in .pkg"), "{told}");
    assert!(!told.contains("DS_Store"), "{told}");
    eventually("the bundle was tried", || async { reasons().await.contains("Bundle") }).await;

    // What stays, stays over a restart.
    stage.system.stop_part("root").await.unwrap();
    stage.system.start_distribution_server("root").await.unwrap();
    let left = names(&casper, "/Drop/").await;
    assert!(left.contains(&"Junk.pkg".to_owned()) && left.contains(&"Team".to_owned()), "{left:?}");
    assert!(!left.contains(&"One.pkg".to_owned()), "{left:?}");
    assert!(names(&casper, "/Drop/Team/").await.is_empty());
    stage.clear().await;
}
