//! The authority on disk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use xylem_ca::{Authority, CaError};
use xylem_runtime::{RealFs, SystemRng};

use crate::support::{NOW, anchors, authority, computer_leaf, enrol};

fn load(folder: &Path) -> Result<Authority, CaError> {
    Authority::load(&RealFs, folder, Arc::new(SystemRng))
}

fn open(folder: &Path) -> Result<Authority, CaError> {
    Authority::open(&RealFs, folder, "Example School", NOW, Arc::new(SystemRng))
}

fn saved() -> (tempfile::TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    authority.save(&RealFs, folder.path()).unwrap();
    (folder, authority)
}

#[test]
fn an_authority_loaded_again_issues_for_the_same_root() {
    let (folder, before) = saved();
    let after = load(folder.path()).unwrap();
    assert_eq!(after.root_fingerprint(), before.root_fingerprint());
    assert!(after.holds_root_key());
    for authority in [&before, &after] {
        let chain = enrol(authority, &computer_leaf(1), NOW).chain().to_vec();
        anchors(&before).verify_client_chain(&chain, NOW).unwrap();
    }
}

#[test]
fn keys_are_for_their_owner_alone() {
    let (folder, _) = saved();
    for name in ["root.key", "intermediate.pem"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let public = std::fs::read_to_string(folder.path().join("root.pem")).unwrap();
    assert!(!public.contains("PRIVATE"), "{public}");
}

#[test]
fn issuing_goes_on_without_the_roots_key() {
    let (folder, _) = saved();
    std::fs::remove_file(folder.path().join("root.key")).unwrap();
    let mut authority = load(folder.path()).unwrap();
    assert!(!authority.holds_root_key());
    enrol(&authority, &computer_leaf(1), NOW);
    let error = authority.renew_intermediate(NOW).unwrap_err();
    assert!(matches!(error, CaError::RootKeyAway), "{error}");
    authority.save(&RealFs, folder.path()).unwrap();
    assert!(!folder.path().join("root.key").exists());
}

#[test]
fn a_renewed_intermediate_is_kept() {
    let (folder, mut authority) = saved();
    authority.renew_intermediate(NOW).unwrap();
    authority.save(&RealFs, folder.path()).unwrap();
    let chain = enrol(&load(folder.path()).unwrap(), &computer_leaf(1), NOW).chain().to_vec();
    assert_eq!(chain[1], enrol(&authority, &computer_leaf(1), NOW).chain()[1]);
}

#[test]
fn a_first_start_cut_short_anywhere_is_taken_up() {
    // In the order of writing, the files that a power cut may have left.
    for left in [&[][..], &["root.key"], &["root.key", "root.pem"]] {
        let (folder, before) = saved();
        for name in ["root.key", "root.pem", "intermediate.pem"] {
            if !left.contains(&name) {
                std::fs::remove_file(folder.path().join(name)).unwrap();
            }
        }
        let opened = open(folder.path()).unwrap();
        let same_root = opened.root_fingerprint() == before.root_fingerprint();
        assert_eq!(same_root, !left.is_empty(), "{left:?}");
        let loaded = load(folder.path()).unwrap();
        assert_eq!(loaded.root_fingerprint(), opened.root_fingerprint());
        let again = open(folder.path()).unwrap();
        assert_eq!(again.root_fingerprint(), opened.root_fingerprint());
    }
}

#[test]
fn a_lost_intermediate_needs_the_roots_key() {
    let (folder, _) = saved();
    std::fs::remove_file(folder.path().join("root.key")).unwrap();
    std::fs::remove_file(folder.path().join("intermediate.pem")).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(error, CaError::RootKeyAway), "{error}");
}

#[test]
fn an_authority_is_never_written_over_another() {
    let (folder, before) = saved();
    let error = authority().save(&RealFs, folder.path()).unwrap_err();
    assert!(matches!(error, CaError::OtherAuthority { .. }), "{error}");
    assert_eq!(load(folder.path()).unwrap().root_fingerprint(), before.root_fingerprint());
}

#[test]
fn damaged_missing_and_mixed_up_files_are_named() {
    let (other, _) = saved();
    for name in ["root.key", "root.pem", "intermediate.pem"] {
        let (folder, _) = saved();
        let path = folder.path().join(name);
        let whole = std::fs::read_to_string(&path).unwrap();
        let of_another = std::fs::read_to_string(other.path().join(name)).unwrap();
        for content in ["", "junk", &whole[..whole.len() / 2], &of_another] {
            std::fs::write(&path, content).unwrap();
            let error = load(folder.path()).unwrap_err();
            assert!(matches!(error, CaError::Damaged { .. }), "{name}: {error}");
            let told = error.to_string();
            assert!(told.contains(folder.path().to_str().unwrap()), "{told}");
        }
    }
    let (folder, _) = saved();
    std::fs::remove_file(folder.path().join("intermediate.pem")).unwrap();
    let told = load(folder.path()).unwrap_err().to_string();
    assert!(told.ends_with("intermediate.pem is missing"), "{told}");
}

#[test]
fn a_key_beside_anothers_certificate_is_refused() {
    let (folder, _) = saved();
    let (other, _) = saved();
    let text = |folder: &tempfile::TempDir| {
        std::fs::read_to_string(folder.path().join("intermediate.pem")).unwrap()
    };
    let (ours, theirs) = (text(&folder), text(&other));
    let at = |text: &str| text.find("-----BEGIN CERT").unwrap();
    let mixed = theirs[..at(&theirs)].to_owned() + &ours[at(&ours)..];
    std::fs::write(folder.path().join("intermediate.pem"), mixed).unwrap();
    let told = load(folder.path()).unwrap_err().to_string();
    assert!(told.contains("its key does not belong to its certificate"), "{told}");
}
