//! The lines that `installer -verboseR` prints.

/// One line of output, taken apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Line<'a> {
    /// `installer:PHASE:TEXT`: a new phase has begun.
    Phase(&'a str),
    /// `installer:STATUS:TEXT`: what is being worked on; often empty.
    Status(&'a str),
    /// `installer:%12.34`: percent done, 0 to 100.
    Percent(f64),
    /// `installer: TEXT`: a message.
    Message(&'a str),
    /// Anything else, such as what package scripts print.
    Other(&'a str),
}

impl<'a> Line<'a> {
    /// Takes a line apart.
    pub(super) fn parse(line: &'a str) -> Self {
        let Some(rest) = line.strip_prefix("installer:") else { return Self::Other(line) };
        if let Some(text) = rest.strip_prefix("PHASE:") {
            return Self::Phase(text);
        }
        if let Some(text) = rest.strip_prefix("STATUS:") {
            return Self::Status(text);
        }
        if let Some(number) = rest.strip_prefix('%') {
            return match number.trim().parse() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Self::Percent(percent),
                _ => Self::Other(line),
            };
        }
        match rest.strip_prefix(' ') {
            Some(text) => Self::Message(text),
            None => Self::Other(line),
        }
    }

    /// Whether the tool says here that it succeeded.
    pub(super) fn says_success(self) -> bool {
        let text = match self {
            Self::Message(text) | Self::Phase(text) => text,
            _ => return false,
        };
        ["The install was successful", "The upgrade was successful", "successfully installed"]
            .iter()
            .any(|words| text.contains(words))
    }

    /// Whether the tool says here that the package's signature is not trusted.
    pub(super) fn denies_trust(self) -> bool {
        matches!(self, Self::Message(text) if text.contains("not trusted"))
    }
}

/// The line that tells most about a failure: the last message, else the last line with text.
pub(super) fn most_telling(lines: &[String]) -> String {
    let message = lines.iter().rev().find_map(|line| match Line::parse(line) {
        Line::Message(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    });
    let any = || lines.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
    message.or_else(any).unwrap_or("it printed nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        assert_eq!(Line::parse("installer:PHASE:Writing files…"), Line::Phase("Writing files…"));
        assert_eq!(Line::parse("installer:STATUS:"), Line::Status(""));
        assert_eq!(Line::parse("installer:%12.340000"), Line::Percent(12.34));
        assert_eq!(Line::parse("installer: Package name is X"), Line::Message("Package name is X"));
        for garbage in ["installer:%NaN", "installer:%1e9", "installer:%-1", "installer:", "", "x"]
        {
            assert_eq!(Line::parse(garbage), Line::Other(garbage));
        }
    }

    #[test]
    fn the_last_message_tells_most() {
        let lines =
            |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let output = lines(&["installer: first", "installer: The install failed.", "noise", ""]);
        assert_eq!(most_telling(&output), "The install failed.");
        assert_eq!(most_telling(&lines(&["noise", " "])), "noise");
        assert_eq!(most_telling(&[]), "it printed nothing");
    }
}
