use serde_json::json;
use xylem_model::{Md5, Sha256};

use super::*;

/// Keys that Apple's schema has and has not removed, with their types and whether they must be there:
/// `other/manifesturl.yaml` and `mdm/commands/media.install.yaml` of Apple's device-management.
const ASSET: &[(&str, &str, bool)] = &[
    ("kind", "string", true),
    ("url", "string", true),
    ("md5-size", "integer", false),
    ("md5s", "strings", false),
    ("sha256-size", "integer", false),
    ("sha256s", "strings", false),
    ("needs-shine", "boolean", false),
];
const METADATA: &[(&str, &str, bool)] = &[
    ("kind", "string", true),
    ("bundle-identifier", "string", true),
    ("bundle-version", "string", false),
    ("title", "string", true),
    ("subtitle", "string", false),
];
const BOOK: &[(&str, &str, bool)] = &[
    ("RequestType", "string", true),
    ("MediaType", "string", true),
    ("MediaURL", "string", true),
    ("PersistentID", "string", true),
    ("Kind", "string", false),
    ("Title", "string", false),
    ("Author", "string", false),
    ("Version", "string", false),
];

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::Integer(_) => "integer",
        Value::Boolean(_) => "boolean",
        Value::Array(all) if all.iter().all(|it| type_of(it) == "string") => "strings",
        _ => "another",
    }
}

fn check(found: &Dictionary, schema: &[(&str, &str, bool)]) {
    for (key, value) in found {
        let known = schema.iter().find(|(name, ..)| name == key);
        assert_eq!(known.map(|(_, wanted, _)| *wanted), Some(type_of(value)), "{key}");
    }
    for (key, _, required) in schema {
        assert!(!required || found.contains_key(key), "{key} is lacking");
    }
}

fn made(
    kind: FileKind,
    name: &str,
    inspection: serde_json::Value,
    md5: bool,
) -> Result<Dictionary, Unfit> {
    let chunks = ChunkDigests {
        sha256: vec![Sha256::from_bytes([0xaa; 32]), Sha256::from_bytes([0xbb; 32])],
        md5: vec![Md5::from_bytes([0xcc; 16]), Md5::from_bytes([0xdd; 16])],
    };
    let subject = Subject {
        file: FileId::from_parts(1, &[1; 10]),
        kind,
        name: &FileName::new(name).unwrap(),
        version: 3,
        inspection: &inspection,
        chunks: &chunks,
        md5,
        url: "https://ds.example.org/Packages/A.pkg?ticket=x",
    };
    let xml = subject.plist()?;
    assert!(xml.starts_with("<?xml"), "{xml}");
    Ok(Value::from_reader_xml(xml.as_bytes()).unwrap().into_dictionary().unwrap())
}

/// The only item of a manifest: its only asset, and its metadata.
fn item(manifest: &Dictionary) -> (Dictionary, Dictionary) {
    let item = manifest["items"].as_array().unwrap()[0].as_dictionary().unwrap();
    let asset = item["assets"].as_array().unwrap()[0].as_dictionary().unwrap();
    (asset.clone(), item["metadata"].as_dictionary().unwrap().clone())
}

fn product() -> serde_json::Value {
    json!({ "size_bytes": 5, "display_name": "Tools", "version": "1.2", "warnings": [], "content": {
        "format": "flat_package", "kind": "product", "identifier": "org.example.tools",
        "version": "1.2", "signature": { "rsa": "matches", "cms": "not_checked" },
        "components": [] } })
}

#[test]
fn a_signed_product_archive_has_a_manifest_of_apples_schema() {
    let (asset, metadata) = item(&made(FileKind::Package, "A.pkg", product(), false).unwrap());
    check(&asset, ASSET);
    check(&metadata, METADATA);
    assert_eq!(asset["kind"], text("software-package"));
    assert_eq!(asset["url"], text("https://ds.example.org/Packages/A.pkg?ticket=x"));
    assert_eq!(asset["sha256-size"], Value::Integer(10_485_760.into()));
    let digests = Value::Array(vec![text(&"aa".repeat(32)), text(&"bb".repeat(32))]);
    assert_eq!(asset["sha256s"], digests);
    assert!(!asset.contains_key("md5s"));
    assert_eq!(metadata["bundle-identifier"], text("org.example.tools"));
    assert_eq!(metadata["bundle-version"], text("1.2"));
    assert_eq!((&metadata["title"], &metadata["kind"]), (&text("Tools"), &text("software")));
}

