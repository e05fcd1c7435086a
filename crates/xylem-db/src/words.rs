//! Fixed lists of words that columns hold instead of a backend's own enums.

/// A word of a fixed list that is not on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no {what}")]
pub struct UnknownWord {
    /// What the list is of.
    pub(crate) what: &'static str,
    /// The word given.
    pub(crate) given: String,
}

/// Declares an enum whose variants are stored as words.
macro_rules! words {
    (
        $(#[$doc:meta])* $Name:ident, $what:literal {
            $($(#[$variant_doc:meta])* $Variant:ident => $word:literal,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name {
            $($(#[$variant_doc])* $Variant,)*
        }

        impl $Name {
            /// The word in the database and the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)*
                }
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $Name {
            type Err = $crate::words::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$Variant),)*
                    _ => Err($crate::words::UnknownWord {
                        what: $what,
                        given: $crate::convert::clip(text),
                    }),
                }
            }
        }
    };
}

pub(crate) use words;
