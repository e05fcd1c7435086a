use std::fs;

use xylem_artifact::Form;
use xylem_artifact::inspect::inspect;
use xylem_migration::testing::{Expected, Seed, legacy_share, read_any_script, snapshot};
use xylem_migration::{Opened, Outcome, plan};

use crate::server::{Server, dry_run, existing, open, run, survey};

const PATHS: usize = 200;

#[test]
fn a_made_up_share_comes_to_what_is_expected_however_often_it_is_interrupted() {
    let source = tempfile::tempdir().unwrap();
    let expected = legacy_share(source.path(), PATHS, 7).unwrap().planned;
    assert!(expected.len() >= PATHS, "{}", expected.len());
    let before = snapshot(source.path()).unwrap();
    let state = tempfile::tempdir().unwrap();

    let (_, report) = dry_run(source.path(), state.path(), &Server::new());
    let found: Vec<Expected> = report.lines().iter().map(Expected::of).collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());

    let mut whole = Server::new();
    let at_once = run(source.path(), state.path(), &mut whole, usize::MAX).document();
    assert_eq!(at_once.outcomes, report.document().outcomes);

    // Another state folder, whose journal is cut as a crash would.
    let state = tempfile::tempdir().unwrap();
    let mut seed = Seed::new(3);
    let mut server = Server::new();
    for _ in 0..5 {
        let _ = run(source.path(), state.path(), &mut server, 1 + seed.below(20));
        for entry in fs::read_dir(state.path()).unwrap() {
            let file = fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
            let len = file.metadata().unwrap().len();
            file.set_len(len - seed.below(300) as u64).unwrap();
        }
    }
    let last = run(source.path(), state.path(), &mut server, usize::MAX).document();
    assert_eq!(last.outcomes, at_once.outcomes);
    assert_eq!(server, whole);

    // Once more, without any journal: nothing is left to do.
    let state = tempfile::tempdir().unwrap();
    let again = run(source.path(), state.path(), &mut server, usize::MAX).document();
    assert_eq!(again.run.sent, Vec::<String>::new());
    assert_eq!(again.outcomes, at_once.outcomes);
    assert_eq!(snapshot(source.path()).unwrap(), before);
}

#[test]
fn the_same_seed_makes_the_same_share() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = legacy_share(one.path(), 60, 1).unwrap();
    assert_eq!(expected, legacy_share(other.path(), 60, 1).unwrap());
    let state = tempfile::tempdir().unwrap();
    let outcomes = |source: &tempfile::TempDir| {
        dry_run(source.path(), state.path(), &Server::new()).1.document().outcomes
    };
    // The digests of zipped folders among it, though their files have other times.
    assert_eq!(outcomes(&one), outcomes(&other));
}

#[test]
fn other_shares_come_to_what_is_expected_too() {
    for seed in [1, 42] {
        let source = tempfile::tempdir().unwrap();
        let expected = legacy_share(source.path(), 90, seed).unwrap().planned;
        let state = tempfile::tempdir().unwrap();
        let (_, report) = dry_run(source.path(), state.path(), &Server::new());
        let found: Vec<Expected> = report.lines().iter().map(Expected::of).collect();
        let differs = found.iter().zip(&expected).find(|(found, expected)| found != expected);
        assert!(found == expected, "seed {seed}: {differs:?}");
    }
}

/// The share is as good as it says: what the server looks into is genuine, but for what was damaged.
#[test]
fn what_is_taken_passes_inspection_and_what_was_damaged_does_not() {
    let (source, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let expected = legacy_share(source.path(), 90, 9).unwrap();
    let mut migration = open(source.path(), state.path());
    let plan = plan(&survey(&mut migration), &existing(&Server::new()));
    let mut refused = 0;
    for (item, taking) in plan.taken() {
        let Some(kind) = taking.kind.file_kind() else { continue };
        let opened = migration.open_item(&item.path, taking, &read_any_script).unwrap();
        let Opened::File(file) = opened else { panic!("{} is no file", item.path) };
        let form = Form::of_name(kind, taking.name.as_str()).unwrap();
        let found = inspect(form, file);
        let path = item.path.to_string();
        let wanted = expected.done.iter().find(|it| it.path == path).unwrap();
        let is_refused = wanted.outcome == Outcome::Refused;
        assert_eq!(found.is_err(), is_refused, "{path}: {:?}", found.err());
        refused += usize::from(is_refused);
    }
    assert!(refused > 0);
}
