//! Manifests: making and fetching them.

use std::time::Duration;

use http::Request;
use serde_json::json;
use xylem_api::catalogue::DeclareUpload;
use xylem_api::digests::ReportedDigests;
use xylem_api::error::ErrorCode;
use xylem_api::ingest::Ingested;
use xylem_api::manifests::{MAX_HOURS, NewManifest};
use xylem_api::tree::ChangeDistributionServer;
use xylem_client::{ClientError, NamedKind, empty_body};
use xylem_model::{ContentId, FileKind, Stamp};
use xylem_trust::{Envelope, Operation, SigningKey, Ticket};

use crate::digests::computed;
use crate::harness::{FakeServer, Harness, declaration, found, present, refusal};

/// Publishes a file of which the inspection found this.
async fn publish(
    harness: &Harness,
    root: &FakeServer,
    (kind, name): (FileKind, &str),
    bytes: &[u8],
    content: serde_json::Value,
) {
    let declared = DeclareUpload { kind, replace: true, ..declaration(name, bytes) };
    let upload = harness.admin().declare_upload(&declared).await.unwrap();
    let inspection = json!({ "size_bytes": 3, "display_name": null, "version": null, "warnings": [],
        "content": content });
    let found = Ingested { inspection, ..found(bytes) };
    root.control.ingested(upload.id, &found).await.unwrap();
    root.control.published(upload.id).await.unwrap();
    root.report(Stamp::default(), vec![present(bytes)]).await;
}

fn app() -> serde_json::Value {
    json!({ "format": "mobile_app", "identifier": "org.example.depot", "name": "Depot",
        "version": "1.0", "build_version": "7" })
}

async fn tell(root: &FakeServer, bytes: &[u8]) {
    let told = ReportedDigests::from(&computed(bytes));
    root.control.tell_digests(&ContentId::of(bytes), &told).await.unwrap();
}

/// What a device gets that shows nothing.
async fn fetch(harness: &Harness, url: &str) -> Result<(String, String), ClientError> {
    let path = url.strip_prefix("https://127.0.0.1:8443").unwrap();
    let request = Request::get(path).body(empty_body()).unwrap();
    let answer = harness.transport(None).send(&harness.url, request).await?;
    let media = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let bytes = answer.into_body().collect(1 << 20).await.unwrap();
    Ok((media, String::from_utf8(bytes.to_vec()).unwrap()))
}

#[tokio::test]
async fn an_apps_manifest_is_fetched_by_its_address_until_that_ends() {
    let harness = Harness::start().await;
    let root = harness.server("root").await;
    publish(&harness, &root, (FileKind::App, "My app.ipa"), b"one", app()).await;
    let admin = harness.admin();
    let make = async || {
        let asked = NewManifest { hours: Some(2), ..NewManifest::default() };
        admin.make_manifest(FileKind::App, "My app.ipa", &asked).await
    };
    assert!(matches!(make().await, Err(ClientError::Answer { status: 503, .. })), "no digests yet");
    tell(&root, b"one").await;
    let made = make().await.unwrap();
    assert_eq!(made.server, "root");
    assert!(made.url.starts_with("https://root.example.org:443/Apps/My%20app%2Eipa?ticket="));
    assert!(made.plist.contains(&made.url) && made.plist.contains("org.example.depot"));
    let url = made.manifest_url.unwrap();
    let link = made.install_link.unwrap();
    assert!(link.starts_with("itms-services://?action=download-manifest&url=https%3A%2F%2F127"));

    let ticket: Ticket = {
        let (_, text) = made.url.split_once("ticket=").unwrap();
        let envelope = Envelope::from_header(text).unwrap();
        root.trust.open(&envelope, crate::harness::START).unwrap()
    };
    assert_eq!(ticket.operation, Operation::Device { content: ContentId::of(b"one") });
    assert_eq!((ticket.holder, ticket.expires), (None, made.expires_at));

    let audit = admin.audit(None).await.unwrap().items;
    let noted = audit.iter().find(|it| it.action == "file.manifest").unwrap();
    assert_eq!((&*noted.object, &noted.detail["hours"]), ("My app.ipa", &json!(2)));

    let (media, text) = fetch(&harness, &url).await.unwrap();
    assert_eq!(media, "application/xml");
    assert!(text.contains("<key>bundle-version</key>") && text.contains("<string>7</string>"));
    let (_, of_the_file) = made.url.split_once("ticket=").unwrap();
    let (bare, text) = url.split_once("ticket=").unwrap();
    // The same in every word, signed by another key.
    let envelope = Envelope::from_header(text).unwrap();
    let same: Ticket = serde_json::from_slice(&envelope.payload).unwrap();
    let rogue = SigningKey::from_seed(&[7; 32]).unwrap();
    let forged = Envelope::sign(&same, &[&rogue]).unwrap().to_header();
    let (code, why) = refusal(fetch(&harness, &format!("{bare}ticket={forged}")).await);
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(why.contains("signatures"), "{why}");
    let (code, why) = refusal(fetch(&harness, &format!("{bare}ticket={of_the_file}")).await);
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(why.contains("not for a manifest"), "{why}");

    publish(&harness, &root, (FileKind::App, "My app.ipa"), b"two", app()).await;
    let (code, why) = refusal(fetch(&harness, &url).await);
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(why.contains("replaced"), "{why}");
    tell(&root, b"two").await;
    let url = make().await.unwrap().manifest_url.unwrap();
    harness.clock.advance(Duration::from_secs(2 * 3600 - 1));
    fetch(&harness, &url).await.unwrap();
    harness.clock.advance(Duration::from_secs(1));
    let (code, why) = refusal(fetch(&harness, &url).await);
    assert_eq!(code, ErrorCode::Forbidden);
    assert!(why.contains("expired"), "{why}");
}

