//! A report for people: grouped, aligned, and what to do next.

use std::fmt::Write as _;

use xylem_model::ByteSize;

use super::{Line, Outcome, Report, Totals};

/// Longest first column; what is longer pushes its row's others to the right.
const MAX_COLUMN: usize = 60;

const GROUPS: [(Outcome, &str, &str); 6] = [
    (Outcome::Taken, "Taken", "To be taken"),
    (Outcome::Renamed, "Taken under another name", "To be taken under another name"),
    (
        Outcome::Same,
        "The same file in another folder is taken",
        "The same file lies in another folder",
    ),
    (Outcome::NotSent, "Not sent yet", "Not sent yet"),
    (Outcome::Refused, "Refused", "Refused"),
    (Outcome::LeftOut, "Left out", "Left out"),
];

pub(super) fn text(report: &Report) -> String {
    let totals = report.totals();
    let mut text = String::new();
    let what = if report.is_dry_run { "Dry run of the migration" } else { "Migration" };
    let layout = report.layout.in_words();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what} of {}\nIt is {layout}.\n", report.source);
    for (outcome, done, planned) in GROUPS {
        let lines: Vec<&Line> = report.lines.iter().filter(|it| it.outcome == outcome).collect();
        if !lines.is_empty() {
            let title = if report.is_dry_run { planned } else { done };
            let _ = writeln!(text, "{title}: {}", lines.len());
            group(&mut text, &lines);
        }
    }
    sums(&mut text, report, &totals);
    next(&mut text, report, &totals);
    text
}

fn group(text: &mut String, lines: &[&Line]) {
    let rows: Vec<[String; 3]> = lines.iter().map(|line| row(line)).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).min(MAX_COLUMN)
    };
    let (first, second) = (width(0), width(1));
    for ([path, size, what], line) in rows.iter().zip(lines) {
        let row = format!("  {path:first$}  {size:>second$}  {what}");
        let _ = writeln!(text, "{}", row.trim_end());
        for warning in &line.warnings {
            let _ = writeln!(text, "      note: {warning}");
        }
    }
    text.push('\n');
}

/// Path, size, and what there is to say of it.
fn row(line: &Line) -> [String; 3] {
    let name = line.name.as_ref().map(ToString::to_string).unwrap_or_default();
    let kind = line.kind.map_or("", |kind| kind.word());
    let what = match (&line.reason, &line.renamed, &line.same_as) {
        (Some(reason), ..) => reason.text.clone(),
        (_, Some(renamed), _) => format!("{kind} `{name}`: {}", renamed.because),
        (_, _, Some(other)) => format!("as `{other}`, published as `{name}`"),
        _ => format!("{kind} `{name}`"),
    };
    let size = line.content.map_or(line.size, |content| content.size);
    [line.path.clone(), ByteSize(size).to_string(), what]
}

fn sums(text: &mut String, report: &Report, totals: &Totals) {
    let taken = totals.taken + totals.renamed;
    let (is, bytes) =
        (if report.is_dry_run { "would be taken" } else { "taken" }, totals.taken_bytes);
    let _ = writeln!(
        text,
        "Of {} paths: {taken} {is} ({}), {} of them under another name; {} the same as others; \
         {} not sent yet; {} refused; {} left out.",
        totals.paths,
        ByteSize(bytes),
        totals.renamed,
        totals.same,
        totals.not_sent,
        totals.refused,
        totals.left_out,
    );
    if !report.is_dry_run {
        let run = &report.run;
        let _ = writeln!(
            text,
            "This run sent {} ({}); {} were there already; {} failed.",
            run.sent.len(),
            ByteSize(run.sent_bytes),
            run.there_already.len(),
            run.failed.len(),
        );
    }
}

fn next(text: &mut String, report: &Report, totals: &Totals) {
    text.push_str("\nWhat to do next:\n");
    if totals.refused > 0 {
        text.push_str("  - Look through what was refused; each line says what to do about it.\n");
    }
    if totals.renamed > 0 {
        text.push_str("  - Use the new names in policies and tools.\n");
    }
    text.push_str(match (report.is_dry_run, totals.not_sent) {
        (true, _) => "  - Nothing was sent. Run it again without --dry-run to take all this.\n",
        (false, 0) => {
            "  - Everything that can be taken is there. Running it again changes nothing.\n"
        }
        (false, _) => "  - Run it again: it goes on where it stopped.\n",
    });
    text.push_str("  - The source was not written to. Keep it until the Macs fetch from here.\n");
}
