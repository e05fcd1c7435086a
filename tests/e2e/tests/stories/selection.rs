//! Each server holds what was chosen for it, and what those below it need.

use xylem_testkit::{Stage, eventually, package_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_site_gets_its_own_files_and_its_parent_keeps_them_for_it_alone() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("north", Some("root")), ("hut", Some("north"))]).await;
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    for site in ["North", "Hut"] {
        xylem(&["site", "add", site]).await;
    }
    for (server, rule) in [("north", "site=North"), ("hut", "site=Hut; kind=package")] {
        let shown = xylem(&["ds", "select", server, "--rule", rule]).await;
        assert!(
            shown.contains(&format!(
                "1. {}",
                rule.replace("site=Hut; kind=package", "kind=package; site=Hut")
            )),
            "{shown}"
        );
    }
    for (name, seed) in [("N.pkg", 1), ("H.pkg", 2), ("X.pkg", 3)] {
        stage.publish(&package_of(stage.path(), name, seed, 200_000)).await;
    }
    xylem(&["package", "set", "N.pkg", "site=North"]).await;
    xylem(&["package", "set", "H.pkg", "for-sites=Hut"]).await;
    stage.present_on("N.pkg", &["root", "north"]).await;
    stage.present_on("H.pkg", &["root", "north", "hut"]).await;
    let listed = xylem(&["ds", "list"]).await;
    let row = |server: &str| listed.lines().find(|line| line.contains(server)).unwrap().to_owned();
    assert!(row("north").contains("2/2") && row("hut").contains("1/1"), "{listed}");

    let why = xylem(&["ds", "show", "north", "--why", "H.pkg"]).await;
    assert!(why.contains("its clients do not get it") && why.contains("hut"), "{why}");
    let why = xylem(&["ds", "show", "hut", "--why", "X.pkg"]).await;
    assert!(why.contains("does not hold"), "{why}");
    let told = stage.system.xylem(&["package", "wait", "X.pkg", "--on", "hut"]).await.unwrap_err();
    let told = told.into_error().to_string();
    assert!(told.contains("not to hold") && told.contains("--why"), "{told}");

    // What is no longer chosen goes after its grace; here at once.
    xylem(&["ds", "set", "hut", "keep-unwanted=0s"]).await;
    let content = stage.content_file("hut", "H.pkg").await;
    assert!(content.exists());
    xylem(&["package", "set", "H.pkg", "for-sites="]).await;
    eventually("the hut gives it up", || async { !content.exists() }).await;
    let told = stage.system.xylem(&["ds", "select", "root", "--rule", "kind=app"]).await;
    let told = told.unwrap_err().into_error().to_string();
    assert!(told.contains("holds everything"), "{told}");
    stage.clear().await;
}
