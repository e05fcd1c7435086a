//! The cloud as principal, by the real programs: what is uploaded is there before the catalogue names
//! it, and a root that lost everything comes back from there.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use xylem_model::FileKind;
use xylem_testkit::{
    S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, Stage, eventually, programs,
    small_package,
};

/// The host of the double, which is an address of one's own network.
const HOST: &str = "127.0.0.1";

/// A root that has sent one package into a cloud.
async fn with_a_cloud(cloud: &S3Double) -> Stage {
    let mut stage = Stage::set().await;
    let config = stage.system.folder().join("server.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\ncloud_private_hosts = [\"{HOST}\"]\n")).unwrap();
    stage.system.stop_part("server").await.unwrap();
    stage.system.start_server().await.unwrap();
    stage.tree(&[("root", None)]).await;
    stage.system.stop_part("root").await.unwrap();
    let settings = stage.system.folder().join("root/server.json");
    let mut root: Value = serde_json::from_slice(&std::fs::read(&settings).unwrap()).unwrap();
    root.as_object_mut().unwrap().insert("cloud_private_hosts".to_owned(), json!([HOST]));
    std::fs::write(&settings, root.to_string()).unwrap();
    stage.system.start_distribution_server("root").await.unwrap();

    stage.publish(&small_package(stage.path(), "A.pkg")).await;
    let (secret, ca) = (stage.path().join("secret"), stage.path().join("cloud.pem"));
    std::fs::write(&secret, S3_SECRET).unwrap();
    std::fs::write(&ca, cloud.ca_pem()).unwrap();
    let (endpoint, secret, ca) = (cloud.endpoint(), text_of(&secret), text_of(&ca));
    let mut set = vec!["cloud", "set", "s3", "--bucket", S3_BUCKET, "--region", S3_REGION];
    set.extend(["--endpoint", &endpoint, "--prefix", "macs", "--ca", &ca]);
    set.extend(["--key-id", S3_KEY_ID, "--secret-file", &secret]);
    stage.system.xylem(&set).await.unwrap();
    stage
}

fn text_of(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// An upload that runs beside the story.
fn begin_upload(stage: &Stage, package: &Path) -> Child {
    let mut command = Command::new(&programs().xylem);
    command.args(["package", "upload"]).arg(package).envs(stage.system.environment());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

async fn is_in_catalogue(stage: &Stage, package: &str) -> bool {
    stage.system.access().admin.file(FileKind::Package, package).await.is_ok()
}

/// The object of a content in the cloud.
fn object(cloud: &S3Double, content: &str) -> Option<Vec<u8>> {
    let name = format!("macs/content/{}/{content}", &content[..2]);
    cloud.bytes(&name).map(|bytes| bytes.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_in_the_cloud_before_the_catalogue_names_it_and_comes_back_from_there() {
    let cloud = S3Double::on_this_machine().await;
    let mut stage = with_a_cloud(&cloud).await;
    let told = stage.system.xylem(&["cloud", "make-principal", "--fill"]).await.unwrap();
    assert!(told.contains("is the principal"), "{told}");
    let told = stage.system.xylem(&["principal", "show"]).await.unwrap();
    assert!(told.contains("The cloud is the principal"), "{told}");
    let told = stage.system.xylem(&["cloud", "remove"]).await.unwrap_err();
    assert!(format!("{told:?}").contains("xylem principal set"), "{told:?}");

    // Nothing is sent: the upload waits, also while its server is killed.
    stage.system.xylem(&["cloud", "pause"]).await.unwrap();
    let package = small_package(stage.path(), "B.pkg");
    let uploading = begin_upload(&stage, &package);
    let files = || async {
        let told = stage.system.xylem(&["cloud", "files", "--state", "wanted"]).await;
        told.is_ok_and(|told| told.contains("B.pkg"))
    };
    eventually("the upload is wanted in the cloud", files).await;
    assert!(!is_in_catalogue(&stage, "B.pkg").await, "it is not there yet");
    stage.system.kill("root").await.unwrap();
    stage.system.start_distribution_server("root").await.unwrap();
    assert!(!is_in_catalogue(&stage, "B.pkg").await);
    stage.system.xylem(&["cloud", "resume"]).await.unwrap();
    let ended = tokio::task::spawn_blocking(|| uploading.wait_with_output().unwrap());
    let ended = ended.await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let bytes = std::fs::read(&package).unwrap();
    let file = stage.content_file("root", "B.pkg").await;
    let content = file.file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(object(&cloud, &content).as_deref(), Some(&*bytes));

    // The root loses everything, and gets it from there.
    stage.system.kill("root").await.unwrap();
    for name in ["A.pkg", "B.pkg"] {
        let file = stage.content_file("root", name).await;
        for file in std::fs::read_dir(file.parent().unwrap()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
    }
    stage.system.start_distribution_server("root").await.unwrap();
    let told = stage.system.xylem(&["ds", "fill", "root", "--from-cloud"]).await.unwrap();
    assert!(told.contains("holds all 2 files"), "{told}");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);

    let told = stage.system.xylem(&["principal", "set", "root", "--fill"]).await.unwrap();
    assert!(told.contains("enter at root"), "{told}");
    let told = stage.system.xylem(&["principal", "show"]).await.unwrap();
    assert_eq!(told.trim(), "New files enter at root.");
    stage.clear().await;
}
