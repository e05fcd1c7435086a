//! How a point goes: what is asked first, and how far it is.

use std::io::{BufRead, IsTerminal, Write};

use xylem_api::cloud::{
    CloudLeaving, CloudObjects, CloudRemoval, CloudState, CloudStays, RemoveCloud,
};
use xylem_api::cloud_files::{CloudFileCount, CloudFileState};
use xylem_model::ByteSize;

use super::shown;
use crate::Failure;
use crate::access::Access;
use crate::output::{Output, facts};

/// Removes a point. On a terminal it is asked what becomes of the objects; they stay otherwise.
pub(super) async fn remove(
    asked: RemoveCloud,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let is_open = !asked.delete_objects && !asked.forget;
    let is_terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let mut asked = asked;
    if is_open && is_terminal && !output.is_json() {
        let there = there(&access.admin.cloud().await?, asked.former);
        if there.0 > 0 {
            asked.delete_objects = ask_to_delete(there).await?;
        }
    }
    output.value(&access.admin.remove_cloud(asked).await?, removal)
}

/// How many objects lie at a point, and their bytes.
fn there(state: &CloudState, former: bool) -> (u64, u64) {
    let counts: &[CloudFileCount] = match former {
        true => state.leaving.as_ref().map(|leaving| &*leaving.counts).unwrap_or_default(),
        false => state.progress.as_ref().map(|progress| &*progress.counts).unwrap_or_default(),
    };
    let there = counts.iter().filter(|count| count.state == CloudFileState::Present);
    there.fold((0, 0), |(contents, bytes), count| {
        (contents + count.contents, bytes.saturating_add(count.bytes))
    })
}

/// Asks whether objects are to be deleted: only `y` or `yes` says so.
async fn ask_to_delete((objects, bytes): (u64, u64)) -> Result<bool, Failure> {
    let question = format!(
        "{objects} objects ({}) lie there. Delete them at the provider? [y/N] ",
        ByteSize(bytes)
    );
    let asking = tokio::task::spawn_blocking(move || {
        answered(&question, &mut std::io::stderr(), &mut std::io::stdin().lock())
    });
    let answer = asking.await.map_err(|error| Failure::new(format!("asking: {error}")))?;
    answer.map_err(|error| Failure::new(format!("the answer cannot be read: {error}")))
}

fn answered(
    question: &str,
    out: &mut impl Write,
    input: &mut impl BufRead,
) -> std::io::Result<bool> {
    out.write_all(question.as_bytes())?;
    out.flush()?;
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// What came of removing a point.
fn removal(removal: &CloudRemoval) -> String {
    match (&removal.stays, &removal.leaving) {
        (Some(stays), _) => forgotten(*stays),
        (None, Some(leaving)) => format!("It is being left.\n{}", text(leaving)),
        (None, None) => "Forgotten.\n".to_owned(),
    }
}

fn forgotten(stays: CloudStays) -> String {
    let CloudStays { objects, bytes, uploads } = stays;
    let bytes = ByteSize(bytes);
    let uploads = match uploads {
        0 => String::new(),
        uploads => format!(
            " {uploads} uploads were under way and stay too: abort them there, since providers \
             charge for what they hold."
        ),
    };
    format!(
        "Forgotten, with its keys. {objects} objects ({bytes}) stay at the provider; delete them \
         there where they are not wanted.{uploads}\n"
    )
}

/// How far a point is on its way out.
pub(super) fn text(leaving: &CloudLeaving) -> String {
    let mut rows = vec![("Being left", format!("since {}", leaving.since))];
    rows.push(("Computers", match leaving.left_at {
        Some(at) => format!("sent there no more since {at}"),
        None => format!(
            "sent there for what the new one lacks: {} contents ({}); `xylem cloud leave --now` \
             ends that",
            leaving.lacking,
            ByteSize(leaving.lacking_bytes)
        ),
    }));
    let objects = match leaving.objects {
        Some(CloudObjects::Deleted) => "deleted",
        Some(CloudObjects::Kept) => "kept",
        None => "kept until `xylem cloud remove --former` says what becomes of them",
    };
    rows.push(("Objects", objects.to_owned()));
    rows.push(("Files", shown::counts(&leaving.counts)));
    if let Some(at) = leaving.not_before.filter(|_| leaving.objects.is_some()) {
        rows.push(("Forgotten", format!("not before {at}")));
    }
    if let Some(why) = &leaving.holds {
        rows.push(("Waits", why.clone()));
    }
    facts(&rows)
}

#[cfg(test)]
mod tests {
    use xylem_api::cloud_files::CloudProgress;
    use xylem_model::Timestamp;

    use super::*;

    fn leaving() -> CloudLeaving {
        let count = |state, contents, bytes| CloudFileCount { state, contents, bytes, arrived: 0 };
        CloudLeaving {
            since: Timestamp::from_unix_ms(0),
            left_at: None,
            objects: None,
            counts: vec![
                count(CloudFileState::Present, 2, 3 << 20),
                count(CloudFileState::Removing, 1, 1 << 20),
            ],
            lacking: 7,
            lacking_bytes: 5 << 20,
            not_before: None,
            holds: Some("it waits".to_owned()),
        }
    }

    #[test]
    fn nothing_but_yes_deletes() {
        let mut asked = Vec::new();
        let mut answer =
            |text: &str| answered("Delete? ", &mut asked, &mut text.as_bytes()).unwrap();
        for yes in ["y\n", "yes\n", " Y \n", "YES"] {
            assert!(answer(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "no\n", "yesterday\n", "j\n"] {
            assert!(!answer(no), "{no:?}");
        }
        assert!(asked.starts_with(b"Delete? "));
    }

    #[test]
    fn what_lies_there_is_counted_at_the_point_that_is_meant() {
        let mut progress = CloudProgress {
            selection: None,
            counts: leaving().counts,
            paused: false,
            broken: None,
            month_ceiling_bytes: None,
            ceiling_until: None,
            last_inventory: None,
        };
        progress.counts[0].contents = 9;
        let state = CloudState {
            point: None,
            former: None,
            progress: Some(progress),
            leaving: Some(leaving()),
        };
        assert_eq!((there(&state, false), there(&state, true)), ((9, 3 << 20), (2, 3 << 20)));
        let none = CloudState { progress: None, leaving: None, ..state };
        assert_eq!(there(&none, true), (0, 0));
    }

    #[test]
    fn how_far_it_is_and_what_holds_it_is_told() {
        let told = text(&leaving());
        for part in ["7 contents (5.0 MiB)", "leave --now", "remove --former", "it waits"] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("not before"), "{told}");
        let at = Some(Timestamp::from_unix_ms(0));
        let objects = Some(CloudObjects::Deleted);
        let told = text(&CloudLeaving { left_at: at, not_before: at, objects, ..leaving() });
        for part in ["no more since 1970", "deleted", "not before 1970"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn what_stays_is_told_with_its_number() {
        let stays = CloudStays { objects: 3, bytes: 1 << 20, uploads: 2 };
        let told = removal(&CloudRemoval { leaving: None, stays: Some(stays) });
        assert!(told.contains("3 objects (1.0 MiB)") && told.contains("2 uploads"), "{told}");
        let told = forgotten(CloudStays { uploads: 0, ..stays });
        assert!(!told.contains("uploads"), "{told}");
    }
}
