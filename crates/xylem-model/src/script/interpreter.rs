//! The first line of a script, which says what runs it.

use super::contents::{ScriptError, ScriptRules};

/// Longest interpreter line that macOS reads, in bytes (`IMG_SHSIZE` of its kernel).
const MAX_LINE_BYTES: usize = 512;

/// How lines of AppleScripts begin, in lower case. They only decide what a refusal says.
const APPLESCRIPT_LINES: [&str; 12] = [
    "tell app",
    "end tell",
    "on run",
    "on open",
    "display dialog",
    "display alert",
    "display notification",
    "do shell script",
    "use applescript",
    "use framework",
    "use scripting additions",
    "set the clipboard",
];

/// Refuses a text without a usable interpreter line.
pub(super) fn check(text: &str, rules: ScriptRules) -> Result<(), ScriptError> {
    let first = text.lines().next().unwrap_or_default();
    let Some(line) = first.strip_prefix("#!") else {
        return Err(match is_applescript(text) {
            true => ScriptError::AppleScriptText,
            false => ScriptError::NoInterpreterLine,
        });
    };
    if first.len() > MAX_LINE_BYTES {
        return Err(ScriptError::LongInterpreterLine(first.len()));
    }
    let mut words = line.split_ascii_whitespace();
    let interpreter = words.next().unwrap_or_default();
    let is_alone = words.next().is_none();
    if !interpreter.starts_with('/') || (is_alone && last_part(interpreter) == "env") {
        return Err(ScriptError::Interpreter(first.to_owned()));
    }
    if !rules.allow_osascript && runs_osascript(line) {
        return Err(ScriptError::Osascript);
    }
    Ok(())
}

/// Whether `osascript` runs it: itself, or by way of `env` and the like. Names differ by case
/// alone on most Macs, and `env -S` takes quotes and words that follow at once. Who wants to can
/// get around it; what counts is that nobody does by mistake.
fn runs_osascript(line: &str) -> bool {
    let line: String = line.chars().filter(|c| !matches!(c, '"' | '\'' | '\\')).collect();
    line.to_ascii_lowercase().split_ascii_whitespace().any(|word| {
        let name = last_part(word);
        name == "osascript" || (word.starts_with('-') && name.ends_with("osascript"))
    })
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_applescript(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start().to_lowercase();
        APPLESCRIPT_LINES.iter().any(|begin| line.starts_with(begin))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_an_absolute_path() {
        for good in [
            "#!/bin/sh",
            "#! /bin/bash -e",
            "#!/usr/bin/env python3",
            "#!/usr/bin/env -S perl -w",
            "#!/usr/local/bin/myosascript",
            "#!/bin/zsh --no-rcs\nosascript -e 'beep'",
        ] {
            assert_eq!(check(good, ScriptRules::default()), Ok(()), "{good}");
        }
        for bad in ["#!", "#!  ", "#!sh", "#!bin/sh", "#!/usr/bin/env"] {
            let refused = check(bad, ScriptRules::default());
            assert_eq!(refused, Err(ScriptError::Interpreter(bad.to_owned())));
        }
        let long = format!("#!/bin/sh {}", "x".repeat(600));
        let refused = check(&long, ScriptRules::default());
        assert_eq!(refused, Err(ScriptError::LongInterpreterLine(610)));
    }

    #[test]
    fn osascript_is_refused_however_it_is_called_unless_it_is_allowed() {
        for line in [
            "#!/usr/bin/osascript",
            "#! /usr/bin/osascript -l JavaScript",
            "#!/usr/bin/OSAScript",
            "#!/usr/bin/env osascript",
            "#!/usr/bin/env -S osascript -l JavaScript",
            "#!/usr/bin/env -Sosascript",
            "#!/usr/bin/env -S 'osa'script",
            "#!/usr/bin/env /usr/bin/osascript",
        ] {
            let refused = check(line, ScriptRules::default());
            assert_eq!(refused, Err(ScriptError::Osascript), "{line}");
            assert_eq!(check(line, ScriptRules { allow_osascript: true }), Ok(()), "{line}");
        }
    }

    #[test]
    fn a_text_without_the_line_is_refused_and_an_applescript_is_called_so() {
        for text in ["echo hello", " #!/bin/sh", "\n#!/bin/sh", "# !/bin/sh", "retell apple"] {
            let refused = check(text, ScriptRules::default());
            assert_eq!(refused, Err(ScriptError::NoInterpreterLine), "{text:?}");
        }
        for text in [
            "tell application \"Finder\"\n  activate\nend tell",
            "-- greets\non run argv\n\tdisplay dialog \"Hello\"\nend run",
            "use AppleScript version \"2.4\"",
        ] {
            let refused = check(text, ScriptRules { allow_osascript: true });
            assert_eq!(refused, Err(ScriptError::AppleScriptText), "{text:?}");
        }
    }
}
