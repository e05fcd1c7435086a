//! Log lines in the form that `installer -verboseR` prints, so that tools made for its output can
//! read ours.

/// The lines of one installation.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    lines: Vec<String>,
}

impl Transcript {
    /// A plain line: `installer: TEXT`.
    pub(crate) fn say(&mut self, text: &str) {
        self.lines.push(format!("installer: {text}"));
    }

    /// The beginning of a phase: `installer:PHASE:TEXT`.
    pub(crate) fn phase(&mut self, text: &str) {
        self.lines.push(format!("installer:PHASE:{text}"));
    }

    /// What is being worked on: `installer:STATUS:TEXT`.
    pub(crate) fn status(&mut self, text: &str) {
        self.lines.push(format!("installer:STATUS:{text}"));
    }

    /// Progress in percent: `installer:%12.340000`.
    pub(crate) fn percent(&mut self, percent: f64) {
        self.lines.push(format!("installer:%{percent:.6}"));
    }

    /// All lines, oldest first.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
