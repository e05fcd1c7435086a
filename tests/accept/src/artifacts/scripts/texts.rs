//! The versions of a script, of which it is known how they differ.

use std::collections::BTreeSet;

use xylem_migration::testing::Seed;

/// In every text that is made here, so that no byte of one goes unseen where it should not be.
pub(super) const MARK: &str = "accept-mark-of-a-script";
/// Lines of the first version.
const LINES: usize = 60;
/// The most lines that one edit writes anew, puts in and takes out.
const MOST: usize = 5;
const SEED: u64 = 190;

/// A script. No line is in it twice, and lines that stay keep their order from one to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    lines: Vec<String>,
}

impl Text {
    pub(super) fn contents(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn lines_not_in<'a>(&'a self, other: &Self) -> Vec<&'a str> {
        let theirs: BTreeSet<&String> = other.lines.iter().collect();
        let mine = self.lines.iter().filter(|line| !theirs.contains(line));
        mine.map(String::as_str).collect()
    }
}

/// Versions, each made of the one before, each with a mark of its own.
pub(super) fn versions(many: usize) -> Vec<Text> {
    let mut writer = Writer { seed: Seed::new(SEED), written: 0 };
    let mut lines = vec!["#!/bin/sh".to_owned(), String::new()];
    lines.extend((0..LINES).map(|_| writer.line()));
    let mut versions: Vec<Text> = Vec::with_capacity(many);
    for version in 1..=many {
        if version > 1 {
            writer.change(&mut lines);
        }
        if let Some(mark) = lines.get_mut(1) {
            *mark = format!("# {MARK}-{version}-{:016x}", writer.seed.number());
        }
        versions.push(Text { lines: lines.clone() });
    }
    versions
}

/// A text that has nothing to do with the others but its mark.
pub(super) fn alone(name: &str) -> Text {
    Text { lines: vec!["#!/bin/sh".to_owned(), format!("# {MARK}-{name}")] }
}

struct Writer {
    seed: Seed,
    written: usize,
}

impl Writer {
    /// A line that was never there.
    fn line(&mut self) -> String {
        self.written += 1;
        format!("echo {} {:016x}", self.written, self.seed.number())
    }

    /// A place below the interpreter and the mark.
    fn place(&mut self, lines: &[String]) -> usize {
        2 + self.seed.below(lines.len() - 2)
    }

    fn change(&mut self, lines: &mut Vec<String>) {
        for _ in 0..=self.seed.below(MOST) {
            let (place, line) = (self.place(lines), self.line());
            if let Some(old) = lines.get_mut(place) {
                *old = line;
            }
        }
        for _ in 0..self.seed.below(MOST) {
            let (place, line) = (self.place(lines), self.line());
            lines.insert(place, line);
        }
        for _ in 0..self.seed.below(MOST) {
            lines.remove(self.place(lines));
        }
    }
}
