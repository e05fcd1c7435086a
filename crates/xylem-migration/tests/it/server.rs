//! A server as a migration sees it, and a command as small as the real one.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use xylem_migration::testing::read_any_script;
use xylem_migration::{
    Content, Existing, ItemKind, Limits, Migration, Opened, Plan, Report, Sent, Survey, plan,
};

/// Names with what was sent.
pub(crate) type Server = BTreeMap<(ItemKind, String), Vec<u8>>;

pub(crate) fn existing(server: &Server) -> Existing {
    let mut existing = Existing::default();
    for ((kind, name), bytes) in server {
        existing.add(*kind, name.parse().unwrap(), Content::of(bytes).digests.blake3);
    }
    existing
}

pub(crate) fn survey(migration: &mut Migration) -> Survey {
    migration.survey(&read_any_script, &mut |_| {}).unwrap()
}

pub(crate) fn open(source: &Path, state: &Path) -> Migration {
    Migration::open(source, state, Limits::default()).unwrap()
}

/// A dry run: what would come of it.
pub(crate) fn dry_run(source: &Path, state: &Path, server: &Server) -> (Plan, Report) {
    let mut migration = open(source, state);
    let plan = plan(&survey(&mut migration), &existing(server));
    let report = Report::new(&plan, source, true);
    (plan, report)
}

/// A run that is broken off after so many items were sent.
pub(crate) fn run(source: &Path, state: &Path, server: &mut Server, most: usize) -> Report {
    let mut migration = open(source, state);
    let plan = plan(&survey(&mut migration), &existing(server));
    let mut report = Report::new(&plan, source, false);
    let mut sent = 0;
    for (item, taking) in plan.taken() {
        if taking.is_there {
            report.tell(&item.path, Sent::Already);
            continue;
        }
        if sent == most {
            break;
        }
        let bytes = match migration.open_item(&item.path, taking, &read_any_script).unwrap() {
            Opened::File(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                bytes
            }
            Opened::Script { contents, .. } => contents,
        };
        assert_eq!(Content::of(&bytes), taking.content, "{}", item.path);
        let before = server.insert((taking.kind, taking.name.to_string()), bytes);
        assert_eq!(before, None, "{}", taking.name);
        report.tell(&item.path, Sent::Now);
        sent += 1;
    }
    report
}
