//! A version that is not what the one before was, and how files are found by what is in them.

use xylem_testkit::{Stage, package_of, small_package};

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_changed_much_is_warned_of_when_it_is_uploaded_and_afterwards() {
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None)]).await;
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    let package = package_of(stage.path(), "Tool.pkg", 1, 3 << 20);
    let package = package.to_str().unwrap();
    let first = xylem(&["package", "upload", package]).await;
    assert!(first.contains("is published") && !first.contains("WARNING"), "{first}");

    // Another identifier, a script, a hundredth of the size.
    small_package(stage.path(), "Tool.pkg");
    let second = xylem(&["package", "upload", package, "--replace"]).await;
    assert!(second.contains("Version 2, compared with version 1"), "{second}");
    for told in ["identifier-changed", "scripts-new", "size-halved", "preinstall"] {
        assert!(second.contains(told), "{told}: {second}");
    }
    assert_eq!(second.matches("WARNING").count(), 3, "{second}");
    let shown = xylem(&["package", "show", "Tool.pkg"]).await;
    assert!(shown.contains("WARNING  identifier-changed"), "{shown}");
    let compared = xylem(&["package", "compare", "Tool.pkg", "1", "2"]).await;
    assert!(compared.contains("size-halved"), "{compared}");
    let json = xylem(&["package", "compare", "Tool.pkg", "--json"]).await;
    assert!(json.contains("\"severity\": \"warning\"") && json.contains("\"from\": 1"), "{json}");
    let backwards = xylem(&["package", "compare", "Tool.pkg", "2", "1"]).await;
    assert!(backwards.contains("scripts-gone") && backwards.contains("size-doubled"));
    assert!(xylem(&["audit", "--json"]).await.contains("identifier-changed"));

    // What each of them puts on a Mac.
    let index = xylem(&["package", "index", "Tool.pkg"]).await;
    for line in ["folder  /Library/Example/bin", "link    /Library/Example/tool"] {
        assert!(index.contains(line), "{line}: {index}");
    }
    let some = xylem(&["package", "index", "Tool.pkg", "--search", "BIN/tool"]).await;
    assert_eq!(some.trim_end(), "file    /Library/Example/bin/tool");
    let before = xylem(&["package", "index", "Tool.pkg", "--version", "1", "--json"]).await;
    assert!(before.contains("/Library/Example/large.bin"), "{before}");
    assert!(shown.contains("files and folders"), "{shown}");
    xylem(&["package", "set", "Tool.pkg", "uninstall=yes"]).await;

    // The version in production is what it is found by.
    for asked in [&["ORG.example.tool"][..], &["--identifier", "org.example.tool"], &["Tool"]] {
        let found = xylem(&[&["package", "search"][..], asked].concat()).await;
        assert!(found.contains("Tool.pkg"), "{asked:?}: {found}");
    }
    for asked in ["org.example.large", "flat_package"] {
        let found = xylem(&["package", "search", asked]).await;
        assert!(found.contains("Nothing is found"), "{asked}: {found}");
    }
    assert!(xylem(&["app", "search", "tool"]).await.contains("Nothing is found"));
    stage.clear().await;
}
