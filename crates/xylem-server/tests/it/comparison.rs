//! Versions compared: in the answer of an upload, with the file, and when asked.

use serde_json::{Value, json};
use xylem_api::catalogue::{DeclareUpload, Upload};
use xylem_api::comparison::Comparison;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::Ingested;
use xylem_model::{FileKind, Severity};

use crate::harness::{FakeServer, Harness, declaration, found, refusal};

const KIND: FileKind = FileKind::Package;

/// What an inspection finds in a package of this version, signed by this team.
fn inspected(version: &str, team: Option<&str>) -> Value {
    let signature = team.map(|team| {
        json!({ "rsa": "matches", "cms": "matches", "team": team, "signer": "Example",
            "signer_kind": "developer_id_installer", "chain_to_apple_root": true })
    });
    json!({ "size_bytes": 3, "display_name": "Tool", "version": version, "warnings": [],
        "content": { "format": "flat_package", "identifier": "org.example.tool",
            "version": version, "signature": signature, "components": [] } })
}

/// Publishes the next version of a file; gives the answer that its uploader gets.
async fn publish(harness: &Harness, root: &FakeServer, bytes: &[u8], inspection: Value) -> Upload {
    let declared = DeclareUpload { replace: true, ..declaration("Tool.pkg", bytes) };
    commit(harness, root, &declared, bytes, inspection).await
}

async fn commit(
    harness: &Harness,
    root: &FakeServer,
    declared: &DeclareUpload,
    bytes: &[u8],
    inspection: Value,
) -> Upload {
    let upload = harness.admin().declare_upload(declared).await.unwrap();
    assert!(upload.comparison.is_none(), "nothing is known yet");
    let found = Ingested { inspection, ..found(bytes) };
    root.control.ingested(upload.id, &found).await.unwrap();
    root.control.published(upload.id).await.unwrap();
    harness.admin().upload(upload.id).await.unwrap()
}

fn said(it: &Comparison) -> Vec<(Severity, &str)> {
    it.findings.iter().map(|finding| (finding.severity, &*finding.code)).collect()
}

#[tokio::test]
async fn whoever_uploads_is_told_of_another_signer_and_so_is_everybody_after() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    let first = publish(&harness, &root, b"one", inspected("1.0", Some("ABCDE12345"))).await;
    let first = first.comparison.unwrap();
    assert_eq!((first.from, first.to, said(&first)), (None, 1, vec![]));
    let second = publish(&harness, &root, b"two", inspected("1.1", Some("ABCDE12345"))).await;
    let second = second.comparison.unwrap();
    assert_eq!((second.from, second.to, said(&second)), (Some(1), 2, vec![]));

    let third = publish(&harness, &root, b"six", inspected("1.2", Some("OTHER00000"))).await;
    let told = third.comparison.unwrap();
    assert_eq!((told.from, told.to), (Some(2), 3));
    assert_eq!(said(&told), [(Severity::Warning, "signer-changed")]);
    let message = &told.findings[0].message;
    assert!(message.contains("`OTHER00000`") && message.contains("`ABCDE12345`"), "{message}");
    assert_eq!(admin.file(KIND, "Tool.pkg").await.unwrap().comparison.as_ref(), Some(&told));
    let audit = admin.audit(None).await.unwrap().items;
    let commits: Vec<&Value> = audit
        .iter()
        .filter(|it| it.action == "upload.commit")
        .map(|it| &it.detail["warnings"])
        .collect();
    assert!(commits.contains(&&json!(["signer-changed"])), "{commits:?}");
    assert_eq!(commits.iter().filter(|it| ***it == json!([])).count(), 2);

    let asked = admin.compare(KIND, "tool.PKG", None, None).await.unwrap();
    assert_eq!(asked, told);
    let gone = publish(&harness, &root, b"ten", inspected("1.3", None)).await.comparison.unwrap();
    assert_eq!(said(&gone), [(Severity::Warning, "signature-gone")]);
    let earlier = admin.compare(KIND, "Tool.pkg", Some(1), Some(2)).await.unwrap();
    assert_eq!((earlier.from, said(&earlier)), (Some(1), vec![]));
    let backwards = admin.compare(KIND, "Tool.pkg", Some(4), Some(1)).await.unwrap();
    let expected = [(Severity::Warning, "version-lower"), (Severity::Note, "signature-new")];
    assert_eq!(said(&backwards), expected);
}

#[tokio::test]
async fn what_only_waited_hides_nothing_from_a_comparison_with_what_everybody_has() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    publish(&harness, &root, b"one", inspected("1.0", Some("ABCDE12345"))).await;
    let waits = async |bytes: &[u8]| {
        let declared = DeclareUpload { test: true, ..declaration("Tool.pkg", bytes) };
        let of_another = inspected("1.1", Some("OTHER00000"));
        commit(&harness, &root, &declared, bytes, of_another).await.comparison.unwrap()
    };
    for (bytes, number) in [(b"two", 2), (b"six", 3)] {
        let told = waits(bytes).await;
        assert_eq!((told.from, told.to), (Some(1), number));
        assert_eq!(said(&told), [(Severity::Warning, "signer-changed")]);
        // Whoever looks at the file is told of the one that waits: it is what is decided on.
        assert_eq!(admin.file(KIND, "Tool.pkg").await.unwrap().comparison, Some(told));
    }
    admin.promote(KIND, "Tool.pkg", 3).await.unwrap();
    let promoted = admin.compare(KIND, "Tool.pkg", None, None).await.unwrap();
    assert_eq!((promoted.from, promoted.to), (Some(1), 3));
    assert_eq!(said(&promoted), [(Severity::Warning, "signer-changed")]);
    let audit = admin.audit(None).await.unwrap().items;
    let warned = audit.iter().filter(|it| it.detail["warnings"] == json!(["signer-changed"]));
    assert_eq!(warned.count(), 2, "each was compared with what was in production");
}

#[tokio::test]
async fn versions_that_there_are_not_cannot_be_compared() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    let admin = harness.admin();
    publish(&harness, &root, b"one", inspected("1.0", None)).await;
    for (from, to) in [(Some(2), None), (None, Some(0)), (Some(u64::MAX), Some(1))] {
        let (code, why) = refusal(admin.compare(KIND, "Tool.pkg", from, to).await);
        assert_eq!(code, ErrorCode::NotFound);
        assert!(why.contains("`Tool.pkg` has no version"), "{why}");
    }
    assert_eq!(refusal(admin.compare(KIND, "B.pkg", None, None).await).0, ErrorCode::NotFound);
    let of_another_kind = admin.compare(FileKind::App, "Tool.pkg", None, None).await;
    assert_eq!(refusal(of_another_kind).0, ErrorCode::NotFound);
}
