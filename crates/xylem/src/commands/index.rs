//! What a file puts on a Mac.

use xylem_api::index::{IndexEntry, IndexPage, IndexSummary, MAX_INDEX_PAGE};
use xylem_client::IndexQuery;
use xylem_model::{FileKind, breaks_a_line};

use crate::Failure;
use crate::access::Access;
use crate::cli::IndexOptions;
use crate::output::Output;

/// Prints all pages: a line for each entry as they come, or one JSON document at the end.
pub(super) async fn show(
    options: IndexOptions,
    kind: FileKind,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let IndexOptions { name, search, version } = options;
    let mut asked = IndexQuery { search, after: None, limit: Some(MAX_INDEX_PAGE), version };
    let mut page = access.admin.index(kind, &name, &asked).await?;
    if page.items.is_empty() {
        return output.value(&page, |page| nothing(page, &name));
    }
    // The pages are of one version, whatever goes into production meanwhile.
    asked.version = Some(page.version);
    let mut all = IndexPage { items: Vec::new(), next: None, ..page.clone() };
    loop {
        if output.is_json() {
            all.items.append(&mut page.items);
        } else {
            output.say(&lines(&page.items))?;
        }
        match page.next.take() {
            Some(next) => asked.after = Some(next),
            None => break,
        }
        page = access.admin.index(kind, &name, &asked).await?;
    }
    if output.is_json() { output.value(&all, |_| String::new()) } else { Ok(()) }
}

/// How much an index lists, or why there is none.
pub(super) fn summary(of: &IndexSummary) -> String {
    match of {
        IndexSummary::Entries { entries } => counted(*entries),
        IndexSummary::Missing { missing } => format!("none: {}", printable(missing)),
    }
}

fn nothing(page: &IndexPage, name: &str) -> String {
    let (version, all) = (page.version, counted(page.entries));
    format!("None of them has it in its path: version {version} of {name} has {all}.")
}

fn counted(entries: u64) -> String {
    match entries {
        1 => "1 file or folder".to_owned(),
        entries => format!("{} files and folders", in_thousands(entries)),
    }
}

fn lines(entries: &[IndexEntry]) -> String {
    let line =
        |entry: &IndexEntry| format!("{:<6}  {}", entry.kind.as_str(), printable(&entry.path));
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A text of somebody else's package, which is to move nothing on the screen and to stay in its line.
fn printable(text: &str) -> String {
    let shown = |c: char| match breaks_a_line(c) {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(shown).collect()
}

fn in_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use xylem_model::IndexedKind;

    use super::*;

    #[test]
    fn numbers_are_read_by_their_thousands() {
        for (number, text) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345, "12,345"), (1_234_567, "1,234,567")]
        {
            assert_eq!(in_thousands(number), text);
        }
        assert_eq!(summary(&IndexSummary::Entries { entries: 1 }), "1 file or folder");
        assert_eq!(summary(&IndexSummary::Entries { entries: 1234 }), "1,234 files and folders");
        let missing = IndexSummary::Missing { missing: "damaged\u{1b}[2J".to_owned() };
        assert_eq!(summary(&missing), "none: damaged\\u{1b}[2J");
    }

    #[test]
    fn each_entry_has_its_line_whatever_its_name() {
        let entry = |kind, path: &str| IndexEntry { path: path.to_owned(), kind };
        let entries = [
            entry(IndexedKind::Folder, "/Applications/Ä.app"),
            entry(IndexedKind::File, "/Applications/Ä.app/Icon\r"),
            entry(IndexedKind::Link, "/a\u{202e}b\u{2028} "),
        ];
        let expected = "folder  /Applications/Ä.app\nfile    /Applications/Ä.app/Icon\\r\n\
                        link    /a\\u{202e}b\\u{2028} ";
        assert_eq!(lines(&entries), expected);
    }
}
