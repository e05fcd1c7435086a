//! Adding up what the test programs say.

use std::fmt;

/// Sums over every `test result:` line of a run of `cargo test`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were skipped. House rule: none.
    pub(crate) ignored: u64,
}

impl Tally {
    /// Counts a line of output when it is a summary; any other line changes nothing.
    ///
    /// The form, from libtest: `test result: ok. 5 passed; 0 failed; 0 ignored; …`.
    pub(crate) fn line(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let count = words.next().and_then(|word| word.parse::<u64>().ok());
            match (count, words.next()) {
                (Some(count), Some("passed")) => self.passed += count,
                (Some(count), Some("failed")) => self.failed += count,
                (Some(count), Some("ignored")) => self.ignored += count,
                _ => {}
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn summaries_of_all_test_programs_are_added_up() {
        let output = "\
running 2 tests
test a_test ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s

running 3 tests
test result: FAILED. 1 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s
";
        let expected = Tally { passed: 3, failed: 2, ignored: 1 };
        assert_eq!(tally(output), expected);
        assert_eq!(expected.to_string(), "3 passed, 2 failed, 1 ignored");
    }

    #[test]
    fn other_lines_count_nothing() {
        let output = "test counts_passed ... ok\nassertion failed: 5 passed; 1 failed\n";
        assert_eq!(tally(output), Tally::default());
    }

    #[test]
    fn the_last_line_is_plain_when_nothing_was_skipped() {
        assert_eq!(Tally { passed: 7, ..Tally::default() }.to_string(), "7 passed, 0 failed");
    }
}
