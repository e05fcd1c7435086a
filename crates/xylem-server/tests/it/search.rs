//! Files found by what the inspection of their newest version says.

use serde_json::json;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::Ingested;
use xylem_client::FileSearch;
use xylem_model::FileKind;

use crate::harness::{Harness, found, refusal};

#[tokio::test]
async fn files_are_found_by_text_team_and_identifier() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    for (name, team) in [("A.pkg", "ABCDE12345"), ("B.pkg", "OTHER00000")] {
        let upload = harness.declare(name, name.as_bytes()).await;
        let inspection = json!({ "content": { "format": "flat_package",
            "identifier": format!("org.example.{name}"), "signature": { "team": team } } });
        let found = Ingested { inspection, ..found(name.as_bytes()) };
        root.control.ingested(upload.id, &found).await.unwrap();
        root.control.published(upload.id).await.unwrap();
    }
    let find = async |search: FileSearch| {
        let page = admin.find_files(&search, None).await.unwrap();
        assert!(page.next.is_none());
        page.items.into_iter().map(|file| file.name.to_string()).collect::<Vec<_>>()
    };
    let of = |text: &str| Some(text.to_owned());
    let text = |it: &str| FileSearch { text: of(it), ..FileSearch::default() };
    assert_eq!(find(text("Example")).await, ["A.pkg", "B.pkg"]);
    assert_eq!(find(text("example.a")).await, ["A.pkg"]);
    assert!(find(text("flat_package")).await.is_empty());
    assert_eq!(find(FileSearch { team: of("other00000"), ..text("org") }).await, ["B.pkg"]);
    let identifier = FileSearch { identifier: of("org.example.b.pkg"), ..FileSearch::default() };
    assert_eq!(find(identifier).await, ["B.pkg"]);
    assert!(find(FileSearch { kind: Some(FileKind::App), ..text("org") }).await.is_empty());
    let after = admin.find_files(&text("org"), Some("A.pkg")).await.unwrap();
    assert_eq!(after.items.len(), 1);
    assert_eq!(find(FileSearch::default()).await.len(), 2, "nothing is asked for");

    for (search, why) in [
        (text(" "), "nothing in it to search for"),
        (text(&"x".repeat(256)), "at most 255"),
        (FileSearch { team: of(""), ..FileSearch::default() }, "nothing in it to search for"),
    ] {
        let (code, told) = refusal(admin.find_files(&search, None).await);
        assert_eq!(code, ErrorCode::BadRequest);
        assert!(told.contains(why), "{told}");
    }
}
