//! What of two versions runs as root.
//!
//! The list of an inspection may be cut, and an archive of scripts may not have been looked into at
//! all. Such a gap is one of its part, and of the files beside the scripts: what a package declares,
//! the installer starts, and that is known of every part.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::facts::{flag, is_more, list, text, texts};
use super::finding::{Finding, names};

/// The word of the warning that the scripts of a part could not be looked into.
const UNLISTED: &str = "unlisted_scripts";

/// The scripts of a version, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Scripts<'a> {
    /// By where they are, in words.
    known: BTreeMap<String, Script<'a>>,
    /// The parts of which not all files are known.
    cut: BTreeSet<String>,
    /// Whether there are files of which nothing is known.
    has_gaps: bool,
}

/// A file among the scripts of a part.
#[derive(Debug)]
struct Script<'a> {
    part: String,
    /// Of its content; none where nobody looked.
    digest: Option<&'a str>,
    /// Whether the installer starts it, and not only another script may.
    runs: bool,
}

impl<'a> Scripts<'a> {
    /// Those of a flat package.
    pub(super) fn of_components(content: &'a Value, inspection: &'a Value) -> Self {
        let mut warnings = list(inspection, "warnings");
        let is_passed_over = warnings.any(|it| text(it, "code") == Some(UNLISTED));
        let mut scripts = Self { has_gaps: is_passed_over, ..Self::default() };
        let mut seen = BTreeMap::<&str, usize>::new();
        for component in list(content, "components") {
            let identifier = text(component, "identifier").unwrap_or_default();
            let times = seen.entry(identifier).or_default();
            *times += 1;
            // Or the last of two parts of one name would hide what the first one runs.
            let part = match times {
                1 => identifier.to_owned(),
                n => format!("{identifier} ({n})"),
            };
            scripts.add_component(component, part, is_passed_over);
        }
        scripts
    }

    /// Those of a bundle package, which are all listed and all started by the installer.
    pub(super) fn of_bundle(content: &'a Value) -> Self {
        let mut scripts = Self::default();
        for script in list(content, "scripts") {
            let part = text(script, "package").unwrap_or_default();
            if let (Some(name), digest @ Some(_)) = (text(script, "name"), text(script, "sha256")) {
                scripts.add(name, Script { part: part.to_owned(), digest, runs: true });
            }
        }
        scripts
    }

    fn add_component(&mut self, component: &'a Value, part: String, is_passed_over: bool) {
        let declared: Vec<&str> = texts(component, "script_names").collect();
        let (mut listed, mut started, mut is_earlier) = (0, 0, false);
        for script in list(component, "scripts") {
            listed += 1;
            let (Some(name), digest @ Some(_)) = (text(script, "name"), text(script, "sha256"))
            else {
                continue;
            };
            // Inspections of before do not say it, and most scripts are called what they are.
            let said = flag(script, "declared");
            let by_name = || declared.iter().any(|it| it.eq_ignore_ascii_case(name));
            let runs = said.unwrap_or_else(by_name);
            is_earlier |= said.is_none();
            started += usize::from(runs);
            self.add(name, Script { part: part.clone(), digest, runs });
        }
        // What is declared and not listed is a link, or is where nobody looked.
        let is_blind = started < declared.len() && !is_earlier;
        for name in declared.iter().filter(|_| is_blind) {
            let script = Script { part: part.clone(), digest: None, runs: true };
            self.known.entry(place(&part, name)).or_insert(script);
        }
        let is_cut = is_more(component, "script_files", listed)
            || (is_passed_over && listed == 0 && !declared.is_empty());
        if is_cut {
            self.has_gaps = true;
            self.cut.insert(part);
        }
    }

    fn add(&mut self, name: &str, script: Script<'a>) {
        self.known.insert(place(&script.part, name), script);
    }

    fn digests(&self) -> BTreeSet<&'a str> {
        self.known.values().filter_map(|script| script.digest).collect()
    }

    /// Whether not all is known of the part that a file is in.
    fn is_cut_where(&self, script: &Script<'_>) -> bool {
        self.cut.contains(&script.part)
    }
}

/// Where a script is, in words.
fn place(part: &str, name: &str) -> String {
    match part {
        "" => name.to_owned(),
        part => format!("{part}: {name}"),
    }
}

/// What is to be said of the scripts of a version that follows another.
pub(super) fn scripts(before: &Scripts<'_>, after: &Scripts<'_>, said: &mut Vec<Finding>) {
    let known = before.digests();
    let (mut new, mut moved, mut changed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (place, script) in &after.known {
        let is_known = script.digest.is_some_and(|digest| known.contains(digest));
        let is_cut = before.is_cut_where(script);
        let among = match before.known.get(place) {
            Some(former) if former.digest == script.digest => continue,
            Some(former) if is_cut && former.digest.is_none() => continue,
            Some(_) if after.is_cut_where(script) && script.digest.is_none() => continue,
            Some(_) => &mut changed,
            // Only a file beside the scripts before, it may be one that runs now.
            None if is_known => &mut moved,
            // It may have been there, and not listed.
            None if is_cut && !script.runs => continue,
            None => &mut new,
        };
        among.insert(place.as_str());
    }
    let kept = after.digests();
    let gone = before.known.iter().filter(|(place, script)| {
        let is_kept = script.digest.is_none_or(|digest| kept.contains(digest));
        !after.known.contains_key(*place) && !is_kept && !after.is_cut_where(script)
    });
    let gone: BTreeSet<&str> = gone.map(|(place, _)| place.as_str()).collect();
    if !new.is_empty() {
        let message = format!("it runs scripts that were not there before: {}", names(&new));
        said.push(Finding::warning("scripts-new", message));
    }
    let mut note = |code: &'static str, what: &str, found: &BTreeSet<&str>| {
        if !found.is_empty() {
            said.push(Finding::note(code, format!("{what}: {}", names(found))));
        }
    };
    note("scripts-changed", "scripts of it have another content", &changed);
    note("scripts-moved", "scripts were elsewhere in it before", &moved);
    note("scripts-gone", "scripts are not there any more", &gone);
    if before.has_gaps || after.has_gaps {
        let message = "not all files beside the scripts are listed, so not all were compared";
        said.push(Finding::note("scripts-not-compared", message));
    }
}
