//! What can be asked of a bench.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};

/// Fewest rounds from which a verdict may be drawn.
pub const ROUNDS: usize = 5;

/// What was asked for. The numbers that nobody changes are those of the goals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How often each contender runs.
    pub rounds: usize,
    /// Size of the one large file, in MiB.
    pub size_mib: u64,
    /// How many small files.
    pub files: usize,
    /// How many uploads whose way is timed.
    pub uploads: usize,
    /// Rate of links, in Mbit/s.
    pub rate_mbit: u32,
    /// Where data goes: a folder on a disk.
    pub folder: PathBuf,
    /// Only the row of this name.
    pub only: Option<String>,
    /// The folder of the programs that are measured; that of this program where it is not named.
    pub programs: Option<PathBuf>,
}

impl Options {
    /// The options of the goals, with data in the system's folder for temporary files.
    pub fn goals() -> Self {
        Self {
            rounds: ROUNDS,
            size_mib: 1024,
            files: 10_000,
            uploads: 200,
            rate_mbit: 200,
            folder: std::env::temp_dir(),
            only: None,
            programs: None,
        }
    }

    /// Reads words such as `--rounds 5`.
    ///
    /// # Errors
    /// When a word is not known, or its value is missing or no number.
    pub fn parse(words: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self::goals();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let value = words.next().with_context(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--rounds" => options.rounds = number(&word, &value)?,
                "--size" => options.size_mib = number(&word, &value)?,
                "--files" => options.files = number(&word, &value)?,
                "--uploads" => options.uploads = number(&word, &value)?,
                "--rate" => options.rate_mbit = number(&word, &value)?,
                "--folder" => options.folder = PathBuf::from(value),
                "--only" => options.only = Some(value),
                "--programs" => options.programs = Some(PathBuf::from(value)),
                _ => bail!("no such option: {word}"),
            }
        }
        Ok(options)
    }

    /// Whether a row is asked for.
    pub fn wants(&self, row: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == row)
    }

    /// Refuses a row that does not exist.
    ///
    /// # Errors
    /// When `--only` names none of these.
    pub fn check_rows(&self, rows: &[&str]) -> anyhow::Result<()> {
        let Some(only) = self.only.as_deref() else { return Ok(()) };
        ensure!(rows.contains(&only), "no row called {only}; there is: {}", rows.join(", "));
        Ok(())
    }

    /// Says where these are not the goals' own numbers, so that nobody takes one for the other.
    pub fn print_deviations(&self) {
        let goals = Self::goals();
        if self.rounds < goals.rounds {
            println!("NOTE {} rounds instead of {}", self.rounds, goals.rounds);
        }
        let sizes = |one: &Self| (one.size_mib, one.files, one.uploads, one.rate_mbit);
        if sizes(self) != sizes(&goals) {
            println!(
                "NOTE other sizes than the goals': {} MiB, {} files, {} uploads, {} Mbit/s",
                self.size_mib, self.files, self.uploads, self.rate_mbit
            );
        }
    }
}

fn number<T: FromStr + PartialOrd + Default>(word: &str, value: &str) -> anyhow::Result<T> {
    match value.parse::<T>() {
        Ok(number) if number > T::default() => Ok(number),
        _ => bail!("{word} takes a number from 1 on, not {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Options> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn what_is_not_said_is_as_in_the_goals() {
        let options = parse("--rounds 7 --only one-hop").unwrap();
        assert_eq!((options.rounds, options.size_mib, options.files), (7, 1024, 10_000));
        assert!(options.wants("one-hop") && !options.wants("loopback"));
        assert!(options.check_rows(&["loopback"]).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--rounds", "--rounds 0", "--rounds many", "--size -1", "--fast yes", "x y"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
