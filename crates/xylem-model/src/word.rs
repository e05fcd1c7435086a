//! Enumerations that are written as one word, in the API, in signed documents and in the database.

/// Declares an enumeration whose variants each have one word, and an error for any other word.
macro_rules! words {
    (
        $(#[$meta:meta])* $name:ident, $what:literal, $choices:literal,
        $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)?
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in the API and the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::UnknownWord;

            fn from_str(text: &str) -> Result<Self, crate::UnknownWord> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|value| value.as_str() == text)
                    .ok_or_else(|| crate::UnknownWord::new($what, $choices, text))
            }
        }
    };
}

pub(crate) use words;

/// A word that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}: use {choices}")]
pub struct UnknownWord {
    what: &'static str,
    choices: &'static str,
    given: String,
}

impl UnknownWord {
    /// Longest part of a wrong word that is repeated in the error, in characters.
    const REPEATED: usize = 40;

    pub(crate) fn new(what: &'static str, choices: &'static str, given: &str) -> Self {
        Self { what, choices, given: given.chars().take(Self::REPEATED).collect() }
    }
}

#[cfg(test)]
mod tests {
    use crate::{ParentPolicy, Priority, VersionMark};

    #[test]
    fn every_word_is_read_back_and_no_other_is() {
        for priority in Priority::ALL {
            assert_eq!(priority.to_string().parse(), Ok(*priority));
            let json = format!("\"{priority}\"");
            assert_eq!(serde_json::from_str::<Priority>(&json).unwrap(), *priority);
        }
        for policy in ParentPolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(*policy));
            let json = format!("\"{policy}\"");
            assert_eq!(serde_json::from_str::<ParentPolicy>(&json).unwrap(), *policy);
        }
        for mark in VersionMark::ALL {
            assert_eq!(mark.to_string().parse(), Ok(*mark));
            let json = format!("\"{mark}\"");
            assert_eq!(serde_json::from_str::<VersionMark>(&json).unwrap(), *mark);
        }
        let error = "soon".parse::<Priority>().unwrap_err().to_string();
        assert_eq!(error, "`soon` is no priority: use urgent, normal or bulk");
    }
}
