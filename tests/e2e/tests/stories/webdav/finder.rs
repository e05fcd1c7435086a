//! What Finder sends when a package is dragged into a mounted folder, in its order: it asks whether
//! locks work, writes an empty file, locks it, writes the bytes without a length of the body, and
//! does the same for the file that Macs put beside every file.

use xylem_testkit::WebDav;

use super::{names, package, root};

const LOCK: &[u8] = br#"<?xml version="1.0" encoding="utf-8"?>
<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>
<D:locktype><D:write/></D:locktype><D:owner><D:href>casper</D:href></D:owner></D:lockinfo>"#;

const PROPFIND: &[u8] = br#"<?xml version="1.0" encoding="utf-8"?>
<D:propfind xmlns:D="DAV:"><D:prop><D:getlastmodified/><D:getcontentlength/><D:creationdate/>
<D:resourcetype/></D:prop></D:propfind>"#;

async fn look(client: &WebDav, path: &str) -> u16 {
    client.ask("PROPFIND", path, &[("depth", "0")], PROPFIND).await.status
}

/// The empty file, the lock, the bytes, the end of the lock.
async fn write(client: &WebDav, path: &str, bytes: &[u8]) {
    assert_eq!(look(client, path).await, 404, "{path}");
    assert_eq!(client.ask("PUT", path, &[], b"").await.status, 201, "{path}");
    assert_eq!(look(client, path).await, 207, "{path}");
    let lock = client.ask("LOCK", path, &[("depth", "0"), ("timeout", "Second-600")], LOCK).await;
    assert_eq!(lock.status, 200, "{path}: {}", lock.text());
    let token = lock.header("lock-token").unwrap().to_owned();
    let (claim, length) = (format!("({token})"), bytes.len().to_string());
    let headers = [("if", claim.as_str()), ("x-expected-entity-length", length.as_str())];
    let sending = client.begin(path, &headers);
    for piece in bytes.chunks(16 << 10) {
        assert!(sending.piece(piece).await);
    }
    let written = sending.end().await;
    assert_eq!(written.status, 204, "{path}: {}", written.text());
    assert_eq!(look(client, path).await, 207, "{path}");
    let refresh = client.ask("LOCK", path, &[("if", claim.as_str())], b"").await;
    assert_eq!(refresh.status, 200, "{path}: {}", refresh.text());
    let unlock = [("lock-token", token.as_str())];
    assert_eq!(client.ask("UNLOCK", path, &unlock, b"").await.status, 204, "{path}");
    assert_eq!(look(client, path).await, 207, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_dragged_into_a_folder_is_published_and_nothing_else() {
    let (stage, casper) = root().await;
    let bytes = package(&stage, "One.pkg");
    let options = casper.ask("OPTIONS", "/Packages/", &[], b"").await;
    assert_eq!(options.header("dav"), Some("1, 2"), "Finder mounts read-only without class 2");
    assert_eq!(look(&casper, "/Packages/").await, 207);
    for name in [".metadata_never_index", ".Spotlight-V100", "._."] {
        assert_eq!(look(&casper, &format!("/Packages/{name}")).await, 404);
    }
    let quota = br#"<D:propfind xmlns:D="DAV:"><D:prop><D:quota-available-bytes/>
        <D:quota-used-bytes/></D:prop></D:propfind>"#;
    let quota = casper.ask("PROPFIND", "/Packages/", &[("depth", "0")], quota).await;
    assert!(quota.text().contains("quota-available-bytes>"), "{}", quota.text());

    write(&casper, "/Packages/Dragged.pkg", &bytes).await;
    write(&casper, "/Packages/._Dragged.pkg", &[0; 4096]).await;
    write(&casper, "/Packages/.DS_Store", &[1; 6148]).await;
    assert_eq!(casper.ask("GET", "/Packages/Dragged.pkg", &[], b"").await.body, bytes);
    assert_eq!(casper.ask("GET", "/Packages/._Dragged.pkg", &[], b"").await.status, 404);
    let list = stage.system.xylem(&["package", "list", "--json"]).await.unwrap();
    assert_eq!(list.matches("\"current\"").count(), 1, "{list}");

    // What is only seen is renamed and deleted like anything else.
    let to = [("destination", "/Packages/._Other.pkg")];
    assert_eq!(casper.ask("MOVE", "/Packages/._Dragged.pkg", &to, b"").await.status, 201);
    assert_eq!(casper.ask("DELETE", "/Packages/._Other.pkg", &[], b"").await.status, 204);
    let reader = WebDav::account(&stage, "root", "reader", "--read").await;
    assert_eq!(names(&reader, "/Packages/").await, ["Dragged.pkg"]);
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_shorter_than_finder_said_is_not_published() {
    let (stage, casper) = root().await;
    let bytes = package(&stage, "One.pkg");
    let more = (bytes.len() + 1).to_string();
    let sending = casper.begin("/Packages/Short.pkg", &[("x-expected-entity-length", &more)]);
    assert!(sending.piece(&bytes).await);
    let refused = sending.end().await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.text().contains("nothing was kept"), "{}", refused.text());
    assert!(names(&casper, "/Packages/").await.is_empty());
    stage.clear().await;
}
