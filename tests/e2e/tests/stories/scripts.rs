//! Scripts: changed in an editor, kept in the database, on no distribution server.

use std::path::{Path, PathBuf};
use std::process::Output;

use tokio::process::Command;
use xylem_testkit::{Stage, WebDav, eventually, programs, small_package};

/// Runs `xylem` as an administrator whose editor is a small script.
async fn with_editor(stage: &Stage, editor: &str, arguments: &[&str]) -> Output {
    let file = stage.path().join("editor.sh");
    std::fs::write(&file, format!("set -e\n{editor}\n")).unwrap();
    let drafts = stage.path().join("drafts");
    std::fs::create_dir_all(&drafts).unwrap();
    Command::new(&programs().xylem)
        .args(arguments)
        .envs(stage.system.environment())
        .env("VISUAL", format!("sh {}", file.display()))
        .env("XYLEM", &programs().xylem)
        .env("TMPDIR", &drafts)
        .output()
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What lies where texts are while they are edited.
fn drafts(stage: &Stage) -> Vec<PathBuf> {
    files_below(&stage.path().join("drafts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_edited_twenty_times_compared_and_taken_back() {
    let stage = Stage::set().await;
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    let file = stage.path().join("Map drives.sh");
    std::fs::write(&file, b"#!/bin/sh\r\necho caf\x8e 1").unwrap();
    let upload = ["script", "upload", file.to_str().unwrap()];
    let about = ["--priority", "before", "--os", ">=13", "--label", "4=Server", "--info", "Maps"];
    let said = xylem(&[&upload[..], &about].concat()).await;
    for told in ["version 1", "Mac OS Roman", "1 of Windows", "line feed"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let name = "map DRIVES.sh";
    let shown = xylem(&["script", "show", name, "--about"]).await;
    for told in ["before", ">=13", "Server", "Maps", "token:first administrator"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert_eq!(xylem(&["script", "show", name]).await, "#!/bin/sh\necho café 1");

    for number in 2..=20 {
        let editor = format!("printf 'echo {number}\\n' >> \"$1\"");
        let comment = format!("the {number}th");
        let edit = ["script", "edit", name, "--comment", &comment];
        let done = with_editor(&stage, &editor, &edit).await;
        assert!(text(&done.stdout).contains(&format!("version {number},")), "{done:?}");
    }
    assert!(drafts(&stage).is_empty(), "{:?}", drafts(&stage));
    let history = xylem(&["script", "history", name]).await;
    assert_eq!(history.lines().count(), 22, "{history}");
    assert!(history.contains("the 20th"), "{history}");
    let diff = xylem(&["script", "diff", name, "7", "9"]).await;
    assert!(diff.ends_with("+echo 8\n+echo 9") && diff.contains("drives.sh version 7"), "{diff}");
    let said = xylem(&["script", "restore", name, "3"]).await;
    assert!(said.contains("version 21"), "{said}");
    assert_eq!(xylem(&["script", "show", name]).await, "#!/bin/sh\necho café 1\necho 2\necho 3");

    // An editor in which nothing is changed, and one that fails.
    let idle = with_editor(&stage, "true", &["script", "edit", name]).await;
    assert!(!idle.status.success());
    assert!(text(&idle.stderr).contains("nothing was changed"), "{idle:?}");
    let failed = with_editor(&stage, "exit 3", &["script", "edit", name]).await;
    assert!(text(&failed.stderr).contains("kept in"), "{failed:?}");
    assert_eq!(drafts(&stage).len(), 1);

    xylem(&["script", "delete", name]).await;
    assert!(stage.system.xylem(&["script", "show", name]).await.is_err());
    assert!(xylem(&["script", "list", "--deleted"]).await.contains("Map drives.sh"));
    xylem(&["script", "restore", name]).await;
    assert!(xylem(&["script", "list"]).await.contains("Map drives.sh"));
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_editors_the_second_keeps_its_text_and_overwrites_nothing() {
    let stage = Stage::set().await;
    let xylem = async |words: &[&str]| stage.system.xylem(words).await.unwrap();
    let first = "printf '#!/bin/sh\\necho first\\n' > \"$1\"";
    let made = with_editor(&stage, first, &["script", "edit", "Map.sh", "--new"]).await;
    assert!(text(&made.stdout).contains("version 1,"), "{made:?}");

    // While the editor is open somebody else is faster.
    let theirs = stage.path().join("theirs.sh");
    std::fs::write(&theirs, "#!/bin/sh\necho theirs\n").unwrap();
    let editor = format!(
        "\"$XYLEM\" script upload '{}' --name Map.sh --replace >&2\nprintf 'echo mine\\n' >> \"$1\"",
        theirs.display()
    );
    let second = with_editor(&stage, &editor, &["script", "edit", "Map.sh"]).await;
    assert_eq!(second.status.code(), Some(1));
    let (shown, said) = (text(&second.stdout), text(&second.stderr));
    assert!(shown.contains("-echo first\n+echo theirs"), "{shown}");
    assert!(said.contains("changed meanwhile") && said.contains("version 2"), "{said}");
    let kept = drafts(&stage);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(said.contains(kept[0].to_str().unwrap()), "{said}");
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), "#!/bin/sh\necho first\necho mine\n");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&kept[0]), mode(kept[0].parent().unwrap())), (0o600, 0o700));
    assert_eq!(xylem(&["script", "show", "Map.sh"]).await, "#!/bin/sh\necho theirs");
    assert!(xylem(&["script", "show", "Map.sh", "--json"]).await.contains("\"version\": 2"));

    // The text that was kept is saved once it is based on what is there.
    let keep = kept[0].to_str().unwrap();
    let again = ["script", "upload", keep, "--name", "Map.sh"];
    let refused = stage.system.xylem(&again).await.unwrap_err().into_error().to_string();
    assert!(refused.contains("--replace"), "{refused}");

    // Where the editor is the only way, a file is none.
    xylem(&["script", "settings", "change-contents=editor-only"]).await;
    let again = [&again[..], &["--replace"]].concat();
    let refused = stage.system.xylem(&again).await.unwrap_err().into_error().to_string();
    assert!(refused.contains("editor-only"), "{refused}");
    let edit = ["script", "edit", "Map.sh"];
    let done = with_editor(&stage, &format!("cp '{keep}' \"$1\""), &edit).await;
    assert!(text(&done.stdout).contains("version 3,"), "{done:?}");
    assert!(xylem(&["script", "restore", "Map.sh", "2"]).await.contains("version 4"));
    stage.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_a_script_is_on_a_distribution_server() {
    const MARK: &str = "mark-9f2c-of-a-script";
    let mut stage = Stage::set().await;
    stage.tree(&[("root", None), ("child", Some("root"))]).await;
    let body = stage.path().join(format!("{MARK}.sh"));
    for number in 1..=3 {
        std::fs::write(&body, format!("#!/bin/sh\necho {MARK} {number}\n")).unwrap();
        let upload = ["script", "upload", body.to_str().unwrap(), "--replace", "--notes", MARK];
        stage.system.xylem(&upload).await.unwrap();
    }
    stage.publish(&small_package(stage.path(), "A.pkg")).await;
    stage.present_on("A.pkg", &["root", "child"]).await;

    let folder = stage.system.folder().to_owned();
    for server in ["root", "child"] {
        let (found, looked_at) = holding(&folder.join(server), MARK);
        assert!(found.is_empty() && looked_at > 5, "{found:?} of {looked_at}");
        // Whoever looks must be able to find.
        let planted = folder.join(server).join("repo/planted");
        std::fs::write(&planted, format!("{}{MARK}", "x".repeat(100_000))).unwrap();
        assert_eq!(holding(&folder.join(server), MARK).0, std::slice::from_ref(&planted));
        std::fs::remove_file(planted).unwrap();
    }
    let logs: Vec<PathBuf> = holding(&folder.join("logs"), MARK).0;
    assert!(logs.iter().all(|log| log.ends_with("server.log")), "{logs:?}");
    let (database, _) = holding(&folder.join("server"), MARK);
    assert!(!database.is_empty(), "the database has them");

    // None goes a way that files go, nor is one taken from where everything may be dropped.
    let bytes = b"#!/bin/sh\necho dropped\n";
    let dropped = stage.path().join("Dropped.sh");
    std::fs::write(&dropped, bytes).unwrap();
    for command in ["package", "app", "ebook"] {
        let upload = [command, "upload", dropped.to_str().unwrap()];
        let refused = stage.system.xylem(&upload).await.unwrap_err().into_error().to_string();
        assert!(refused.contains("xylem script upload"), "{command}: {refused}");
    }
    let casper = WebDav::account(&stage, "root", "casper", "--write").await;
    assert_eq!(casper.ask("PUT", "/Drop/Dropped.sh", &[], bytes).await.status, 201);
    let put = casper.ask("PUT", "/Packages/Dropped.sh", &[], bytes).await;
    assert!(put.status == 422 && put.text().contains("xylem script upload"), "{}", put.text());
    eventually("the reason is there", || async {
        let report = casper.ask("GET", "/Drop/Not%20published.txt", &[], b"").await;
        report.status == 200 && report.text().contains("Dropped.sh: it is a script")
    })
    .await;
    assert_eq!(stage.system.xylem(&["script", "list"]).await.unwrap().lines().count(), 3);
    stage.clear().await;
}

/// The files below a folder that hold a text in their bytes or their path, and how many there are.
fn holding(folder: &Path, mark: &str) -> (Vec<PathBuf>, usize) {
    let files = files_below(folder);
    let count = files.len();
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
            || path.to_string_lossy().contains(mark)
    };
    (files.into_iter().filter(holds).collect(), count)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(files_below(&path)),
            false => files.push(path),
        }
    }
    files
}
