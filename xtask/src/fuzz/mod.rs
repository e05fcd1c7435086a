//! `cargo xtask fuzz`: what strangers may send, by libFuzzer. The targets are in `fuzz/`.
//!
//! * [`build`]: building them, with the compiler that is there.
//! * [`campaign`]: running one, and what is kept between runs.

mod build;
mod campaign;

use std::path::PathBuf;

use crate::debian;
use crate::failure::{Failure, Outcome};
use build::Targets;
use campaign::{ANY_SEED, Campaign};

pub(crate) use build::{WRAPPING, wrap};

/// The targets, and the longest input that each is given: for requests somewhat more than is let in,
/// for files what a small one has.
const TARGETS: &[(&str, usize)] = &[
    ("books", 20_000),
    ("dav_xml", 70_000),
    ("disk_images", 40_000),
    ("packages", 20_000),
    ("paths_and_ranges", 10_000),
    ("zip_archives", 20_000),
];

/// How long a target runs where nobody says.
const SECONDS: u64 = 10;

/// Longest that a planted fault is looked for. Most take a second; how long one takes is chance, and
/// the run ends with it.
const PLANTED_SECONDS: u64 = 60;

/// Longest piece of a long run: what is lost when it is cut short.
const SLICE_SECONDS: u64 = 60;

/// Runs the targets that were asked for.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let request = Request::parse(arguments)?;
    debian::require(debian::FOR_FUZZING)?;
    let targets = Targets::build()?;
    for (name, longest) in TARGETS {
        if request.target.as_deref().is_none_or(|target| target == *name) {
            let campaign = Campaign::open(&targets, name, *longest)?;
            match &request.what {
                What::Seconds(seconds) => campaign.slice(*seconds, request.seed)?,
                What::Until(seconds) => {
                    while let left @ 1.. = seconds.saturating_sub(campaign.totals().seconds) {
                        campaign.slice(left.min(SLICE_SECONDS), request.seed)?;
                    }
                }
                What::Planted => campaign.planted(PLANTED_SECONDS)?,
                What::Replay(file) => campaign.replay(file)?,
            }
            if !matches!(request.what, What::Planted | What::Replay(_)) {
                campaign.report()?;
            }
        }
    }
    Ok(())
}

/// Each target briefly, once with a fault in it that must be found: what CI runs. It tries the same
/// each time, so that what it says is about the change that it is run for.
pub(crate) fn briefly() -> Outcome {
    run(&["--planted".to_owned()])?;
    run(&["--seed".to_owned(), "1".to_owned()])
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    /// One target; all where left out.
    target: Option<String>,
    what: What,
    /// From which the fuzzer's choices follow.
    seed: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// So many seconds more.
    Seconds(u64),
    /// Until it has run so many seconds in all.
    Until(u64),
    /// With a fault in it.
    Planted,
    /// One input.
    Replay(PathBuf),
}

impl Request {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        let (mut target, mut what, mut seed) = (None, What::Seconds(SECONDS), ANY_SEED);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| usage(format!("{word} needs a value")));
            match word.as_str() {
                "--planted" => what = What::Planted,
                "--replay" => what = What::Replay(value()?.into()),
                "--seconds" => what = What::Seconds(seconds(value()?)?),
                "--seed" => {
                    let text = value()?;
                    seed = text.parse().map_err(|_| usage(format!("{text} is no seed")))?;
                }
                "--until" => what = What::Until(seconds(value()?)?),
                name if TARGETS.iter().any(|(target, _)| *target == name) => {
                    target = Some(name.to_owned());
                }
                other => {
                    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
                    let there_are = names.join(", ");
                    return Err(usage(format!("no target called {other}; there are: {there_are}")));
                }
            }
        }
        if matches!(what, What::Replay(_)) && target.is_none() {
            return Err(usage("--replay needs the TARGET that read the input".to_owned()));
        }
        Ok(Self { target, what, seed })
    }
}

fn usage(what: String) -> Failure {
    Failure::usage(format!("fuzz: {what}"))
}

fn seconds(text: &str) -> Outcome<u64> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0);
    seconds.ok_or_else(|| usage(format!("{text} is no number of seconds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Request> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::parse(&words)
    }

    #[test]
    fn all_targets_run_briefly_where_nothing_is_said() {
        let briefly = Request { target: None, what: What::Seconds(SECONDS), seed: ANY_SEED };
        assert_eq!(parse("").unwrap(), briefly);
        let one = Request { target: Some("dav_xml".to_owned()), what: What::Until(3600), seed: 7 };
        assert_eq!(parse("dav_xml --until 3600 --seed 7").unwrap(), one);
    }

    #[test]
    fn what_makes_no_sense_is_wrong_usage() {
        for line in ["x", "--seconds", "--seconds x", "--until 0", "--replay file"] {
            assert!(matches!(parse(line), Err(Failure::Usage(_))), "{line}");
        }
    }
}
