//! Scripts: how they are called, what is said of them, and what may be in them.
//!
//! A script is text that a managed Mac runs as a program, so it begins with the line that names
//! its interpreter. It is kept in the database of the management server and nowhere else, which is
//! why a script is no [`FileKind`](crate::FileKind).

mod contents;
mod encoding;
mod interpreter;
mod labels;
mod name;

use crate::word::words;

pub use contents::{MAX_SCRIPT_BYTES, Normalised, ScriptContents, ScriptError, ScriptRules};
pub use labels::{LabelError, MAX_LABEL_CHARS, ParameterLabels};
pub use name::{ScriptName, ScriptNameError};

words! {
    /// When a script runs, beside the packages of the same policy.
    #[derive(Default)]
    ScriptPriority, "priority of a script", "before, after or at-reboot",
    /// After the packages.
    #[default]
    After = "after",
    /// At the next start of the Mac.
    AtReboot = "at-reboot",
    /// Before the packages.
    Before = "before",
}

words! {
    /// By which ways the contents of scripts may be changed.
    #[derive(Default)]
    ContentsThrough, "way of changing scripts", "editor-and-api or editor-only",
    /// In the editor, and by whoever may change scripts through the API.
    #[default]
    EditorAndApi = "editor-and-api",
    /// In the editor alone, as the original had it.
    EditorOnly = "editor-only",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_runs_after_the_packages_unless_somebody_says_otherwise() {
        assert_eq!(ScriptPriority::default().to_string(), "after");
        for priority in ScriptPriority::ALL {
            assert_eq!(priority.to_string().parse(), Ok(*priority));
            let json = serde_json::to_string(priority).unwrap();
            assert_eq!(json, format!("\"{priority}\""));
        }
        assert!("first".parse::<ScriptPriority>().is_err());
        assert_eq!(ContentsThrough::default(), ContentsThrough::EditorAndApi);
    }
}
