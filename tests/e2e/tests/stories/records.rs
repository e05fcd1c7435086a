//! What is said of packages: set, compared, taken back.

use xylem_testkit::{Stage, small_package};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_a_package_is_set_compared_and_taken_back() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    for name in ["A.pkg", "B.pkg"] {
        stage.publish(&small_package(stage.path(), name)).await;
    }
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    let refused = async |words: &[&str]| {
        stage.system.xylem(words).await.unwrap_err().into_error().to_string()
    };
    let shown = xylem(&["package", "show", "A.pkg"]).await;
    assert!(shown.contains("Revision:  0,") && shown.contains("BLAKE3"), "{shown}");

    xylem(&["category", "add", "Tools"]).await;
    let first = [
        "package",
        "set",
        "A.pkg",
        "display-name=Tool for all",
        "category=Tools",
        "priority=2",
        "reboot=yes",
        "os=10.6.X, >= 10.13",
        "processor=arm64",
        "switch-with=B.pkg",
        "info=Maps the drives",
        "uninstall=yes",
    ];
    let said = xylem(&first).await;
    for told in ["Tool for all", "10.6.x, >=10.13", "arm64", "B.pkg", "Maps the drives"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(xylem(&["package", "list"]).await.contains("Tools"));
    assert!(xylem(&first).await.contains("Nothing is different"));
    xylem(&["package", "set", "A.pkg", "priority=", "reboot=no", "notes=second"]).await;

    // Two at once: the second saw only the first revision.
    let late = ["package", "set", "A.pkg", "notes=third", "--revision", "1"];
    let told = refused(&late).await;
    assert!(told.contains("changed meanwhile") && told.contains("revision 2 by"), "{told}");
    for (setting, why) in [
        ("fill-user-template=yes", "disk images"),
        ("switch-with=A.pkg", "itself"),
        ("priority=21", "1 (first) to 20 (last)"),
    ] {
        let told = refused(&["package", "set", "A.pkg", setting]).await;
        assert!(told.contains(why), "{setting}: {told}");
    }

    let history = xylem(&["package", "history", "A.pkg"]).await;
    assert_eq!(history.lines().count(), 5, "{history}");
    assert!(history.contains("token:first administrator"), "{history}");
    let diff = xylem(&["package", "diff", "A.pkg", "1", "2"]).await;
    let rows: Vec<Vec<&str>> =
        diff.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3, "{diff}");
    assert!(rows.contains(&vec!["priority", "2", "10"]), "{diff}");
    assert!(rows.contains(&vec!["notes", "-", "second"]), "{diff}");
    let said = xylem(&["package", "restore-record", "A.pkg", "1"]).await;
    assert!(said.contains("revision 3"), "{said}");
    let json = xylem(&["package", "show", "A.pkg", "--json"]).await;
    for told in ["\"restores\": 1", "\"priority\": 2", "\"notes\": \"\"", "\"category\": \"Tools\""]
    {
        assert!(json.contains(told), "{told}: {json}");
    }
    assert!(xylem(&["audit"]).await.contains("file.record"));
    what_else_is_set(&stage).await;
    stage.clear().await;
}

/// The category alone, a field by its name in the API, and what is said of a package that is gone.
async fn what_else_is_set(stage: &Stage) {
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    let refused = async |words: &[&str]| {
        stage.system.xylem(words).await.unwrap_err().into_error().to_string()
    };
    let said = xylem(&["package", "set", "A.pkg", "category="]).await;
    assert!(said.contains("Revision:  4,"), "{said}");
    let said = xylem(&["package", "set", "A.pkg", "boot_volume_required=yes"]).await;
    assert!(said.contains("Revision:  5,"), "{said}");
    let who = refused(&["package", "set", "A.pkg", "site=Lisbon", "--revision", "5"]).await;
    assert!(who.contains("for records only"), "{who}");

    xylem(&["package", "delete", "B.pkg"]).await;
    assert!(xylem(&["package", "show", "A.pkg"]).await.contains("B.pkg (deleted)"));
    let again = ["package", "set", "A.pkg", "switch-with=B.pkg (deleted)", "notes=kept"];
    let said = xylem(&again).await;
    assert!(said.contains("Revision:  6,") && said.contains("B.pkg (deleted)"), "{said}");
    let diff = xylem(&["package", "diff", "A.pkg"]).await;
    assert_eq!(diff.lines().count(), 3, "only the notes differ: {diff}");
}
