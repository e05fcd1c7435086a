use std::collections::HashSet;

use super::*;
use crate::testing::Seed;

/// An entry with a content that a letter stands for.
fn entry(path: &[u8], content: &str) -> Entry {
    let path =
        path.split(|byte| *byte == b'/').fold(SourcePath::top(), |path, name| path.join(name));
    Entry {
        path,
        object: Object::File,
        size: 1,
        finding: Finding::File(FileKind::Package, Content::of(content.as_bytes())),
        hints: None,
        warnings: Vec::new(),
    }
}

fn survey(files: &[(&str, &str)]) -> Survey {
    let mut entries: Vec<Entry> =
        files.iter().map(|(path, content)| entry(path.as_bytes(), content)).collect();
    entries.sort_by_cached_key(|it| it.path.order());
    Survey { layout: Layout::Plain, entries }
}

fn on_server(files: &[(&str, &str)]) -> Existing {
    let mut existing = Existing::default();
    for (name, content) in files {
        let content = Content::of(content.as_bytes()).digests.blake3;
        existing.add(ItemKind::Package, name.parse().unwrap(), content);
    }
    existing
}

/// Path, then the name, with `=` before one that is the same as another, `+` behind one that is
/// there.
fn shown(plan: &Plan) -> Vec<(String, String)> {
    let show = |item: &Item| {
        let what = match &item.decision {
            Decision::Take(it) => format!("{}{}", it.name, if it.is_there { "+" } else { "" }),
            Decision::Same { path, .. } => format!("={path}"),
            Decision::LeaveOut(reason) | Decision::Refuse(reason) => format!("{:?}", reason.code),
        };
        (item.path.to_string(), what)
    };
    plan.items.iter().map(show).collect()
}

type Files<'a> = &'a [(&'a str, &'a str)];

#[test]
fn names_go_by_the_rule() {
    let cases: &[(Files<'_>, Files<'_>, Files<'_>)] = &[
        // The same name with the same content is one; with other content it gets a number.
        (
            &[("1/a.pkg", "A"), ("2/a.pkg", "A"), ("3/a.pkg", "B"), ("4/a.pkg", "B")],
            &[],
            &[
                ("1/a.pkg", "a.pkg"),
                ("2/a.pkg", "=1/a.pkg"),
                ("3/a.pkg", "a (2).pkg"),
                ("4/a.pkg", "=3/a.pkg"),
            ],
        ),
        // The same bytes under two names are two files.
        (&[("a.pkg", "A"), ("b.pkg", "A")], &[], &[("a.pkg", "a.pkg"), ("b.pkg", "b.pkg")]),
        // Twins by case, and by Unicode form: each keeps a copy, whatever is in it.
        (&[("A.pkg", "A"), ("a.pkg", "A")], &[], &[("A.pkg", "A.pkg"), ("a.pkg", "a (2).pkg")]),
        (
            &[("e\u{301}.pkg", "A"), ("\u{e9}.pkg", "B")],
            &[],
            &[("e\u{301}.pkg", "\u{e9} (2).pkg"), ("\u{e9}.pkg", "\u{e9}.pkg")],
        ),
        // Whose name may stay keeps it, though others come before.
        (
            &[("1/a:b.pkg", "A"), ("2/a-b.pkg", "B"), ("3/a-b (2).pkg", "C")],
            &[],
            &[
                ("1/a:b.pkg", "a-b (3).pkg"),
                ("2/a-b.pkg", "a-b.pkg"),
                ("3/a-b (2).pkg", "a-b (2).pkg"),
            ],
        ),
        // So does one that is the same text in another form.
        (
            &[("1/\u{e9}:.pkg", "A"), ("2/e\u{301}-.pkg", "B")],
            &[],
            &[("1/\u{e9}:.pkg", "\u{e9}- (2).pkg"), ("2/e\u{301}-.pkg", "\u{e9}-.pkg")],
        ),
        // The server's files: another one is in the way, the same one is the item itself.
        (&[("a.pkg", "A")], &[("A.PKG", "X")], &[("a.pkg", "a (2).pkg")]),
        (&[("a.pkg", "A")], &[("A.PKG", "A")], &[("a.pkg", "A.PKG+")]),
        // What stood in the way has gone: the name of the earlier run is kept.
        (&[("a.pkg", "A")], &[("a (2).pkg", "A")], &[("a.pkg", "a (2).pkg+")]),
        (
            &[("1/a.pkg", "A"), ("2/a.pkg", "B")],
            &[("a (2).pkg", "A"), ("a (3).pkg", "B")],
            &[("1/a.pkg", "a (2).pkg+"), ("2/a.pkg", "a (3).pkg+")],
        ),
        // But not one that somebody else claims.
        (
            &[("A.pkg", "A"), ("a.pkg", "A")],
            &[("a (2).pkg", "A")],
            &[("A.pkg", "A.pkg"), ("a.pkg", "a (2).pkg+")],
        ),
    ];
    for (source, server, expected) in cases {
        let plan = plan(&survey(source), &on_server(server));
        let expected: Vec<(String, String)> =
            expected.iter().map(|(path, name)| ((*path).to_owned(), (*name).to_owned())).collect();
        assert_eq!(shown(&plan), expected, "{source:?} with {server:?}");
    }
}

#[test]
fn scripts_and_files_do_not_share_names_and_kinds_do() {
    let mut survey = survey(&[("1/a.pkg", "A"), ("2/a.pkg", "B"), ("3/a.pkg", "C")]);
    survey.entries[1].finding = Finding::Script(Content::of(b"B"));
    survey.entries[2].finding = Finding::File(FileKind::App, Content::of(b"A"));
    let plan = plan(&survey, &Existing::default());
    let names: Vec<String> = shown(&plan).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["a.pkg", "a.pkg", "a (2).pkg"]);
}

