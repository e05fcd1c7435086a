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

/// An ACME authority that runs: Debian's `pebble`.
struct Pebble {
    child: std::process::Child,
    directory: String,
    management: String,
    /// By which its own port is believed.
    root: PathBuf,
}

impl Pebble {
    /// Starts one that proves names at the port of a URL.
    async fn start(folder: &Path, proves_at: &str) -> Self {
        let (organization, listen) = (Organization::new(), xylem::system::free_address().unwrap());
        let management = xylem::system::free_address().unwrap();
        let folder = folder.join("pebble");
        std::fs::create_dir(&folder).unwrap();
        let (chain, key) = organization.sign(&folder, 10);
        let root = folder.join("root.pem");
        std::fs::write(&root, organization.root.pem()).unwrap();
        let port = proves_at.rsplit(':').next().unwrap().trim_end_matches('/');
        let config = folder.join("config.json");
        let text = format!(
            r#"{{"pebble": {{"listenAddress": "{listen}", "managementListenAddress": "{management}",
            "certificate": {chain:?}, "privateKey": {key:?}, "httpPort": 1, "tlsPort": {port}}}}}"#
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        // `cargo xtask test` installs it.
        let child = std::process::Command::new("pebble")
            .args(["-strict", "-config"])
            .arg(&config)
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        eventually("pebble listens", || async {
            tokio::net::TcpStream::connect(&listen).await.is_ok()
        })
        .await;
        Self {
            child,
            directory: format!("https://{listen}/dir"),
            management: format!("https://{management}"),
            root,
        }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn shown(stage: &Stage, wanted: &str) {
    eventually(wanted, || async {
        stage.system.xylem(&["ds", "show", "campus"]).await.unwrap().contains(wanted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_gets_its_certificate_from_an_acme_authority() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("campus", Some("root"))]).await;
    stage.publish(&package_of(stage.path(), "A.pkg", 1, 1 << 20)).await;
    stage.present_on("A.pkg", &["root", "campus"]).await;
    let reader = WebDav::account(&stage, "campus", "reader", "--read").await;
    let url = stage.system.access().admin.distribution_server("campus").await.unwrap().public_url;
    // An authority that is not there is spoken of, and harms nobody.
    let nowhere = ["--directory", "https://127.0.0.1:1/dir", "--contact", "it@example.org"];
    let acme = ["ds", "certificate", "acme", "campus"];
    stage.system.xylem(&[acme.as_slice(), &nowhere].concat()).await.unwrap();
    shown(&stage, "the ACME authority gives no certificate").await;
    assert!(stage.system.xylem(&["status"]).await.unwrap().contains("campus: the ACME"));

    let pebble = Pebble::start(stage.path(), &url).await;
    let there = ["--directory", &pebble.directory, "--ca", pebble.root.to_str().unwrap()];
    stage.system.xylem(&[acme.as_slice(), &there].concat()).await.unwrap();
    shown(&stage, "from acme").await;
    let issuer = reader.believing(&pebble.root).at(&pebble.management);
    let root = stage.path().join("pebble-root.pem");
    std::fs::write(&root, issuer.ask("GET", "/roots/0", &[], b"").await.body).unwrap();
    let finder = reader.believing(&root);
    assert_eq!(finder.ask("GET", "/Packages/A.pkg", &[], b"").await.status, 200);
    assert!(!stage.system.xylem(&["status"]).await.unwrap().contains("ACME"));

    // It is kept: after a restart it is there although the authority is not.
    drop(pebble);
    stage.system.kill("campus").await.unwrap();
    stage.system.start_distribution_server("campus").await.unwrap();
    eventually("it is shown again", || async {
        finder.afresh().try_ask("GET", "/Packages/A.pkg").await.is_ok()
    })
    .await;
    stage.system.xylem(&[acme.as_slice(), &["--off"]].concat()).await.unwrap();
    shown(&stage, "from built-in").await;
    stage.clear().await;
}
