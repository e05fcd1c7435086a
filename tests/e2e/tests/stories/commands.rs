//! The command line, as a beginner meets it.

use std::process::{Command, Output};

use xylem_testkit::{Stage, programs, small_package};

fn xylem(arguments: &[&str]) -> Output {
    let mut command = Command::new(programs().xylem);
    command.env_remove("XYLEM_SERVER").env_remove("XYLEM_TOKEN").env_remove("XYLEM_TOKEN_FILE");
    command.env("HOME", "/nonexistent").env_remove("XDG_CONFIG_HOME");
    command.args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exit_codes_tell_wrong_usage_from_wrong_configuration() {
    assert_eq!(xylem(&["no-such-command"]).status.code(), Some(2));
    let nowhere = xylem(&["package", "list"]);
    assert_eq!(nowhere.status.code(), Some(64));
    assert!(said(&nowhere).contains("XYLEM_SERVER"), "{}", said(&nowhere));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("server.toml");
    std::fs::write(&config, "listen = \"nowhere\"\nlissten = 1\npublic_url = \"http://x\"\n")
        .unwrap();
    let checked = xylem(&["server", "check-config", "--config", config.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(64));
    for problem in ["listen", "lissten", "https://"] {
        assert!(said(&checked).contains(problem), "{problem} is missing: {}", said(&checked));
    }
}

#[test]
fn completions_and_man_pages_come_from_the_program() {
    let completions = xylem(&["completions", "bash"]);
    assert!(completions.status.success());
    assert!(String::from_utf8_lossy(&completions.stdout).contains("xylem__"));
    let folder = tempfile::tempdir().unwrap();
    assert!(xylem(&["man", folder.path().to_str().unwrap()]).status.success());
    assert!(folder.path().join("xylem-package-upload.1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_refused_with_a_reason_and_leaves_nothing() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    let good = small_package(stage.path(), "Good.pkg");
    let bytes = std::fs::read(&good).unwrap();
    let cases: [(&str, &[u8], &str); 5] = [
        ("Forbidden*name.pkg", &bytes, "`*`"),
        (" blank.pkg", &bytes, "blank"),
        ("Truncated.pkg", &bytes[..bytes.len() - 7], "ends"),
        ("Archive.pkg", b"PK\x03\x04 and so on and on", "zip"),
        ("Empty.pkg", b"", "empty"),
    ];
    for (name, bytes, reason) in cases {
        let path = stage.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let upload = ["package", "upload", path.to_str().unwrap()];
        let refused = stage.system.xylem(&upload).await.unwrap_err();
        let text = format!("{refused:?}").to_lowercase();
        assert!(text.contains(reason), "{name}: {text}");
    }
    assert_eq!(stage.system.xylem(&["package", "list", "--json"]).await.unwrap(), "[]");

    stage.publish(&good).await;
    let other = small_package(stage.path(), "Other.pkg");
    std::fs::copy(&other, &good).unwrap();
    let upload = ["package", "upload", good.to_str().unwrap()];
    let refused = format!("{:?}", stage.system.xylem(&upload).await.unwrap_err());
    assert!(refused.contains("--replace"), "{refused}");
    let upload = ["package", "upload", good.to_str().unwrap(), "--replace"];
    assert!(stage.system.xylem(&upload).await.unwrap().contains("version 2"));
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_package_comes_back_whole() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    let package = small_package(stage.path(), "A.pkg");
    stage.publish(&package).await;
    stage.present_on("A.pkg", &["root", "child"]).await;
    stage.system.xylem(&["package", "delete", "A.pkg"]).await.unwrap();
    assert_eq!(stage.system.xylem(&["package", "list", "--json"]).await.unwrap(), "[]");
    stage.system.xylem(&["package", "restore", "A.pkg"]).await.unwrap();
    stage.present_on("A.pkg", &["root", "child"]).await;
    let copy = stage.path().join("copy.pkg");
    let download = ["package", "download", "A.pkg", "-o", copy.to_str().unwrap()];
    stage.system.xylem(&download).await.unwrap();
    assert!(std::fs::read(copy).unwrap() == std::fs::read(package).unwrap());
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_distribution_server_is_cut_off() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    let refused = stage.system.xylem(&["ds", "remove", "root"]).await;
    assert!(refused.is_err(), "the root has a child");
    stage.system.xylem(&["ds", "remove", "child"]).await.unwrap();
    stage.publish(&small_package(stage.path(), "A.pkg")).await;
    stage.present_on("A.pkg", &["root"]).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let content = stage.content_file("child", "A.pkg").await;
    assert!(!content.exists(), "a removed server got new content");
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_children_goes_in_two_steps_and_its_children_work_on() {
    let mut stage = Stage::set().await;
    let tree =
        [("root", None), ("middle", Some("root")), ("a", Some("middle")), ("b", Some("middle"))];
    stage.tree(&tree).await;
    let refused = stage.system.xylem(&["ds", "remove", "middle"]).await.unwrap_err();
    let refused = refused.into_error().to_string();
    assert!(refused.contains("move-children"), "{refused}");
    let root = stage.system.xylem(&["ds", "move-children", "root"]).await.unwrap_err();
    assert!(root.into_error().to_string().contains("has no parent"));
    let said = stage.system.xylem(&["ds", "move-children", "middle"]).await.unwrap();
    assert!(said.contains("a, b now fetch from root"), "{said}");
    stage.system.xylem(&["ds", "remove", "middle"]).await.unwrap();
    let package = small_package(stage.path(), "After.pkg");
    stage.publish(&package).await;
    stage.present_on("After.pkg", &["root", "a", "b"]).await;
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_one_process_starts_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (listen, other) =
        (xylem::system::free_address().unwrap(), xylem::system::free_address().unwrap());
    let url = format!("https://{listen}");
    let data = folder.path().join("up");
    let package = small_package(folder.path(), "A.pkg");
    let run = async |arguments: &[&str]| {
        let environment = [
            ("XYLEM_SERVER", url.as_str()),
            ("XYLEM_TOKEN_FILE", data.join("admin.token").to_str().unwrap()),
            ("XYLEM_CA", data.join("ca.pem").to_str().unwrap()),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        xylem::system::run_to_end(&programs().xylem, arguments, &environment).await
    };
    for start in 1..=2 {
        let up = [
            "up",
            "--data",
            data.to_str().unwrap(),
            "--listen",
            &listen,
            "--distribution-listen",
            &other,
            "--public-url",
            &url,
        ];
        let mut process =
            xylem::system::Process::start("up", &programs().xylem, &up, folder.path()).unwrap();
        xylem_testkit::eventually("the root reports", || async {
            run(&["ds", "list", "--json"]).await.is_ok_and(|text| text.contains("last_seen\": \""))
        })
        .await;
        let said = run(&["package", "upload", package.to_str().unwrap()]).await.unwrap();
        assert!(
            said.contains(if start == 1 { "is published" } else { "is there already" }),
            "{said}"
        );
        process.stop().await;
    }
}
