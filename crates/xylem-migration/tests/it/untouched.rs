use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use xylem_migration::testing::{Kept, legacy_share, read_any_script, snapshot};
use xylem_migration::{Limits, Migration, MigrationError, Report, Sent, Taking, plan};

use crate::server::{Server, existing, open, run, survey};

/// Takes everybody's right to write.
fn make_read_only(folder: &Path) {
    for (path, Kept { mode, .. }) in snapshot(folder).unwrap() {
        if !path.is_symlink() {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o555)).unwrap();
        }
    }
}

fn make_writable(folder: &Path) {
    for (path, Kept { mode, .. }) in snapshot(folder).unwrap() {
        if path.is_dir() {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode | 0o700)).unwrap();
        }
    }
}

#[test]
fn a_read_only_source_stays_as_it_is_bit_by_bit() {
    let source = tempfile::tempdir().unwrap();
    legacy_share(source.path(), 120, 5).unwrap();
    make_read_only(source.path());
    let before = snapshot(source.path()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let report = run(source.path(), state.path(), &mut Server::new(), usize::MAX);
    assert_eq!(report.totals().not_sent, 0);
    assert_eq!(snapshot(source.path()).unwrap(), before);
    make_writable(source.path());
}

/// Where the system lets us, which Linux does for what is ours.
#[cfg(target_os = "linux")]
#[test]
fn times_of_access_stay_as_they_were() {
    let source = tempfile::tempdir().unwrap();
    let path = source.path().join("a.pdf");
    fs::write(&path, "%PDF-1.4").unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    let times = fs::FileTimes::new().set_accessed(UNIX_EPOCH + Duration::from_secs(77));
    file.set_times(times).unwrap();
    let folder_before = fs::metadata(source.path()).unwrap().atime_nsec();
    let state = tempfile::tempdir().unwrap();
    let report = run(source.path(), state.path(), &mut Server::new(), usize::MAX);
    assert_eq!(report.totals().taken, 1);
    assert_eq!(fs::metadata(&path).unwrap().atime(), 77);
    assert_eq!(fs::metadata(source.path()).unwrap().atime_nsec(), folder_before);
}

/// A source of one file and one folder, planned; what `change` does then is to be noticed.
fn opened_after(change: impl Fn(&Path)) -> Vec<Result<(), MigrationError>> {
    let source = tempfile::tempdir().unwrap();
    fs::write(source.path().join("a.pdf"), "%PDF-1.4 one").unwrap();
    fs::create_dir_all(source.path().join("B.pkg/Contents")).unwrap();
    fs::write(source.path().join("B.pkg/Contents/Info.plist"), "one").unwrap();
    fs::write(source.path().join("c.sh"), "#!/bin/sh\none").unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut migration = open(source.path(), state.path());
    let plan = plan(&survey(&mut migration), &existing(&Server::new()));
    assert_eq!(plan.taken().count(), 3);
    change(source.path());
    let mut open =
        |path: &_, taking: &Taking| migration.open_item(path, taking, &read_any_script).map(drop);
    plan.taken().map(|(item, taking)| open(&item.path, taking)).collect()
}

#[test]
fn what_was_changed_since_the_plan_is_noticed() {
    assert!(opened_after(|_| ()).iter().all(Result::is_ok));
    // The same length, and the time put back: only the system's own time of change tells.
    let found = opened_after(|source| {
        for path in ["a.pdf", "B.pkg/Contents/Info.plist", "c.sh"] {
            let path = source.join(path);
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            let text = fs::read_to_string(&path).unwrap().replace("one", "two");
            fs::write(&path, text).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        }
    });
    assert!(found.iter().all(|it| matches!(it, Err(MigrationError::Changed(_)))), "{found:?}");
    // Touched, and the same: it is read again and sent.
    let found = opened_after(|source| {
        for path in ["a.pdf", "B.pkg/Contents/Info.plist", "c.sh"] {
            let file = fs::File::options().write(true).open(source.join(path)).unwrap();
            file.set_modified(UNIX_EPOCH).unwrap();
        }
    });
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    let found = opened_after(|source| fs::remove_dir_all(source.join("B.pkg")).unwrap());
    assert!(matches!(found[0], Err(MigrationError::Changed(_))), "{found:?}");
}

#[test]
fn state_is_never_kept_in_the_source() {
    let source = tempfile::tempdir().unwrap();
    for state in ["state", "a/b/state", "."] {
        let state = source.path().join(state);
        let error = Migration::open(source.path(), &state, Limits::default()).unwrap_err();
        assert!(matches!(error, MigrationError::StateInSource { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(source.path()).unwrap().count(), 0);
    let missing = source.path().join("missing");
    let state = tempfile::tempdir().unwrap();
    assert!(Migration::open(&missing, state.path(), Limits::default()).is_err());
}

#[test]
fn nothing_is_left_in_the_state_folder_but_the_journal_and_the_report() {
    let source = tempfile::tempdir().unwrap();
    fs::create_dir_all(source.path().join("B.pkg/Contents")).unwrap();
    fs::write(source.path().join("B.pkg/Contents/Info.plist"), "one").unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut migration = open(source.path(), state.path());
    let plan = plan(&survey(&mut migration), &existing(&Server::new()));
    let (item, taking) = plan.taken().next().unwrap();
    let archive = migration.open_item(&item.path, taking, &read_any_script).unwrap();
    let mut report = Report::new(&plan, source.path(), false);
    report.tell(&item.path, Sent::Now);
    report.save(state.path()).unwrap();
    let mut names: Vec<String> = fs::read_dir(state.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    drop(archive);
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0].starts_with("digests-"));
    assert_eq!(names[1..], ["migration.json", "migration.txt"]);
}
