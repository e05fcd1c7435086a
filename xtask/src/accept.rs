//! `cargo xtask accept NAME`: one of the long or large acceptance runs.

use std::path::PathBuf;
use std::process::Command;

use crate::cargo::{self, Profile};
use crate::debian::{self, Package};
use crate::failure::{Attempting, Failure, Outcome, passed_on};

/// Names the folder of fixtures when `--fixtures` does not.
const FIXTURES_VARIABLE: &str = "XYLEM_FIXTURES";

/// What every acceptance run starts, and the one that runs them.
pub(crate) const PROGRAMS: &[&str] = &["xylem", "xylem-agent", "xylem-accept"];

/// What a run starts besides. Each program is linked on its own, which as they ship takes minutes.
const MORE_PROGRAMS: &[(&str, &[&str])] = &[("content-link", &["xylem-sim", "xylem-faults"])];

/// The part of `content-link` that cuts power and lets system calls fail.
const FAULTS: &str = "faults";

/// Runs that measure the memory and time of programs themselves: only what ships counts, and of a
/// development build the code alone takes more than some limits.
const MEASURED: &[&str] = &["artifacts", "cloud"];

/// Builds the programs and `xylem-accept` (`tests/accept`), and runs it.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let request =
        Request::parse(arguments, std::env::var_os(FIXTURES_VARIABLE).map(PathBuf::from))?;
    if !request.fixtures.is_dir() {
        return Err(Failure::failed(format!(
            "no folder of fixtures at {}; say where it is with --fixtures DIR or {FIXTURES_VARIABLE}",
            request.fixtures.display()
        )));
    }
    for packages in packages_of(&request) {
        debian::require(packages)?;
    }
    let programs = cargo::build_as(profile_of(&request.name), &programs_of(&request.name))?;
    let status = Command::new(programs.path("xylem-accept")?)
        .arg(&request.name)
        .arg("--fixtures")
        .arg(&request.fixtures)
        .args(request.only.iter().flat_map(|part| ["--only", part]))
        .args(request.mib.iter().flat_map(|mib| ["--mib", mib]))
        .status()
        .attempting("start the acceptance run")?;
    passed_on(status)
}

/// How the programs of a run are built.
fn profile_of(run: &str) -> Profile {
    if MEASURED.contains(&run) { Profile::Release } else { Profile::Dev }
}

/// The programs that a run needs: one build makes them all, so that nothing is compiled twice.
fn programs_of(run: &str) -> Vec<&'static str> {
    let more = MORE_PROGRAMS.iter().filter(|(name, _)| *name == run).flat_map(|(_, more)| *more);
    PROGRAMS.iter().chain(more).copied().collect()
}

/// What the suites of faults need beyond our own programs. The other parts install what they need.
fn packages_of(request: &Request) -> &'static [&'static [Package]] {
    let has_faults = request.name == "content-link";
    if has_faults && request.only.as_deref().is_none_or(|part| part == FAULTS) {
        &[debian::FOR_CUTS, debian::FOR_FAILING_CALLS]
    } else {
        &[]
    }
}

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    name: String,
    fixtures: PathBuf,
    /// The one part to run; all where left out.
    only: Option<String>,
    /// Size of the large file of a run that has one, MiB; that run's own where left out.
    mib: Option<String>,
}

impl Request {
    fn parse(arguments: &[String], from_environment: Option<PathBuf>) -> Outcome<Self> {
        let mut name = None;
        let (mut fixtures, mut only, mut mib) = (None, None, None);
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--fixtures" => fixtures = words.next().map(PathBuf::from),
                "--only" => {
                    let part = words.next().ok_or_else(|| Failure::usage("--only needs a PART"))?;
                    only = Some(part.clone());
                }
                "--mib" => {
                    let number = words.next().filter(|word| word.parse::<u32>().is_ok());
                    let number = number.ok_or_else(|| Failure::usage("--mib needs a number"))?;
                    mib = Some(number.clone());
                }
                option if option.starts_with('-') => {
                    return Err(Failure::usage(format!("accept has no option {option}")));
                }
                _ if name.is_some() => {
                    return Err(Failure::usage(format!("accept takes one name, not also {word}")));
                }
                _ => name = Some(word.clone()),
            }
        }
        let name = name.ok_or_else(|| Failure::usage("accept needs the NAME of a run"))?;
        let fixtures = fixtures.or(from_environment).ok_or_else(|| {
            Failure::usage(format!(
                "accept needs a folder of fixtures: --fixtures DIR, or set {FIXTURES_VARIABLE}"
            ))
        })?;
        Ok(Self { name, fixtures, only, mib })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, from_environment: Option<&str>) -> Outcome<Request> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Request::parse(&words, from_environment.map(PathBuf::from))
    }

    #[test]
    fn nothing_is_built_as_it_ships_but_what_is_measured() {
        assert_eq!(profile_of("artifacts"), Profile::Release);
        assert_eq!(programs_of("artifacts"), ["xylem", "xylem-agent", "xylem-accept"]);
        assert_eq!(profile_of("cloud"), Profile::Release);
        assert_eq!(profile_of("content-link"), Profile::Dev);
        assert!(programs_of("content-link").contains(&"xylem-faults"));
    }

    #[test]
    fn faults_need_tools_and_other_parts_do_not() {
        let needed = |line| packages_of(&parse(line, Some("there")).unwrap()).len();
        assert_eq!(needed("content-link"), 2);
        assert_eq!(needed("content-link --only faults"), 2);
        assert_eq!(needed("content-link --only chain"), 0);
        assert_eq!(needed("cloud"), 0);
    }

    #[test]
    fn the_option_wins_over_the_environment() {
        let request = parse("packages --fixtures here", Some("there")).unwrap();
        let (name, fixtures) = ("packages".into(), "here".into());
        assert_eq!(request, Request { name, fixtures, only: None, mib: None });
        let request = parse("packages", Some("there")).unwrap();
        assert_eq!(request.fixtures, PathBuf::from("there"));
        let request = parse("packages --only demo", Some("there")).unwrap();
        assert_eq!(request.only.as_deref(), Some("demo"));
        let request = parse("cloud --mib 64", Some("there")).unwrap();
        assert_eq!(request.mib.as_deref(), Some("64"));
    }

    #[test]
    fn a_missing_name_or_folder_is_wrong_usage() {
        for (line, folder) in [
            ("", Some("there")),
            ("packages", None),
            ("one two", Some("t")),
            ("--all", Some("t")),
            ("one --only", Some("t")),
            ("one --mib", Some("t")),
            ("one --mib x", Some("t")),
        ] {
            assert!(matches!(parse(line, folder), Err(Failure::Usage(_))), "{line}");
        }
    }
}
