//! A made-up workspace that breaks each rule in turn. The real table is used, so that a rule
//! that was loosened by mistake is noticed too.

use serde_json::json;

use super::super::table::TABLE;
use super::*;

/// The crates of the table, none leaning on anything, with these dependencies added to one.
fn workspace(name: &str, dependencies: serde_json::Value) -> Workspace {
    let packages: Vec<_> = TABLE
        .crates
        .iter()
        .map(|member| match member.name == name {
            true => json!({"name": name, "dependencies": dependencies}),
            false => json!({"name": member.name, "dependencies": []}),
        })
        .collect();
    serde_json::from_value(json!({ "packages": packages })).unwrap()
}

fn violations(name: &str, on: &str, kind: Option<&str>) -> Vec<Violation> {
    declared(&workspace(name, json!([{"name": on, "kind": kind}])), &TABLE)
}

/// Exactly one violation, from `name` to `on`.
fn refused(name: &str, on: &str, kind: Option<&str>) {
    let found = violations(name, on, kind);
    assert_eq!(found.len(), 1, "{name} -> {on} ({kind:?}): {found:?}");
    assert_eq!((found[0].from.as_str(), found[0].to.as_deref()), (name, Some(on)));
    assert!(!found[0].why.is_empty());
}

fn allowed(name: &str, on: &str, kind: Option<&str>) {
    assert_eq!(violations(name, on, kind), [], "{name} -> {on} ({kind:?})");
}

fn built(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn arrows_point_down() {
    allowed("xylem-api", "xylem-model", None);
    refused("xylem-model", "xylem-api", None);
    refused("xylem-sync", "xylem-api", None);
    refused("xylem-blobs", "xylem-db", None);
    refused("xylem-model", "xylem-runtime", Some("build"));
}

#[test]
fn a_program_never_leans_on_another_not_even_in_its_tests() {
    refused("xylem-agent", "xylem-server", None);
    refused("xylem-server", "xylem-distribution", Some("dev"));
    refused("xylem", "xylem-agent", None);
    allowed("xylem", "xylem-server", None);
}

#[test]
fn only_tests_lean_on_the_testkit() {
    refused("xylem-server", "xylem-testkit", None);
    allowed("xylem-server", "xylem-testkit", Some("dev"));
    refused("xylem-server", "xylem-e2e", Some("dev"));
    allowed("xylem-e2e", "xylem-testkit", None);
}

#[test]
fn tests_may_set_up_what_the_crate_itself_may_not_name() {
    refused("xylem-http", "xylem-ca", None);
    allowed("xylem-http", "xylem-ca", Some("dev"));
}

#[test]
fn automation_stands_apart() {
    refused("xtask", "xylem-model", None);
    refused("xylem-e2e", "xtask", None);
}

#[test]
fn an_outside_thing_is_named_only_by_its_owner() {
    for (outside, owner) in [
        ("sea-orm", "xylem-db"),
        ("sea-orm-migration", "xylem-db"),
        ("rcgen", "xylem-ca"),
        ("quick-xml", "xylem-artifact"),
        ("liblzma", "xylem-artifact"),
        ("axum", "xylem-http"),
        ("turmoil", "xylem-sim"),
        ("indicatif", "xylem"),
        ("anyhow", "xylem-agent"),
    ] {
        allowed(owner, outside, None);
        refused("xylem-runtime", outside, None);
    }
    allowed("xylem-runtime", "tokio", None);
}

#[test]
fn tests_may_play_the_other_side_but_not_reach_for_the_database() {
    allowed("xylem-agent", "axum", Some("dev"));
    refused("xylem-agent", "sea-orm", Some("dev"));
    refused("xylem-testkit", "sqlx-core", None);
    refused("xylem-blobs", "turmoil", Some("dev"));
}

#[test]
fn a_crate_without_a_line_in_the_table_is_refused() {
    let mut workspace = workspace("", json!([]));
    workspace.packages.push(Package { name: "xylem-extra".to_owned(), dependencies: vec![] });
    let found = declared(&workspace, &TABLE);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].from, "xylem-extra");
}

#[test]
fn a_line_without_a_crate_is_refused() {
    let mut workspace = workspace("", json!([]));
    workspace.packages.retain(|package| package.name != "xylem-sync");
    let found = declared(&workspace, &TABLE);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].from, "xylem-sync");
}

#[test]
fn a_banned_crate_is_found_however_it_came_in() {
    for name in ["openssl", "openssl-sys", "native-tls", "ring", "rusqlite"] {
        assert_eq!(banned(&built(&["serde", name]), &TABLE).len(), 1, "{name}");
    }
    assert_eq!(banned(&built(&["serde", "rustls"]), &TABLE), []);
}

#[test]
fn what_a_crate_reaches_through_others_counts() {
    let agent = TABLE.reach.iter().find(|limit| limit.of.contains(&"xylem-agent")).unwrap();
    assert_eq!(reach("xylem-agent", &built(&["tokio", "xylem-client"]), agent), []);
    let found = reach("xylem-agent", &built(&["sea-orm", "tokio", "xylem-db"]), agent);
    assert_eq!(found.len(), 2);
}

#[test]
fn every_name_in_the_table_is_a_crate_of_the_table() {
    let known: BTreeSet<&str> = TABLE.crates.iter().map(|member| member.name).collect();
    let leaned_on = TABLE.crates.iter().flat_map(|member| member.leans_on);
    let owners = TABLE.wrapped.iter().flat_map(|rule| rule.only);
    let limited = TABLE.reach.iter().flat_map(|limit| limit.of);
    for name in leaned_on.chain(owners).chain(limited) {
        assert!(known.contains(name), "{name}");
    }
}

#[test]
fn the_table_itself_has_no_cycle() {
    let mut below: BTreeSet<&str> = BTreeSet::new();
    for member in TABLE.crates {
        for name in member.leans_on {
            assert!(below.contains(name), "{} leans on {name}, which stands above it", member.name);
        }
        below.insert(member.name);
    }
}