#[tokio::test]
async fn a_book_needs_no_digests_and_what_has_no_manifest_says_why() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("child").await);
    let book = json!({ "format": "book", "kind": "pdf", "title": "Map", "creators": [],
        "version": null });
    publish(&harness, &root, (FileKind::Ebook, "Map.pdf"), b"map", book).await;
    let admin = harness.admin();
    let ask = async |kind, name: &str, asked: &NewManifest| {
        refusal(admin.make_manifest(kind, name, asked).await)
    };
    let plain = NewManifest::default();
    let made = admin.make_manifest(FileKind::Ebook, "Map.pdf", &plain).await.unwrap();
    assert!(made.plist.contains("InstallMedia") && made.plist.contains(&made.url));
    assert_eq!((made.manifest_url, made.install_link), (None, None));

    let at_child = NewManifest { server: Some("child".into()), ..plain.clone() };
    let (code, why) = ask(FileKind::Ebook, "Map.pdf", &at_child).await;
    assert_eq!(code, ErrorCode::Conflict);
    assert!(why.contains("`child` does not hold `Map.pdf`"), "{why}");
    child.report(Stamp::default(), vec![present(b"map")]).await;
    let made = admin.make_manifest(FileKind::Ebook, "Map.pdf", &at_child).await.unwrap();
    assert!(made.url.starts_with("https://child.example.org:443/eBooks/Map%2Epdf?ticket="));
    let nowhere = NewManifest { server: Some("nowhere".into()), ..plain.clone() };
    assert_eq!(ask(FileKind::Ebook, "Map.pdf", &nowhere).await.0, ErrorCode::NotFound);
    let longest = NewManifest { hours: Some(MAX_HOURS), ..plain.clone() };
    admin.make_manifest(FileKind::Ebook, "Map.pdf", &longest).await.unwrap();
    for hours in [0, MAX_HOURS + 1] {
        let asked = NewManifest { hours: Some(hours), ..plain.clone() };
        assert_eq!(ask(FileKind::Ebook, "Map.pdf", &asked).await.0, ErrorCode::BadRequest);
    }

    let component = json!({ "format": "flat_package", "kind": "component", "identifier": "a",
        "version": "1", "signature": null, "components": [] });
    publish(&harness, &root, (FileKind::Package, "A.pkg"), b"one", component).await;
    // That is said before its digests, which would not help.
    let (code, why) = ask(FileKind::Package, "A.pkg", &plain).await;
    assert_eq!(code, ErrorCode::Refused);
    assert!(why.contains("productbuild"), "{why}");
}

#[tokio::test]
async fn devices_are_sent_to_their_site_and_elsewhere_once_that_server_gives_it_no_more() {
    let harness = Harness::start().await;
    let (root, child) = (harness.server("root").await, harness.server("child").await);
    let admin = harness.admin();
    admin.add_name(NamedKind::Site, "Campus").await.unwrap();
    let to_campus = ChangeDistributionServer {
        site: Some("Campus".into()),
        ..ChangeDistributionServer::default()
    };
    admin.change_distribution_server("child", &to_campus).await.unwrap();
    publish(&harness, &root, (FileKind::App, "A.ipa"), b"one", app()).await;
    tell(&root, b"one").await;
    let at =
        |site: Option<&str>| NewManifest { site: site.map(Into::into), ..NewManifest::default() };
    let made = async |asked: NewManifest| {
        admin.make_manifest(FileKind::App, "A.ipa", &asked).await.unwrap()
    };
    assert_eq!(made(at(Some("Campus"))).await.server, "root", "nobody else holds it");
    child.report(Stamp::default(), vec![present(b"one")]).await;
    assert_eq!(made(at(None)).await.server, "root", "nobody said where");
    let campus = made(at(Some("Campus"))).await;
    assert_eq!(campus.server, "child");
    let both = NewManifest { server: Some("child".into()), ..at(Some("Campus")) };
    let (code, why) = refusal(admin.make_manifest(FileKind::App, "A.ipa", &both).await);
    assert_eq!(code, ErrorCode::BadRequest);
    assert!(why.contains("not both"), "{why}");
    let nowhere = admin.make_manifest(FileKind::App, "A.ipa", &at(Some("Nowhere"))).await;
    assert_eq!(refusal(nowhere).0, ErrorCode::NotFound);

    let url = campus.manifest_url.unwrap();
    assert!(fetch(&harness, &url).await.unwrap().1.contains("https://child.example.org"));
    let settings = Some(json!({ "maintenance": true }));
    let in_maintenance =
        ChangeDistributionServer { settings, ..ChangeDistributionServer::default() };
    admin.change_distribution_server("child", &in_maintenance).await.unwrap();
    let (_, text) = fetch(&harness, &url).await.unwrap();
    assert!(text.contains("https://root.example.org"), "{text}");
}
