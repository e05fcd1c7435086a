//! Opening SQLite files, good and bad.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use xylem_db::{Database, DbError};

use crate::bench::{admin, at};

async fn open(path: &Path) -> Result<Database, DbError> {
    Database::connect(&format!("sqlite://{}", path.display())).await
}

#[tokio::test]
async fn a_new_file_is_its_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder.path().join("odd name?%41#.db")).await.unwrap();
    db.set_setting("a", Some("b"), &admin(), at(1)).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert!(entry.file_name().to_string_lossy().starts_with("odd name?%41#.db"));
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        seen += 1;
    }
    assert!(seen >= 2, "the write-ahead log is there too");
}

#[tokio::test]
async fn a_closed_file_opens_again_with_all_it_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xylem.db");
    let db = open(&path).await.unwrap();
    db.set_setting("a", Some("b"), &admin(), at(1)).await.unwrap();
    db.close().await.unwrap();
    assert!(db.setting("a").await.is_err());
    // The file alone is the database.
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(open(&copy).await.unwrap().setting("a").await.unwrap().as_deref(), Some("b"));
}

#[tokio::test]
async fn a_missing_or_impossible_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    for path in [folder.path().join("missing/xylem.db"), file.join("xylem.db")] {
        let error = open(&path).await.unwrap_err();
        assert!(matches!(&error, DbError::Open { path: named, .. } if *named == path), "{error}");
        assert!(error.to_string().contains("folder must exist and be writable"), "{error}");
    }
    assert!(matches!(open(folder.path()).await, Err(DbError::Open { .. })));
}

#[tokio::test]
async fn what_is_no_database_is_called_damaged_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xylem.db");
    let text = "These are my notes. ".repeat(500);
    std::fs::write(&path, &text).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, DbError::Damaged(_)), "{error:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn an_overwritten_database_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("xylem.db");
    open(&path).await.unwrap().close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // The header still looks right; every page behind it is lost.
    bytes[100..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = open(&path).await.unwrap_err();
    assert!(matches!(error, DbError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn other_addresses_are_refused_without_repeating_them() {
    for url in ["", "oracle://root:secret@host/db", "sqlite:x.db", "sqlite://"] {
        let error = Database::connect(url).await.unwrap_err();
        assert!(matches!(error, DbError::Address), "{url}: {error:?}");
        assert!(!error.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn an_unreachable_server_is_told_from_a_wrong_address() {
    let url = "postgres://xylem:secret@localhost/xylem?host=/nonexistent";
    let error = Database::connect(url).await.unwrap_err();
    assert!(matches!(error, DbError::Connect { backend: "PostgreSQL", .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"));
}
