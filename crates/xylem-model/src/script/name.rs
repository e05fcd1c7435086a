//! Names of scripts: the rules for names of files, and no AppleScripts.

use std::fmt;
use std::str::FromStr;

use crate::{FileName, FileNameError};

/// How AppleScripts are called: compiled, as a bundle, as text.
const APPLESCRIPT_ENDINGS: [&str; 3] = [".scpt", ".scptd", ".applescript"];

/// The name of a script, unique among scripts by its collision key.
///
/// The rules are those of [`FileName`], although no share ever holds a script: people keep scripts
/// in files, and a name has to survive the way there and back.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct ScriptName(FileName);

/// Why a name is refused for a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptNameError {
    /// No file could be called so either.
    #[error(transparent)]
    File(#[from] FileNameError),
    /// It is called as AppleScripts are.
    #[error(
        "the name `{0}` is that of an AppleScript, which is not taken: write it as a script for a \
         shell or another interpreter"
    )]
    AppleScript(FileName),
}

impl ScriptName {
    /// Checks a name and brings it to normalisation form C.
    ///
    /// # Errors
    /// Where no file could be called so, or it ends as the names of AppleScripts do.
    pub fn new(name: &str) -> Result<Self, ScriptNameError> {
        let name = FileName::new(name)?;
        match APPLESCRIPT_ENDINGS.contains(&name.ending().as_str()) {
            true => Err(ScriptNameError::AppleScript(name)),
            false => Ok(Self(name)),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What must be unique among scripts: case folded, in normalisation form C.
    pub fn collision_key(&self) -> String {
        self.0.collision_key()
    }
}

impl fmt::Display for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for ScriptName {
    type Err = ScriptNameError;

    fn from_str(text: &str) -> Result<Self, ScriptNameError> {
        Self::new(text)
    }
}

impl<'de> serde::Deserialize<'de> for ScriptName {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_called_as_a_file_may_be_but_not_as_an_applescript() {
        for good in ["postinstall", "Map drives.sh", "Aufräumen.py", "scpt", "a.scpt.sh"] {
            assert_eq!(ScriptName::new(good).unwrap().as_str(), good);
        }
        for bad in ["Greet.scpt", "Greet.SCPTD", "Greet.AppleScript"] {
            let error = ScriptName::new(bad).unwrap_err();
            assert!(matches!(error, ScriptNameError::AppleScript(_)), "{bad}: {error}");
        }
        for bad in ["", "a/b.sh", "a:b", ".hidden", "nul.sh"] {
            let error = ScriptName::new(bad).unwrap_err();
            assert!(matches!(error, ScriptNameError::File(_)), "{bad}: {error}");
        }
    }

    #[test]
    fn names_that_differ_by_case_alone_are_one() {
        let key = |name| ScriptName::new(name).unwrap().collision_key();
        assert_eq!(key("Map Drives.sh"), key("map drives.SH"));
        assert_ne!(key("Map Drives.sh"), key("Map Drives"));
    }
}
