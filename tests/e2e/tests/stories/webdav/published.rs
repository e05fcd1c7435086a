//! What each method means in a published folder.

use xylem_testkit::{eventually, package_of};

use super::{names, package, root};

/// The version of a package, as the administrator sees it.
async fn version(stage: &xylem_testkit::Stage, name: &str) -> Option<u64> {
    let shown = stage.system.xylem(&["package", "show", name, "--json"]).await.ok()?;
    let start = shown.find("\"version\": ")? + "\"version\": ".len();
    let digits: String = shown[start..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_method_means_what_the_page_says() {
    let (stage, casper) = root().await;
    let (one, two) = (package(&stage, "One.pkg"), package(&stage, "Two.pkg"));

    // PUT publishes; the same once more changes nothing; other content is the next version.
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &[], &one).await.status, 201);
    assert_eq!(casper.ask("GET", "/Packages/A.pkg", &[], b"").await.body, one);
    assert_eq!(version(&stage, "A.pkg").await, Some(1));
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &[], &one).await.status, 204);
    assert_eq!(version(&stage, "A.pkg").await, Some(1));
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &[], &two).await.status, 204);
    assert_eq!(version(&stage, "A.pkg").await, Some(2));
    let old_path = casper.ask("GET", "/CasperShare/Packages/A.pkg", &[], b"").await;
    assert_eq!(old_path.body, two);
    assert_eq!(names(&casper, "/CasperShare/Packages/").await, ["A.pkg"]);
    let share = casper.ask("PROPFIND", "/CasperShare", &[("depth", "1")], b"").await;
    assert!(share.text().contains("<D:href>/CasperShare/eBooks/</D:href>"), "{}", share.text());
    let unless = [("if-none-match", "*")];
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &unless, &one).await.status, 412);

    // What is refused is refused with its reason, and leaves nothing.
    let junk = casper.ask("PUT", "/Packages/B.pkg", &[], b"this is no package").await;
    assert_eq!(junk.status, 422);
    assert!(junk.text().contains("not an installer package"), "{}", junk.text());
    let name = casper.ask("PUT", "/Packages/B%3AC.pkg", &[], &one).await;
    assert_eq!(name.status, 400);
    assert!(name.text().contains("the character `:`"), "{}", name.text());
    let case = casper.ask("PUT", "/Packages/a.PKG", &[], &one).await;
    assert_eq!(case.status, 409, "{}", case.text());
    let nowhere = casper.ask("PUT", "/Packages/x/B.pkg", &[], &one).await;
    assert_eq!(nowhere.status, 409, "{}", nowhere.text());
    assert_eq!(names(&casper, "/Packages/").await, ["A.pkg"]);

    // COPY is a second name, MOVE another one; both keep the ending.
    let to = |name: &str| [("destination", format!("/Packages/{name}"))];
    let ask = async |method: &str, path: &str, to: [(&str, String); 1]| {
        let [(name, value)] = &to;
        casper.ask(method, path, &[(*name, value.as_str())], b"").await
    };
    assert_eq!(ask("COPY", "/Packages/A.pkg", to("C.pkg")).await.status, 201);
    assert_eq!(ask("MOVE", "/Packages/C.pkg", to("D.pkg")).await.status, 201);
    let ending = ask("MOVE", "/Packages/D.pkg", to("D.dmg")).await;
    assert_eq!(ending.status, 422, "{}", ending.text());
    assert_eq!(names(&casper, "/Packages/").await, ["A.pkg", "D.pkg"]);
    assert_eq!(casper.ask("GET", "/Packages/D.pkg", &[], b"").await.body, two);
    assert_eq!(casper.ask("PUT", "/Packages/D.pkg", &[], &one).await.status, 204);
    assert_eq!(ask("MOVE", "/Packages/D.pkg", to("A.pkg")).await.status, 204);
    assert_eq!(version(&stage, "A.pkg").await, Some(3));
    assert_eq!(names(&casper, "/Packages/").await, ["A.pkg"]);
    assert_eq!(casper.ask("GET", "/Packages/A.pkg", &[], b"").await.body, one);
    let other_kind = [("destination", "/Apps/A.pkg")];
    assert_eq!(casper.ask("MOVE", "/Packages/A.pkg", &other_kind, b"").await.status, 403);

    // DELETE can be undone; folders stay as they are.
    assert_eq!(casper.ask("DELETE", "/Packages/A.pkg", &[], b"").await.status, 204);
    assert_eq!(casper.ask("GET", "/Packages/A.pkg", &[], b"").await.status, 404);
    stage.system.xylem(&["package", "restore", "A.pkg"]).await.unwrap();
    eventually("it is back", || async {
        casper.ask("GET", "/Packages/A.pkg", &[], b"").await.body == one
    })
    .await;
    assert_eq!(casper.ask("MKCOL", "/Packages/folder", &[], b"").await.status, 403);
    for path in ["/Packages/", "/Packages", "/", "/Drop/"] {
        assert_eq!(casper.ask("DELETE", path, &[], b"").await.status, 403, "{path}");
    }
    assert_eq!(names(&casper, "/").await, ["Apps", "Drop", "Packages", "eBooks"]);
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_leaves_nothing() {
    let (stage, casper) = root().await;
    let file = package_of(stage.path(), "Long.pkg", 1, 8 << 20);
    let bytes = std::fs::read(file).unwrap();
    let staged = stage.system.folder().join("root/repo/staged");
    let incoming = stage.system.folder().join("root/webdav/drop/incoming");
    let count = |folder: &std::path::Path| std::fs::read_dir(folder).map_or(0, Iterator::count);
    let length = bytes.len().to_string();
    for (path, headers) in [
        ("/Packages/Long.pkg", &[("content-length", length.as_str())][..]),
        // Without a length, as Finder and `curl -T -` send.
        ("/Packages/Long.pkg", &[]),
        ("/Drop/Long.pkg", &[]),
    ] {
        let sending = casper.begin(path, headers);
        for piece in bytes.chunks(1 << 20).take(5) {
            assert!(sending.piece(piece).await);
        }
        eventually("it is on its way", || async { count(&staged) + count(&incoming) > 0 }).await;
        sending.break_off().await;
        eventually("nothing is left", || async { count(&staged) + count(&incoming) == 0 }).await;
        assert_eq!(casper.ask("GET", path, &[], b"").await.status, 404, "{path}");
    }
    assert!(names(&casper, "/Packages/").await.is_empty());
    assert!(names(&casper, "/Drop/").await.is_empty());
    let whole = casper.begin("/Packages/Long.pkg", &[]);
    for piece in bytes.chunks(1 << 20) {
        assert!(whole.piece(piece).await);
    }
    assert_eq!(whole.end().await.status, 201);
    assert_eq!(casper.ask("GET", "/Packages/Long.pkg", &[], b"").await.body, bytes);
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_properties_outlive_a_restart() {
    let (mut stage, casper) = root().await;
    let one = package(&stage, "One.pkg");
    assert_eq!(casper.ask("PUT", "/Packages/A.pkg", &[], &one).await.status, 201);
    let lock = br#"<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
        <D:locktype><D:write/></D:locktype><D:owner>casper</D:owner></D:lockinfo>"#;
    let locked = casper.ask("LOCK", "/Packages/A.pkg", &[], lock).await;
    assert_eq!(locked.status, 200, "{}", locked.text());
    let token = locked.header("lock-token").unwrap().to_owned();
    let set = br#"<D:propertyupdate xmlns:D="DAV:" xmlns:x="urn:x"><D:set><D:prop>
        <x:colour>red</x:colour></D:prop></D:set></D:propertyupdate>"#;
    let with_token = format!("({token})");
    let claim = [("if", with_token.as_str())];
    assert_eq!(casper.ask("PROPPATCH", "/Packages/A.pkg", &claim, set).await.status, 207);
    for path in ["/Packages/A.pkg", "/CasperShare/Packages/A.pkg"] {
        assert_eq!(casper.ask("DELETE", path, &[], b"").await.status, 423, "{path}");
    }

    stage.system.stop_part("root").await.unwrap();
    stage.system.start_distribution_server("root").await.unwrap();
    assert_eq!(casper.ask("DELETE", "/Packages/A.pkg", &[], b"").await.status, 423);
    let asked = br#"<D:propfind xmlns:D="DAV:"><D:prop><colour xmlns="urn:x"/></D:prop>
        </D:propfind>"#;
    let found = casper.ask("PROPFIND", "/Packages/A.pkg", &[("depth", "0")], asked).await;
    assert!(found.text().contains(">red<"), "{}", found.text());
    let unlock = [("lock-token", token.as_str())];
    assert_eq!(casper.ask("UNLOCK", "/Packages/A.pkg", &unlock, b"").await.status, 204);
    assert_eq!(casper.ask("DELETE", "/Packages/A.pkg", &[], b"").await.status, 204);
    stage.clear().await;
}
