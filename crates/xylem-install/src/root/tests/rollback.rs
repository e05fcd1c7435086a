//! Failures and kills in the middle of the commit.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use xylem_artifact::build::{ComponentBuilder, Source};

use super::super::plan::Step;
use super::super::*;
use super::sealed_sample;
use crate::testing::{Scene, Thing, install};

/// A target where an installation creates, merges and replaces.
fn furnished() -> Scene {
    let scene = Scene::new();
    scene.put("opt/tool/bin", "old");
    scene.put("opt/tool/kept", "kept");
    scene.put("opt/tool/sealed/text", "old");
    symlink("nowhere", scene.at("opt/tool/link")).unwrap();
    fs::set_permissions(scene.at("opt/tool/bin"), fs::Permissions::from_mode(0o4711)).unwrap();
    scene
}

/// Goes as far as a commit that is about to begin.
fn staged<'a>(request: &'a InstallRequest, root: &'a Tree) -> (Run<'a>, Staging, Plan) {
    let mut run = Run::new(request, root, false).unwrap();
    let staging = Staging::create(root, request.now).unwrap();
    run.stage(&staging).unwrap();
    prepare_commit(root, &staging, &mut run.directories).unwrap();
    let plan = Plan::load(staging.plan().unwrap().unwrap()).unwrap();
    (run, staging, plan)
}

fn without_staging(scene: &Scene) -> BTreeMap<String, Thing> {
    let mut picture = scene.picture();
    picture.retain(|path, _| !path.starts_with(staging::PREFIX));
    picture
}

/// Where in the plan `target` is dealt with.
fn step_of(plan: &mut Plan, wanted: &str) -> usize {
    (0..plan.len())
        .find(|number| match plan.step(*number).unwrap() {
            Step::Create { target, .. } | Step::Replace { target, .. } => target == wanted,
        })
        .unwrap()
}

#[test]
fn a_commit_that_fails_at_any_step_is_undone() {
    let count = {
        let scene = furnished();
        let request = scene.build(sealed_sample());
        let root = Tree::open(&scene.target()).unwrap();
        let (_, _, plan) = staged(&request, &root);
        plan.len()
    };
    assert!(count >= 7, "{count} steps");
    for number in 0..count {
        let scene = furnished();
        let request = scene.build(sealed_sample());
        let root = Tree::open(&scene.target()).unwrap();
        let (_, staging, mut plan) = staged(&request, &root);
        // Since the plan was made, somebody has put a directory where this step renames to.
        let (Step::Create { target, .. } | Step::Replace { target, .. }) =
            plan.step(number).unwrap();
        let path = scene.at(&target);
        if fs::symlink_metadata(&path).is_ok() {
            fs::remove_file(&path).unwrap();
        }
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), b"not ours to touch").unwrap();
        let before = without_staging(&scene);

        let error = Commit::open(&root, &staging).unwrap().run(&mut plan).unwrap_err();
        assert_eq!(error.result_word(), "installer-failed", "step {number}: {error}");
        assert_eq!(without_staging(&scene), before, "step {number}");
    }
}

#[test]
fn a_run_killed_at_any_point_of_the_commit_is_undone_by_the_next() {
    for half_of_the_step in [false, true] {
        let mut done = 0;
        loop {
            let scene = furnished();
            let before = scene.picture();
            let request = scene.build(sealed_sample());
            let root = Tree::open(&scene.target()).unwrap();
            let (run, staging, mut plan) = staged(&request, &root);
            let commit = Commit::open(&root, &staging).unwrap();
            for number in 0..done {
                let step = plan.step(number).unwrap();
                commit.apply(number, &step).unwrap();
            }
            if half_of_the_step
                && done < plan.len()
                && let Step::Replace { target, .. } = plan.step(done).unwrap()
            {
                commit.keep_old(done, &target).unwrap();
            }
            drop(run);

            let warnings = recover::recover(&root).unwrap();
            assert!(warnings[0].contains("has been undone"), "{warnings:?}");
            assert_eq!(scene.picture(), before, "killed after {done} steps");
            if done == plan.len() {
                break;
            }
            done += 1;
        }
    }
}

#[test]
fn the_next_installation_recovers_and_then_installs() {
    let scene = furnished();
    let request = scene.build(sealed_sample());
    {
        let root = Tree::open(&scene.target()).unwrap();
        let (_, staging, mut plan) = staged(&request, &root);
        let number = step_of(&mut plan, "opt/tool/bin");
        let commit = Commit::open(&root, &staging).unwrap();
        let step = plan.step(number).unwrap();
        commit.apply(number, &step).unwrap();
    }
    let report = install(&request).unwrap();
    assert!(report.warnings[0].contains("has been undone"), "{:?}", report.warnings);
    let reference = furnished();
    install(&reference.build(sealed_sample())).unwrap();
    let names = |scene: &Scene| scene.picture().into_keys().collect::<Vec<_>>();
    assert_eq!(names(&scene), names(&reference));
}

