use super::*;
use crate::plan::Taking;

fn item(path: &str, decision: Decision) -> Item {
    Item {
        path: path.into(),
        object: Object::File,
        size: 5,
        decision,
        hints: None,
        warnings: Vec::new(),
    }
}

fn take(name: &str, renamed: bool) -> Decision {
    let because = "x".to_owned();
    Decision::Take(Taking {
        kind: ItemKind::Package,
        name: name.parse().unwrap(),
        renamed: renamed.then(|| Renamed { from: "a:b.pkg".to_owned(), because }),
        content: Content::of(b"hello"),
        is_bundle: false,
        is_there: false,
    })
}

fn plan() -> Plan {
    let reason = Reason::new(ReasonCode::SideFile, "a side file");
    let twin = Decision::Same { path: "one.pkg".into(), name: "one.pkg".parse().unwrap() };
    let items = vec![
        item("one.pkg", take("one.pkg", false)),
        item("a:b.pkg", take("a-b.pkg", true)),
        item("old/one.pkg", twin),
        item("._x", Decision::LeaveOut(reason.clone())),
        item("x.scpt", Decision::Refuse(reason)),
    ];
    Plan { layout: Layout::Plain, items }
}

#[test]
fn interrupted_runs_come_to_the_same_outcomes() {
    let (plan, source) = (plan(), Path::new("/share"));
    let mut whole = Report::new(&plan, source, false);
    assert_eq!(whole.totals().not_sent, 3);
    whole.tell(&"one.pkg".into(), Sent::Now);
    whole.tell(&"a:b.pkg".into(), Sent::Now);
    let mut second = Report::new(&plan, source, false);
    second.tell(&"one.pkg".into(), Sent::Already);
    second.tell(&"a:b.pkg".into(), Sent::Now);
    assert_eq!(whole.document().outcomes, second.document().outcomes);
    assert_ne!(whole.document().run, second.document().run);
    let totals = Totals {
        paths: 5,
        taken: 1,
        renamed: 1,
        same: 1,
        not_sent: 0,
        refused: 1,
        left_out: 1,
        taken_bytes: 10,
    };
    assert_eq!(whole.totals(), totals);
}

#[test]
fn what_did_not_arrive_is_not_counted_as_taken() {
    let mut report = Report::new(&plan(), Path::new("/share"), false);
    report.tell(&"one.pkg".into(), Sent::Failed("no connection".to_owned()));
    report.tell(&"a:b.pkg".into(), Sent::Refused("it is damaged".to_owned()));
    let totals = report.totals();
    // What is the same as something that did not arrive did not either.
    assert_eq!((totals.taken, totals.same, totals.not_sent, totals.refused), (0, 0, 2, 2));
    let text = report.text();
    assert!(text.contains("Run it again: it goes on where it stopped."), "{text}");
    assert!(text.contains("note: not sent: no connection"), "{text}");
}

#[test]
fn reports_are_saved_whole_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let report = Report::new(&plan(), Path::new("/share"), true);
    report.save(folder.path()).unwrap();
    let json = fs::read(folder.path().join("dry-run.json")).unwrap();
    let read: Document = serde_json::from_slice(&json).unwrap();
    assert_eq!(read, report.document());
    let text = fs::read_to_string(folder.path().join("dry-run.txt")).unwrap();
    let expected = "\
Dry run of the migration of /share
It is a folder.

To be taken: 1
  one.pkg  5 B  package `one.pkg`

To be taken under another name: 1
  a:b.pkg  5 B  package `a-b.pkg`: x

The same file lies in another folder: 1
  old/one.pkg  5 B  as `one.pkg`, published as `one.pkg`

Refused: 1
  x.scpt  5 B  a side file

Left out: 1
  ._x  5 B  a side file

Of 5 paths: 2 would be taken (10 B), 1 of them under another name; 1 the same as others; 0 not \
sent yet; 1 refused; 1 left out.

What to do next:
  - Look through what was refused; each line says what to do about it.
  - Use the new names in policies and tools.
  - Nothing was sent. Run it again without --dry-run to take all this.
  - The source was not written to. Keep it until the Macs fetch from here.
";
    assert_eq!(text, expected);
}
