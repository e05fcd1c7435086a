//! A power cut at every single step.

use super::{Sample, open, read_all, store};
use crate::test_fs::{Cut, Plan, TestFs};
use crate::{BlobError, DigestSet};

/// Takes in two files and publishes them together, noting when that was acknowledged.
fn story(fs: &TestFs, samples: &[Sample], acknowledged: &mut bool) -> Result<(), BlobError> {
    let repository = open(fs)?;
    for sample in samples {
        let mut staged =
            repository.stage(&sample.key, sample.size(), DigestSet::Blake3AndSha256)?;
        let (first, rest) = sample.bytes.split_at(sample.bytes.len() / 2);
        staged.append(0, first)?;
        staged.pause()?;
        staged.append(first.len() as u64, rest)?;
        repository.publish(staged.finish(&sample.expected())?)?;
    }
    *acknowledged = true;
    Ok(())
}

/// Takes in both files at once, with one sync.
fn batch(fs: &TestFs, samples: &[Sample], acknowledged: &mut bool) -> Result<(), BlobError> {
    let repository = open(fs)?;
    let mut batch = repository.begin_batch();
    for sample in samples {
        batch.add(&sample.id, &sample.bytes)?;
    }
    batch.publish()?;
    *acknowledged = true;
    Ok(())
}

/// What must hold after a power cut; says what does not.
fn judge(fs: &TestFs, samples: &[Sample], acknowledged: bool) -> Result<(), String> {
    let repository = open(fs).map_err(|error| format!("does not open: {error}"))?;
    for sample in samples {
        if repository.contains(&sample.id) {
            repository.verify(&sample.id).map_err(|error| format!("shows: {error}"))?;
        } else if acknowledged {
            return Err("an acknowledged file is lost".into());
        } else {
            store(&repository, sample).map_err(|error| format!("does not go on: {error}"))?;
        }
        let (bytes, result) = read_all(&repository, &sample.id);
        if result.is_err() || bytes != sample.bytes {
            return Err("serves something else".into());
        }
    }
    match repository.quarantined() {
        Ok(list) if list.is_empty() => Ok(()),
        list => Err(format!("quarantined good content: {list:?}")),
    }
}

fn samples() -> [Sample; 2] {
    [Sample::new(1, 17 * 16_384 + 7), Sample::new(2, 100)]
}

/// A way in for files.
type Story = fn(&TestFs, &[Sample], &mut bool) -> Result<(), BlobError>;

/// Cuts the power at every step of a story. Returns how many steps there are, and the violations.
fn cut_everywhere(story: Story, made: &TestFs, plan: &Plan, cuts: &[Cut]) -> (usize, Vec<String>) {
    let samples = samples();
    let mut violations = Vec::new();
    for step in 0.. {
        let mut ended = false;
        for cut in cuts {
            let fs = made.copy();
            fs.plan(Plan { cut_at: Some(step), ..plan.clone() });
            let mut acknowledged = false;
            let result = story(&fs, &samples, &mut acknowledged);
            ended = !fs.is_dark();
            assert!(!ended || result.is_ok(), "{result:?}");
            fs.power_cut(*cut);
            if let Err(violation) = judge(&fs, &samples, acknowledged) {
                violations.push(format!("step {step}, {cut:?}: {violation}"));
            }
        }
        if ended {
            return (step, violations);
        }
    }
    unreachable!("the story has an end")
}

/// An empty repository, made before the disk turned bad: the faults below must cost content.
fn made() -> TestFs {
    let fs = TestFs::new();
    open(&fs).unwrap();
    fs
}

const CUTS: [Cut; 8] = [
    Cut::Nothing,
    Cut::Everything,
    Cut::Torn(1),
    Cut::Torn(2),
    Cut::Torn(3),
    Cut::Torn(4),
    Cut::Torn(5),
    Cut::Torn(6),
];

#[test]
fn a_power_cut_at_any_step_loses_nothing_acknowledged_and_leaves_the_rest_resumable() {
    for (story, least) in [(story as Story, 40), (batch, 20)] {
        let (steps, violations) = cut_everywhere(story, &TestFs::new(), &Plan::default(), &CUTS);
        assert!(violations.is_empty(), "{violations:#?}");
        assert!(steps > least, "only {steps} steps were tried");
    }
}

#[test]
fn a_disk_whose_file_sync_does_nothing_is_found_out() {
    let plan = Plan { file_sync_does_nothing: true, ..Plan::default() };
    for story in [story as Story, batch] {
        let (_, violations) = cut_everywhere(story, &made(), &plan, &[Cut::Nothing]);
        assert!(violations.iter().any(|found| found.contains("acknowledged")), "{violations:#?}");
    }
}

#[test]
fn a_disk_whose_folder_sync_does_nothing_is_found_out() {
    let plan = Plan { dir_sync_does_nothing: true, ..Plan::default() };
    for story in [story as Story, batch] {
        let (_, violations) = cut_everywhere(story, &made(), &plan, &[Cut::Nothing]);
        assert!(violations.iter().any(|found| found.contains("acknowledged")), "{violations:#?}");
    }
}