#[test]
fn a_kill_before_the_plan_or_after_the_commit_leaves_only_rubbish_to_sweep() {
    let scene = furnished();
    let before = scene.picture();
    let request = scene.build(sealed_sample());
    let root = Tree::open(&scene.target()).unwrap();
    let mut run = Run::new(&request, &root, false).unwrap();
    let staging = Staging::create(&root, request.now).unwrap();
    run.stage(&staging).unwrap();
    let warnings = recover::recover(&root).unwrap();
    assert!(warnings[0].contains("before it changed anything"), "{warnings:?}");
    assert_eq!(scene.picture(), before);

    let (_, staging, mut plan) = staged(&request, &root);
    Commit::open(&root, &staging).unwrap().run(&mut plan).unwrap();
    staging.mark_committed().unwrap();
    let installed = without_staging(&scene);
    let warnings = recover::recover(&root).unwrap();
    assert!(warnings[0].contains("that was complete"), "{warnings:?}");
    assert_eq!(scene.picture(), installed);
}

#[test]
fn undoing_twice_is_harmless() {
    let scene = furnished();
    let before = scene.picture();
    let request = scene.build(sealed_sample());
    let root = Tree::open(&scene.target()).unwrap();
    let (_, staging, mut plan) = staged(&request, &root);
    let commit = Commit::open(&root, &staging).unwrap();
    commit.run(&mut plan).unwrap();
    let count = plan.len();
    for _ in 0..2 {
        commit.undo_first(&mut plan, count).unwrap();
        assert_eq!(without_staging(&scene), before);
    }
}

#[test]
fn what_cannot_be_undone_is_kept_and_said() {
    let scene = furnished();
    let request = scene.build(sealed_sample());
    let root = Tree::open(&scene.target()).unwrap();
    let (_, staging, mut plan) = staged(&request, &root);
    let commit = Commit::open(&root, &staging).unwrap();
    commit.run(&mut plan).unwrap();
    // Somebody replaces an installed file by a directory: the old file cannot go back there.
    fs::remove_file(scene.at("opt/tool/bin")).unwrap();
    fs::create_dir(scene.at("opt/tool/bin")).unwrap();
    let error = install(&request).unwrap_err();
    assert!(matches!(&error, InstallError::RollbackFailed { .. }), "{error}");
    assert!(error.to_string().contains(staging.name()), "{error}");
    let number = step_of(&mut plan, "opt/tool/bin");
    let kept = scene.at(&format!("{}/old/{number}", staging.name()));
    assert_eq!(fs::read(kept).unwrap(), b"old");
    // Once the obstacle is gone, the next installation succeeds.
    fs::remove_dir(scene.at("opt/tool/bin")).unwrap();
    install(&request).unwrap();
}

#[test]
fn an_installation_to_a_busy_target_does_not_begin() {
    let scene = furnished();
    let request = scene.build(sealed_sample());
    let root = Tree::open(&scene.target()).unwrap();
    staging::lock(&root).unwrap();
    let before = scene.picture();
    assert!(matches!(install(&request), Err(InstallError::Busy { .. })));
    assert_eq!(scene.picture(), before);
    drop(root);
    install(&request).unwrap();
}

#[test]
fn two_paths_to_one_place_fail_without_a_trace() {
    let scene = Scene::new();
    fs::create_dir(scene.at("real")).unwrap();
    symlink("real", scene.at("alias")).unwrap();
    let before = scene.picture();
    let component = ComponentBuilder::new("org.example.twice", "1")
        .file("real/a", 0o644, Source::bytes("1"))
        .file("alias/a", 0o644, Source::bytes("2"));
    let error = install(&scene.build(component)).unwrap_err();
    assert_eq!(error.result_word(), "installer-failed", "{error}");
    assert_eq!(scene.picture(), before);
}

#[test]
fn a_file_replaced_by_two_paths_comes_back_as_it_was() {
    let scene = Scene::new();
    scene.put("real/a", "the one to come back");
    symlink("real", scene.at("alias")).unwrap();
    let before = scene.picture();
    let component = ComponentBuilder::new("org.example.twice", "1")
        .file("real/a", 0o644, Source::bytes("1"))
        .file("alias/a", 0o644, Source::bytes("2"));
    let request = scene.build(component);
    let root = Tree::open(&scene.target()).unwrap();
    let (_, staging, mut plan) = staged(&request, &root);
    let commit = Commit::open(&root, &staging).unwrap();
    commit.run(&mut plan).unwrap();
    let count = plan.len();
    commit.undo_first(&mut plan, count).unwrap();
    assert_eq!(without_staging(&scene), before);
}
