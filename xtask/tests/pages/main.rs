//! The written pages against the repository: what they name must be there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on must fail")]

mod pages;

use std::collections::BTreeSet;

use pages::{code_spans, links, pages_below, read, workspace};

/// Where the crates are, each in a folder of its own.
const FOLDERS_OF_CRATES: [&str; 2] = ["crates", "tests"];

/// Pages whose paths in backticks are promises. An operators' page names paths of other machines.
const PAGES_ABOUT_THE_CODE: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];

fn crates() -> BTreeSet<String> {
    let mut names = BTreeSet::from(["xtask".to_owned()]);
    for folder in FOLDERS_OF_CRATES {
        for entry in std::fs::read_dir(workspace().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.join("Cargo.toml").exists() {
                // Folders below `tests` leave the common beginning out.
                names.insert(if folder == "tests" { format!("xylem-{name}") } else { name.into() });
            }
        }
    }
    names
}

#[test]
fn architecture_names_every_crate() {
    let architecture = read("ARCHITECTURE.md");
    let named: BTreeSet<String> = code_spans(&architecture).map(str::to_owned).collect();
    let missing: Vec<_> = crates().difference(&named).cloned().collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md says nothing about {missing:?}");
}

#[test]
fn every_path_on_the_pages_about_the_code_exists() {
    let mut pages = PAGES_ABOUT_THE_CODE.map(str::to_owned).to_vec();
    pages.extend(pages_below("docs/decisions"));
    let mut missing = Vec::new();
    for page in pages {
        let text = read(&page);
        let paths = code_spans(&text).filter(|span| is_path(span));
        missing.extend(
            paths
                .filter(|path| !workspace().join(path).exists())
                .map(|path| format!("{page}: {path}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut pages: Vec<String> = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"]
        .map(str::to_owned)
        .into();
    pages.extend(pages_below("docs"));
    pages.extend(pages_below("changelog"));
    let mut broken = Vec::new();
    for page in pages {
        let text = read(&page);
        let folder = workspace().join(&page).parent().unwrap().to_owned();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let target = link.split('#').next().unwrap();
            if !target.is_empty() && !folder.join(target).exists() {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn decisions_are_numbered_without_gaps_and_listed() {
    let list = read("docs/decisions/README.md");
    let pages = pages_below("docs/decisions");
    let numbered: Vec<_> = pages
        .iter()
        .map(|page| page.rsplit('/').next().unwrap())
        .filter(|name| *name != "README.md")
        .collect();
    for (at, name) in numbered.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", at + 1)), "{name} leaves a gap");
        assert!(list.contains(*name), "docs/decisions/README.md does not list {name}");
    }
    assert!(!numbered.is_empty());
}

/// A relative path in lower case: `crates/xylem-model`. Routes begin with a slash, placeholders
/// (`DIR/ca.pem`) with a capital, and commands have spaces.
fn is_path(span: &str) -> bool {
    span.starts_with(|first: char| first.is_ascii_lowercase() || first == '.')
        && span.contains('/')
        && !span.contains([' ', '{', '<', ':', '*'])
}

#[test]
fn paths_are_told_from_routes_placeholders_and_commands() {
    assert!(is_path("crates/xylem-model") && is_path(".ci/run"));
    for other in ["/v1/ca", "DIR/ca.pem", "cargo xtask sim", "xylem-model", "staged/{id}"] {
        assert!(!is_path(other), "{other}");
    }
}