#[test]
fn a_second_power_cut_during_recovery_loses_nothing_either() {
    let samples = samples();
    let mut tried = 0;
    for step in 0.. {
        let fs = TestFs::new();
        fs.plan(Plan { cut_at: Some(step), ..Plan::default() });
        let mut acknowledged = false;
        let ended = story(&fs, &samples, &mut acknowledged).is_ok();
        fs.power_cut(Cut::Torn(step as u64));
        for second in 0.. {
            let fs = fs.copy();
            fs.plan(Plan { cut_at: Some(second), ..Plan::default() });
            let recovered = judge(&fs, &samples, acknowledged);
            if !fs.is_dark() {
                assert_eq!(recovered, Ok(()));
                break;
            }
            fs.power_cut(Cut::Torn(second as u64));
            assert_eq!(judge(&fs, &samples, acknowledged), Ok(()), "step {step}, then {second}");
            tried += 1;
        }
        if ended {
            break;
        }
    }
    assert!(tried > 500, "only {tried} pairs were tried");
}

#[test]
fn what_a_restarted_process_reports_as_held_survives_a_power_cut() {
    let samples = samples();
    let mut taken_over = 0;
    for step in 0.. {
        let fs = TestFs::new();
        fs.plan(Plan { cut_at: Some(step), ..Plan::default() });
        let mut acknowledged = false;
        if story(&fs, &samples, &mut acknowledged).is_ok() {
            break;
        }
        fs.wake();
        let held = open(&fs).unwrap().list();
        taken_over += held.len();
        let other = fs.copy();
        let repository = open(&other).unwrap();
        samples.iter().for_each(|sample| store(&repository, sample).unwrap());
        other.power_cut(Cut::Nothing);
        assert_eq!(judge(&other, &samples, true), Ok(()), "step {step}");
        fs.power_cut(Cut::Nothing);
        let repository = open(&fs).unwrap();
        assert_eq!(repository.list(), held, "step {step}");
        held.iter().for_each(|(id, _)| repository.verify(id).unwrap());
    }
    assert!(taken_over > 3, "only {taken_over} files were renamed but not yet acknowledged");
}

#[test]
fn content_without_a_sound_outboard_is_hashed_anew_or_quarantined() {
    // Its outboard is more than one block long, so it can be torn.
    let sample = Sample::new(3, 2_000_000);
    let made = TestFs::new();
    store(&open(&made).unwrap(), &sample).unwrap();
    let tree = made.contents(&sample.tree_path()).unwrap();
    for damage in [&tree[..tree.len() - 1], &tree[..7], &vec![0; tree.len()], &[]] {
        let fs = made.copy();
        fs.overwrite(&sample.tree_path(), damage);
        let repository = open(&fs).unwrap();
        repository.verify(&sample.id).unwrap();
        assert_eq!(fs.contents(&sample.tree_path()).as_ref(), Some(&tree));
        for seed in 0..8 {
            let fs = fs.copy();
            fs.power_cut(Cut::Torn(seed));
            open(&fs).unwrap().verify(&sample.id).unwrap();
        }

        fs.overwrite(&sample.tree_path(), damage);
        fs.flip(&sample.path(), 200_000, 1);
        let repository = open(&fs).unwrap();
        assert!(!repository.contains(&sample.id));
        assert_eq!(repository.quarantined().unwrap(), [sample.id]);
    }
}

#[test]
fn a_full_disk_keeps_one_content_from_its_new_outboard_and_no_other_from_being_served() {
    use xylem_runtime::Fs;

    let (whole, bare) = (Sample::new(5, 300_000), Sample::new(6, 300_000));
    let fs = TestFs::new();
    let repository = open(&fs).unwrap();
    store(&repository, &whole).unwrap();
    store(&repository, &bare).unwrap();
    drop(repository);
    fs.remove_file(&bare.tree_path()).unwrap();
    fs.plan(Plan { full_at: Some(0), stays_full: true, ..Plan::default() });
    let repository = open(&fs).unwrap();
    assert!(repository.contains(&whole.id) && !repository.contains(&bare.id));
    drop(repository);
    fs.plan(Plan::default());
    open(&fs).unwrap().verify(&bare.id).unwrap();
}

#[test]
fn an_outboard_without_content_is_removed_and_foreign_files_are_left_alone() {
    use xylem_runtime::Fs;

    let sample = Sample::new(4, 300_000);
    let fs = TestFs::new();
    store(&open(&fs).unwrap(), &sample).unwrap();
    let foreign = sample.path().with_file_name("notes.txt");
    fs.create_new(&foreign).unwrap();
    fs.remove_file(&sample.path()).unwrap();
    let repository = open(&fs).unwrap();
    assert!(!repository.contains(&sample.id));
    assert_eq!(fs.contents(&sample.tree_path()), None);
    assert!(fs.contents(&foreign).is_some());
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let fs = TestFs::new();
    drop(open(&fs).unwrap());
    fs.overwrite("/repository/format".as_ref(), b"xylem-repository 2\n");
    let error = open(&fs).unwrap_err();
    assert!(matches!(error, BlobError::NewerFormat { .. }), "{error}");
    assert!(error.to_string().contains("xylem-repository 2"), "{error}");
    for text in ["", "xylem-repository", "xylem-repository 0", "something else", "\u{fffd}"] {
        fs.overwrite("/repository/format".as_ref(), text.as_bytes());
        let error = open(&fs).unwrap_err();
        assert!(matches!(error, BlobError::UnknownFormat { .. }), "{error}");
    }
}