#[test]
fn old_systems_get_md5() {
    let (asset, _) = item(&made(FileKind::Package, "A.pkg", product(), true).unwrap());
    check(&asset, ASSET);
    assert_eq!(asset["md5-size"], Value::Integer(10_485_760.into()));
    assert_eq!(asset["md5s"], Value::Array(vec![text(&"cc".repeat(16)), text(&"dd".repeat(16))]));
    assert!(!asset.contains_key("sha256s"));
}

#[test]
fn an_app_has_a_manifest_of_apples_schema() {
    let inspection = json!({ "display_name": "Depot", "content": { "format": "mobile_app",
        "identifier": "org.example.depot", "name": null, "version": "2.1", "build_version": "77" } });
    let (asset, metadata) = item(&made(FileKind::App, "Depot.ipa", inspection, false).unwrap());
    check(&asset, ASSET);
    check(&metadata, METADATA);
    assert_eq!(metadata["bundle-identifier"], text("org.example.depot"));
    assert_eq!((&metadata["bundle-version"], &metadata["title"]), (&text("77"), &text("Depot")));
}

#[test]
fn a_book_has_a_command_of_apples_schema() {
    let inspection = json!({ "display_name": "Trees", "content": { "format": "book", "kind": "epub",
        "title": "Trees & roots", "creators": ["A. Alder", "B. Birch"], "version": null } });
    let command = made(FileKind::Ebook, "Trees.epub", inspection, false).unwrap();
    check(&command, BOOK);
    assert_eq!((&command["Kind"], &command["Version"]), (&text("epub"), &text("3")));
    let (title, author) = (&command["Title"], &command["Author"]);
    assert_eq!((title, author), (&text("Trees & roots"), &text("A. Alder, B. Birch")));
    let bare = json!({ "display_name": null, "content": { "format": "book", "kind": "pdf",
        "title": null, "creators": [], "version": "9" } });
    let command = made(FileKind::Ebook, "Map.v2.pdf", bare, false).unwrap();
    check(&command, BOOK);
    assert_eq!((&command["Title"], &command["Version"]), (&text("Map.v2"), &text("9")));
}

#[test]
fn what_a_device_would_not_take_is_refused_with_the_reason() {
    let refused = |kind, name, change: &dyn Fn(&mut serde_json::Value)| {
        let mut inspection = product();
        change(&mut inspection["content"]);
        made(kind, name, inspection, false).unwrap_err().to_string()
    };
    let package =
        |change: &dyn Fn(&mut serde_json::Value)| refused(FileKind::Package, "A.pkg", change);
    let component = package(&|it| it["kind"] = json!("component"));
    assert!(component.contains("`A.pkg`") && component.contains("productbuild"), "{component}");
    let unsigned = package(&|it| it["signature"] = json!(null));
    assert!(unsigned.contains("not signed"), "{unsigned}");
    for signature in [
        json!({ "rsa": "differs", "cms": "matches" }),
        json!({ "rsa": "not_checked", "cms": null }),
    ] {
        let wrong = package(&|it| it["signature"] = signature.clone());
        assert!(wrong.contains("its signature is not one over"), "{wrong}");
    }
    assert!(package(&|it| it["identifier"] = json!(null)).contains("no identifier"));
    let image = package(&|it| it["format"] = json!("disk_image"));
    assert!(image.contains("no installer package"), "{image}");
    assert!(package(&|it| *it = json!(null)).contains("not known here"));
}

#[test]
fn a_version_is_told_where_there_is_one() {
    let mut inspection = product();
    inspection["content"]["version"] = json!(null);
    let (_, metadata) = item(&made(FileKind::Package, "A.pkg", inspection, false).unwrap());
    check(&metadata, METADATA);
    assert!(!metadata.contains_key("bundle-version"));
    let app = json!({ "display_name": null, "content": { "format": "mobile_app", "identifier": "a",
        "name": null, "version": null, "build_version": null } });
    let (_, metadata) = item(&made(FileKind::App, "A.ipa", app, false).unwrap());
    check(&metadata, METADATA);
}
