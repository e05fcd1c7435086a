//! A cloud distribution point, set and tested by the real programs.

use std::path::Path;

use xylem_testkit::{S3_BUCKET, S3_KEY_ID, S3_REGION, S3_SECRET, S3Double, S3Fault, Stage};

/// What a command printed, or why it failed.
async fn xylem(stage: &Stage, words: &[&str]) -> Result<String, String> {
    stage.system.xylem(words).await.map_err(|error| format!("{error:?}"))
}

/// Everything that was logged.
fn logs(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloud_is_set_and_tested_and_its_keys_are_told_nowhere() {
    let mut stage = Stage::set().await;
    let cloud = S3Double::on_this_machine().await;
    let (secret, ca) = (stage.path().join("secret"), stage.path().join("cloud.pem"));
    std::fs::write(&secret, format!("{S3_SECRET}\n")).unwrap();
    std::fs::write(&ca, cloud.ca_pem()).unwrap();
    let (endpoint, secret, ca) =
        (cloud.endpoint(), secret.display().to_string(), ca.display().to_string());
    let mut set = vec!["cloud", "set", "s3", "--bucket", S3_BUCKET, "--region", S3_REGION];
    set.extend(["--endpoint", &endpoint, "--prefix", "macs", "--ca", &ca]);
    set.extend(["--key-id", S3_KEY_ID, "--secret-file", &secret]);

    let told = xylem(&stage, &set).await.unwrap_err();
    assert!(told.contains("not a public one"), "{told}");
    let config = stage.system.folder().join("server.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}\ncloud_private_hosts = [\"127.0.0.1\"]\n")).unwrap();
    stage.system.stop_part("server").await.unwrap();
    stage.system.start_server().await.unwrap();

    let told = xylem(&stage, &set).await.unwrap();
    assert!(told.contains("passed") && told.contains("s3 packages"), "{told}");
    let names = cloud.names();
    assert!(names.iter().any(|name| name == "macs/xylem.json"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("probe")), "nothing is left behind");
    assert!(cloud.uploads().is_empty());
    let told = xylem(&stage, &["cloud", "show"]).await.unwrap();
    assert!(told.contains("everything") && told.contains("odd names"), "{told}");
    let told = xylem(&stage, &["cloud", "pause"]).await.unwrap();
    assert!(told.contains("until `xylem cloud resume`"), "{told}");
    for words in [&["cloud", "files"][..], &["cloud", "usage"], &["cloud", "resume"]] {
        xylem(&stage, words).await.unwrap();
    }
    let estimate =
        ["cloud", "estimate", "--devices", "3", "--rate", "1MiB", "--price-per-gib", "1"];
    let told = xylem(&stage, &estimate).await.unwrap();
    assert!(told.contains("3 computers fetch everything once"), "{told}");
    let told = xylem(&stage, &["cloud", "inventory"]).await.unwrap();
    assert!(told.contains("As they are to be"), "{told}");
    let told = xylem(&stage, &["cloud", "change", "month-ceiling=5GiB"]).await.unwrap();
    assert!(told.contains("5.0 GiB"), "{told}");
    let told = xylem(&stage, &["cloud", "policy"]).await.unwrap();
    assert!(told.contains("arn:aws:s3:::packages/macs/*"), "{told}");
    let change = ["cloud", "change", "url-lifetime=20m", "prefix="];
    let told = xylem(&stage, &change).await.unwrap_err();
    assert!(told.contains("macs/") && told.contains("--adopt"), "{told}");
    let adopt: Vec<&str> = change.into_iter().chain(["--adopt"]).collect();
    let told = xylem(&stage, &adopt).await.unwrap();
    assert!(told.contains("1200 s"), "{told}");

    cloud.misbehave(S3Fault::Public);
    let told = xylem(&stage, &["cloud", "test"]).await.unwrap_err();
    assert!(told.contains("did not pass"), "{told}");
    let told = xylem(&stage, &["cloud", "show"]).await.unwrap();
    assert!(told.contains("anybody"), "{told}");
    let told = xylem(&stage, &["cloud", "show", "--json"]).await.unwrap();
    assert!(!told.contains(S3_SECRET), "{told}");

    let told = xylem(&stage, &["cloud", "remove"]).await.unwrap();
    assert!(told.contains("It is being left") && told.contains("kept"), "{told}");
    let told = xylem(&stage, &["cloud", "show"]).await.unwrap();
    assert!(told.contains("No cloud distribution point"), "{told}");
    assert!(told.contains("not before") && told.contains("no more since"), "{told}");
    let told = xylem(&stage, &["cloud", "remove", "--former", "--delete-objects"]).await.unwrap();
    assert!(told.contains("deleted"), "{told}");
    let told = xylem(&stage, &["cloud", "leave", "--now"]).await.unwrap();
    assert!(told.contains("no more since"), "{told}");
    let told = xylem(&stage, &["cloud", "remove", "--former", "--forget"]).await.unwrap();
    assert!(told.contains("stay at the provider"), "{told}");
    let told = xylem(&stage, &["cloud", "show"]).await.unwrap();
    assert!(!told.contains("being left"), "{told}");
    let logged = logs(&stage.system.folder().join("logs"));
    assert!(!logged.contains(S3_SECRET), "a key was logged");
    stage.clear().await;
}
