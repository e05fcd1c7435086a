//! What commands print: tables and sentences for people, JSON for programs.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::Failure;

/// Where results go, and in which form.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    json: bool,
    bars: MultiProgress,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, bars: MultiProgress::new() }
    }

    /// Prints a value as JSON, or as the text that `text` makes of it.
    pub(crate) fn value<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            self.line(&serde_json::to_string_pretty(value)?)
        } else {
            self.line(text(value).trim_end())
        }
    }

    /// Prints a value as JSON, or a text of it to the byte, so that it can go into a file.
    pub(crate) fn exactly<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> &String,
    ) -> Result<(), Failure> {
        match self.json {
            true => self.value(value, |_| String::new()),
            false => Ok(std::io::stdout().write_all(text(value).as_bytes())?),
        }
    }

    /// Whether results are for programs.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// A sentence for people; nothing in JSON mode.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { self.line(text) }
    }

    /// Prints text that was made by a generator.
    pub(crate) fn generated(&self, generate: impl FnOnce(&mut Vec<u8>)) -> Result<(), Failure> {
        let mut text = Vec::new();
        generate(&mut text);
        Ok(std::io::stdout().write_all(&text)?)
    }

    fn line(&self, text: &str) -> Result<(), Failure> {
        // Progress bars are taken off the screen while a line is printed.
        Ok(self.bars.suspend(|| writeln!(std::io::stdout(), "{text}"))?)
    }

    /// A progress bar over bytes that pass through here, with their measured rate; hidden where
    /// standard error is no terminal.
    pub(crate) fn bar(&self, label: &str, bytes: u64) -> ProgressBar {
        let style =
            "{prefix:28} [{bar:32}] {bytes:>10} / {total_bytes:10} {bytes_per_sec:>12} {eta:>4}";
        self.styled_bar(style, label, bytes)
    }

    /// A progress bar over the bytes of a copy elsewhere; its message is what the server says.
    pub(crate) fn copy_bar(&self, server: &str, bytes: u64) -> ProgressBar {
        let style = "{prefix:20} [{bar:24}] {bytes:>10} / {total_bytes:10} {msg}";
        self.styled_bar(style, server, bytes)
    }

    /// A progress bar over files.
    pub(crate) fn count_bar(&self, label: &str, files: u64) -> ProgressBar {
        self.styled_bar("{prefix:28} [{bar:32}] {pos:>10} / {len:10} files", label, files)
    }

    fn styled_bar(&self, style: &str, label: &str, bytes: u64) -> ProgressBar {
        if !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = self.bars.add(ProgressBar::new(bytes));
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(label.to_owned());
        bar
    }
}

/// A table with a head, columns aligned.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(head.to_vec());
    text += &line(
        widths
            .iter()
            .map(|width| "-".repeat(*width))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect(),
    );
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

/// `name: value` lines, values aligned.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count() + 1).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{:<width$}  {value}\n", format!("{name}:"))).collect()
}

/// A value that may be missing.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_under_their_heads() {
        let rows =
            [vec!["a".to_owned(), "1".to_owned()], vec!["long name".to_owned(), "22".to_owned()]];
        assert_eq!(
            table(&["NAME", "N"], &rows),
            "NAME       N\n---------  --\na          1\nlong name  22\n"
        );
    }
}