#[test]
fn a_renamed_item_says_from_what_and_why() {
    let survey = survey(&[("1/a:b.pkg", "A"), ("2/a-b.pkg", "B")]);
    let plan = plan(&survey, &Existing::default());
    let (_, taking) = plan.taken().next().unwrap();
    let renamed = taking.renamed.as_ref().unwrap();
    assert_eq!(renamed.from, "a:b.pkg");
    assert!(renamed.because.contains("`2/a-b.pkg` has the name"), "{}", renamed.because);
}

/// Sources of names that like to collide; servers that have files of their own. Then every run of
/// the plan is broken off at random, and planned again from what it left.
#[test]
fn whatever_part_of_a_plan_was_sent_the_next_plan_is_the_same() {
    const NAMES: [&str; 12] = [
        "a.pkg",
        "A.pkg",
        "a (2).pkg",
        "A (2).PKG",
        "a (3).pkg",
        "a:b.pkg",
        "a/.pkg",
        "a-b.pkg",
        "e\u{301}.pkg",
        "\u{e9}.pkg",
        "\u{c9}.pkg",
        " a.pkg",
    ];
    const CONTENTS: [&str; 3] = ["A", "B", "C"];
    for seed in 0..150 {
        let mut seed = Seed::new(seed);
        let mut pick = |from: &[&'static str]| from[seed.below(from.len())];
        let files: Vec<(String, &str)> = (0..14)
            .map(|at| (format!("{at:02}/{}", pick(&NAMES).replace('/', "|")), pick(&CONTENTS)))
            .collect();
        let files: Vec<(&str, &str)> =
            files.iter().map(|(path, it)| (path.as_str(), *it)).collect();
        let survey = survey(&files);
        let mut foreign: Vec<(&str, &str)> = Vec::new();
        for name in ["a.pkg", "a (2).pkg", "A-B.pkg", "\u{e9} (2).pkg", "a (4).pkg"] {
            if pick(&["yes", "no"]) == "yes" {
                foreign.push((name, pick(&CONTENTS)));
            }
        }
        let first = plan(&survey, &on_server(&foreign));
        let mut keys = HashSet::new();
        for (item, taking) in first.taken() {
            assert!(keys.insert(taking.name.collision_key()), "{}: {}", item.path, taking.name);
        }
        for _ in 0..6 {
            let mut server = on_server(&foreign);
            for (_, taking) in first.taken().filter(|_| pick(&["yes", "no"]) == "yes") {
                server.add(taking.kind, taking.name.clone(), taking.content.digests.blake3);
            }
            let again = plan(&survey, &server);
            let names = |plan: &Plan| -> Vec<(String, String)> {
                let shown = shown(plan).into_iter();
                shown.map(|(path, name)| (path, name.trim_end_matches('+').to_owned())).collect()
            };
            assert_eq!(names(&first), names(&again), "{files:?} with {foreign:?}");
            let renamed = |plan: &Plan| -> Vec<Option<Renamed>> {
                plan.taken().map(|(_, it)| it.renamed.clone()).collect()
            };
            assert_eq!(renamed(&first), renamed(&again), "{files:?} with {foreign:?}");
        }
    }
}
