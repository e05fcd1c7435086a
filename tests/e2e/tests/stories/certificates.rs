//! A certificate that an administrator brings along for browsers and Finder.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use time::{Duration, OffsetDateTime};
use xylem_testkit::{Stage, WebDav, eventually, package_of};

/// An organisation that signs for the loopback address.
struct Organization {
    key: KeyPair,
    root: rcgen::Certificate,
}

impl Organization {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "Example School District");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { root: params.self_signed(&key).unwrap(), key }
    }

    /// Writes a chain that is good for some days, and its key.
    fn sign(&self, folder: &Path, days: i64) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "files.example.org");
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
        params.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_ca_cert_der(self.root.der(), &self.key).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let (chain, secret) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, leaf.pem() + &self.root.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        (chain, secret)
    }
}

async fn set(stage: &Stage, server: Option<&str>, files: &(PathBuf, PathBuf)) -> String {
    let (chain, key) = (files.0.to_str().unwrap(), files.1.to_str().unwrap());
    let mut words = match server {
        Some(server) => vec!["ds", "certificate", "set", server],
        None => vec!["certificate", "set"],
    };
    words.extend(["--chain", chain, "--key", key]);
    match stage.system.xylem(&words).await {
        Ok(said) => said,
        Err(error) => format!("{error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_are_shown_an_own_certificate_and_our_programs_are_not() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("campus", Some("root"))]).await;
    stage.system.add_computer("mac", None).await.unwrap();
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 1 << 20)).await;
    stage.present_on("A.pkg", &["root", "campus"]).await;
    let organization = Organization::new();
    let root = stage.path().join("organization.pem");
    std::fs::write(&root, organization.root.pem()).unwrap();

    // Finder believes the organisation and nobody else.
    let reader = WebDav::account(&stage, "root", "reader", "--read").await;
    let finder = reader.believing(&root);
    assert!(finder.try_ask("GET", "/Packages/A.pkg").await.is_err(), "not yet");
    let good = organization.sign(stage.path(), 90);
    assert!(set(&stage, Some("root"), &good).await.contains("root"));
    eventually("the certificate is shown", || async {
        finder.try_ask("GET", "/Packages/A.pkg").await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    eventually("it is told", || async {
        let shown = stage.system.xylem(&["ds", "show", "root"]).await.unwrap();
        shown.contains("files.example.org, from administrator")
    })
    .await;
    assert!(!stage.system.xylem(&["status"]).await.unwrap().contains("runs out"));

    // Children, agents and the management server go on by the built-in authority.
    stage.publish(&package_of(stage.path(), "B.pkg", 2, 1 << 20)).await;
    stage.present_on("B.pkg", &["root", "campus"]).await;
    assert_eq!(stage.install("B.pkg", "mac").await.result, "installed");

    // What does not fit is refused, and changes nothing.
    let other = Organization::new().sign(&stage.path().join("system"), 90);
    let mixed = (good.0.clone(), other.1);
    assert!(set(&stage, Some("root"), &mixed).await.contains("does not belong to the first"));
    // One that ends soon is taken, and spoken of. It outlives a restart.
    let short = organization.sign(stage.path(), 10);
    set(&stage, Some("root"), &short).await;
    eventually("it is spoken of", || async {
        let said = stage.system.xylem(&["status"]).await.unwrap();
        said.contains("the certificate of root soon runs out")
    })
    .await;
    stage.system.kill("root").await.unwrap();
    stage.system.start_distribution_server("root").await.unwrap();
    eventually("it is shown again", || async {
        finder.afresh().try_ask("GET", "/Packages/A.pkg").await.is_ok()
    })
    .await;

    stage.system.xylem(&["ds", "certificate", "forget", "root"]).await.unwrap();
    eventually("the built-in one is shown again", || async {
        finder.afresh().try_ask("GET", "/Packages/A.pkg").await.is_err()
    })
    .await;
    assert_eq!(reader.afresh().ask("GET", "/Packages/A.pkg", &[], b"").await.status, 200);

    // The management server's own, which `xylem` does not even see.
    assert!(set(&stage, None, &good).await.contains("from administrator"));
    assert!(stage.system.xylem(&["certificate", "show"]).await.unwrap().contains("files.example"));
    stage.system.xylem(&["certificate", "forget"]).await.unwrap();
    stage.clear().await;
}
