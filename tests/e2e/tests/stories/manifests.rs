//! Manifests for devices, with the commands that make them.

use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use serde_json::Value;
use xylem_artifact::build::{ComponentBuilder, PackageBuilder, ProductBuilder, Signer, Source};
use xylem_testkit::{Stage, WebDav, small_package};

fn signed_product(folder: &Path, name: &str) -> PathBuf {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap().der().to_vec();
    let component = ComponentBuilder::new("org.example.tool.part", "1.0")
        .in_folder("tool.pkg")
        .file("tool", 0o755, Source::random(3, 500_000));
    let product = ProductBuilder::new("Tool", "org.example.tool", "1.0").with(component);
    let path = folder.join(name);
    let signer = Signer::new(&key.serialize_der(), vec![certificate]).unwrap();
    PackageBuilder::product(product).signed_by(signer).write_to(&path).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_fetches_a_package_by_what_its_manifest_says_and_nothing_else() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    let package = signed_product(stage.path(), "Tool.pkg");
    stage.publish(&package).await;
    stage.publish(&small_package(stage.path(), "Small.pkg")).await;

    let make = ["package", "manifest", "Tool.pkg", "--server", "root", "--json"];
    let system = &stage.system;
    xylem_testkit::eventually("the digests are there", || async {
        system.xylem(&make).await.is_ok()
    })
    .await;
    let made: Value = serde_json::from_str(&system.xylem(&make).await.unwrap()).unwrap();
    let url = made["url"].as_str().unwrap();
    let device = WebDav::nobody(&stage, "root").await;
    let path = url.split_once("/Packages/").unwrap().1;
    let fetched = device.ask("GET", &format!("/Packages/{path}"), &[], b"").await;
    assert_eq!((fetched.status, fetched.body), (200, std::fs::read(&package).unwrap()));
    let without = device.ask("GET", "/Packages/Tool.pkg", &[], b"").await;
    assert_eq!(without.status, 401);

    let manifest_url = made["manifest_url"].as_str().unwrap();
    let (server, path) = manifest_url.split_once("/v1/").unwrap();
    let fetched = device.at(server).ask("GET", &format!("/v1/{path}"), &[], b"").await;
    assert_eq!(fetched.status, 200, "{}", fetched.text());
    assert!(fetched.text().contains("<string>org.example.tool</string>"), "{}", fetched.text());
    let plist = system.xylem(&["package", "manifest", "Tool.pkg", "--plist"]).await.unwrap();
    assert!(plist.starts_with("<?xml") && plist.contains("sha256s"), "{plist}");

    let refused = system.xylem(&["package", "manifest", "Small.pkg"]).await;
    assert!(format!("{refused:?}").contains("productbuild"), "{refused:?}");
    stage.clear().await;
}
