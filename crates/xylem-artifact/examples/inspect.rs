//! Prints what the readers make of files, one JSON document each: `inspect FILE…`.
//!
//! Runs in this very process, without the limits of a child: meant for developers who look into
//! files of their own.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

use std::fs::File;
use std::process::ExitCode;

use xylem_artifact::Form;
use xylem_artifact::inspect::inspect;
use xylem_model::FileKind;

fn main() -> ExitCode {
    let mut refused = false;
    for path in std::env::args_os().skip(1) {
        let name = path.to_string_lossy();
        let mut forms = FileKind::ALL.iter().filter_map(|kind| Form::of_name(*kind, &name));
        let Some(form) = forms.next() else {
            refused = true;
            println!("{name}: its ending says no form that is known");
            continue;
        };
        let answer = match File::open(&path) {
            Ok(file) => inspect(form, file).map_or_else(
                |refusal| {
                    refused = true;
                    serde_json::to_string_pretty(&refusal)
                },
                |inspection| serde_json::to_string_pretty(&inspection),
            ),
            Err(error) => {
                refused = true;
                Ok(format!("cannot be opened: {error}"))
            }
        };
        println!("{}: {}", path.display(), answer.unwrap_or_else(|error| error.to_string()));
    }
    if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
