//! Just enough reading of Markdown.

use std::path::Path;

/// The workspace's folder.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The text of a page, by its path below the workspace.
pub(crate) fn read(page: &str) -> String {
    std::fs::read_to_string(workspace().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

/// Paths of all Markdown pages below a folder, sorted.
pub(crate) fn pages_below(folder: &str) -> Vec<String> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(workspace().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            pages.extend(pages_below(&path));
        } else if path.ends_with(".md") {
            pages.push(path);
        }
    }
    pages.sort();
    pages
}

/// What stands in single backticks, outside fenced blocks.
pub(crate) fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Where links lead: the part in parentheses after a closing bracket.
pub(crate) fn links(text: &str) -> impl Iterator<Item = &str> {
    prose(text).flat_map(|line| {
        line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link)
    })
}

fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

#[test]
fn spans_and_links_are_found_outside_fenced_blocks() {
    let text = "see `a/b` and [c](d.md#e)\n```\n`not/this` [nor](that)\n```\nthen `f`\n";
    assert_eq!(code_spans(text).collect::<Vec<_>>(), ["a/b", "f"]);
    assert_eq!(links(text).collect::<Vec<_>>(), ["d.md#e"]);
}
