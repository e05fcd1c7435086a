//! Making the cloud the principal, through the API and the control link.

use xylem_api::cloud::{MakeCloudPrincipal, RemoveCloud};
use xylem_api::control_cloud::{AskCloudUpload, CloudUpload};
use xylem_api::error::ErrorCode;
use xylem_api::selection::{SelectFiles, SelectionRule};
use xylem_api::tree::HandOver;
use xylem_client::ClientError;
use xylem_db::CloudWork;
use xylem_model::{ContentId, Timestamp};
use xylem_testkit::S3Double;

use crate::cloud::{set, start};
use crate::harness::{FakeServer, Harness, found, refusal, sha256};

const AT_ONCE: MakeCloudPrincipal = MakeCloudPrincipal { fill: false };
const FILL: MakeCloudPrincipal = MakeCloudPrincipal { fill: true };

async fn with_a_file() -> (Harness, S3Double, FakeServer) {
    let (harness, double) = start().await;
    let root = harness.server("root").await;
    harness.admin().set_cloud(&set(&double)).await.unwrap();
    harness.publish(&root, "a.pkg", b"aa").await;
    (harness, double, root)
}

/// All that is wanted comes to be there, as far as the database is told.
async fn fill(harness: &Harness, root: &FakeServer) {
    let _ = root.control.cloud_next(&Default::default()).await.unwrap();
    let (database, now) = (&harness.database, harness.environment.clock.now());
    let point = database.cloud_point().await.unwrap().unwrap().id;
    let later = Timestamp::from_unix_ms(now.unix_ms() + 1_000);
    while let Some(copy) =
        database.take_from_cloud_wants(point, root.id, &[], now, later).await.unwrap()
    {
        let work = CloudWork { point, content: copy.content, server: root.id };
        assert!(database.note_cloud_proving(work).await.unwrap());
        assert!(database.note_cloud_present(work, None, now).await.unwrap());
    }
}

#[tokio::test]
async fn the_cloud_is_filled_and_becomes_the_principal_and_a_server_again() {
    let (harness, _double, root) = with_a_file().await;
    let admin = harness.admin();
    let (code, told) = refusal(admin.make_cloud_principal(&AT_ONCE).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(told.contains("1 contents, 2 B") && told.contains("a.pkg"), "{told}");
    let rule = SelectionRule { names: vec!["x*".to_owned()], ..SelectionRule::default() };
    let chosen = SelectFiles { rules: vec![rule], add: false };
    admin.select_for_cloud(&chosen).await.unwrap();
    let (code, told) = refusal(admin.make_cloud_principal(&AT_ONCE).await);
    assert!(code == ErrorCode::Conflict && told.contains("--everything"), "{told}");

    let told = admin.make_cloud_principal(&FILL).await.unwrap();
    assert_eq!((told.done, told.missing, told.missing_bytes), (false, 1, 2));
    assert_eq!((told.files, told.waits), (vec!["a.pkg".to_owned()], None));
    assert!(admin.cloud().await.unwrap().progress.unwrap().selection.is_none());
    admin.pause_cloud(true).await.unwrap();
    let told = admin.make_cloud_principal(&FILL).await.unwrap();
    assert!(told.waits.unwrap().contains("cloud resume"));
    admin.pause_cloud(false).await.unwrap();
    fill(&harness, &root).await;
    let told = admin.make_cloud_principal(&FILL).await.unwrap();
    assert!(told.done && told.root_epoch == 2, "{told:?}");
    assert!(admin.cloud().await.unwrap().point.unwrap().is_principal);
    let state = root.control.state().await.unwrap();
    assert!(state.is_principal && state.cloud_is_principal && state.root_epoch == Some(2));
    let audit = harness.database.audit_records(None, 20).await.unwrap();
    assert!(audit.iter().any(|it| it.action == "principal.set" && it.detail["root"] == "root"));

    let (code, told) = refusal(admin.select_for_cloud(&chosen).await);
    assert!(code == ErrorCode::Conflict && told.contains("principal"), "{told}");
    let (code, told) = refusal(admin.remove_cloud(RemoveCloud::default()).await);
    assert!(code == ErrorCode::Conflict && told.contains("principal set"), "{told}");
    // A root of which nobody has heard that it holds everything does not take over.
    let (code, _) = refusal(admin.make_principal("root", &HandOver::default()).await);
    assert_eq!(code, ErrorCode::Conflict);
    assert!(root.control.state().await.unwrap().cloud_is_principal);
}

#[tokio::test]
async fn an_upload_is_committed_once_it_is_in_the_cloud() {
    let (harness, _double, root) = with_a_file().await;
    let admin = harness.admin();
    fill(&harness, &root).await;
    assert!(admin.make_cloud_principal(&AT_ONCE).await.unwrap().done);
    let upload = harness.declare("b.pkg", b"bbb").await;
    let ingested = xylem_api::ingest::Ingested { root_epoch: Some(2), ..found(b"bbb") };
    match root.control.ingested(upload.id, &ingested).await {
        Err(ClientError::Answer { status: 503, body, .. }) => {
            assert!(body.message.contains("principal"), "{}", body.message);
        }
        other => panic!("503 was expected: {other:?}"),
    }
    let content = ContentId::of(b"bbb");
    let asked = AskCloudUpload { upload: upload.id, content, size: 3, sha256: sha256(b"bbb") };
    let told = root.control.cloud_upload(&asked).await.unwrap();
    assert!(matches!(told, CloudUpload::OnItsWay { .. }), "{told:?}");
    fill(&harness, &root).await;
    assert_eq!(root.control.cloud_upload(&asked).await.unwrap(), CloudUpload::There);
    root.control.ingested(upload.id, &ingested).await.unwrap();
    // What is committed waits for nothing, whatever becomes of the object.
    let point = harness.database.cloud_point().await.unwrap().unwrap().id;
    let now = harness.environment.clock.now();
    assert!(harness.database.note_cloud_lost(point, content, "gone", now).await.unwrap());
    assert_eq!(root.control.cloud_upload(&asked).await.unwrap(), CloudUpload::There);

    let other = harness.declare("c.pkg", b"cc").await;
    admin.cancel_upload(other.id).await.unwrap();
    let asked = AskCloudUpload { upload: other.id, ..asked };
    let (code, told) = refusal(root.control.cloud_upload(&asked).await);
    assert!(code == ErrorCode::Conflict && told.contains("cancelled"), "{told}");
}
