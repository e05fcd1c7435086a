//! Digests that come once an upload is acknowledged.

use aws_lc_rs::digest::{SHA512, digest};
use serde_json::Value;
use xylem_model::FileKind;
use xylem_testkit::{Stage, package_of};

const PARTS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_right_after_its_answer_still_tells_the_digests() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    let package = package_of(stage.path(), "Large.pkg", 1, 36 << 20);
    stage.publish(&package).await;
    stage.system.kill("root").await.unwrap();
    stage.system.start_distribution_server("root").await.unwrap();

    let admin = stage.system.access().admin.clone();
    xylem_testkit::eventually("the digests are there", || async {
        admin.digests(FileKind::Package, "Large.pkg").await.is_ok()
    })
    .await;
    let found = admin.digests(FileKind::Package, "Large.pkg").await.unwrap();
    let bytes = std::fs::read(&package).unwrap();
    let sha512 = hex::encode(digest(&SHA512, &bytes));
    assert_eq!(found.whole.sha512.to_hex(), sha512);
    assert_eq!((found.chunk_sha256.len(), found.chunk_md5.len()), (PARTS, PARTS));

    let shown = stage.system.xylem(&["package", "show", "Large.pkg"]).await.unwrap();
    assert!(shown.contains(&sha512) && !shown.contains("not computed yet"), "{shown}");
    let shown = stage.system.xylem(&["package", "show", "Large.pkg", "--json"]).await.unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["digests"]["sha512"], Value::from(sha512));
    stage.clear().await;
}
