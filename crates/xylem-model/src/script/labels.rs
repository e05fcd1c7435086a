//! What the parameters of a script stand for.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Longest label, in characters.
pub const MAX_LABEL_CHARS: usize = 200;

/// The parameters that a policy fills. The first three are always the target volume, the
/// computer's name and the user's name.
const NUMBERS: RangeInclusive<u8> = 4..=11;

/// Labels of parameters 4 to 11, shown to whoever fills them. What has no label is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct ParameterLabels(BTreeMap<u8, String>);

/// Why a label is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// There is no such parameter to be labelled.
    #[error(
        "parameter {0} has no label: 1 to 3 are the target volume, the computer's and the user's \
         name, 4 to 11 are yours"
    )]
    Number(u8),
    /// It is more than one line, or holds what no screen shows.
    #[error("the label of parameter {0} holds a control character: write it as one line")]
    ControlCharacter(u8),
    /// It is too long.
    #[error("the label of parameter {0} has more than {MAX_LABEL_CHARS} characters: shorten it")]
    TooLong(u8),
}

impl ParameterLabels {
    /// Checks labels; an empty one is none.
    ///
    /// # Errors
    /// Where one is refused.
    pub fn new(labels: impl IntoIterator<Item = (u8, String)>) -> Result<Self, LabelError> {
        Self::default().with(labels)
    }

    /// These labels with some of them changed; an empty text takes one away.
    ///
    /// # Errors
    /// Where one is refused.
    pub fn with(
        mut self,
        labels: impl IntoIterator<Item = (u8, String)>,
    ) -> Result<Self, LabelError> {
        for (number, text) in labels {
            let text = text.trim();
            if !NUMBERS.contains(&number) {
                return Err(LabelError::Number(number));
            }
            if text.chars().any(char::is_control) {
                return Err(LabelError::ControlCharacter(number));
            }
            if text.chars().count() > MAX_LABEL_CHARS {
                return Err(LabelError::TooLong(number));
            }
            match text {
                "" => self.0.remove(&number),
                text => self.0.insert(number, text.to_owned()),
            };
        }
        Ok(self)
    }

    /// Each label with the number of its parameter, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &str)> {
        self.0.iter().map(|(number, text)| (*number, text.as_str()))
    }
}

impl<'de> serde::Deserialize<'de> for ParameterLabels {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let labels = <BTreeMap<u8, String> as serde::Deserialize>::deserialize(d)?;
        Self::new(labels).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(number: u8, text: &str) -> Result<ParameterLabels, LabelError> {
        ParameterLabels::new([(number, text.to_owned())])
    }

    #[test]
    fn parameters_four_to_eleven_have_labels_of_one_bounded_line() {
        for number in 4..=11 {
            assert_eq!(one(number, " Server ").unwrap().iter().next(), Some((number, "Server")));
        }
        for number in [0, 1, 3, 12, 255] {
            assert_eq!(one(number, "Server"), Err(LabelError::Number(number)));
        }
        assert_eq!(one(4, "two\nlines"), Err(LabelError::ControlCharacter(4)));
        assert!(one(5, &"é".repeat(MAX_LABEL_CHARS)).is_ok());
        assert_eq!(one(5, &"é".repeat(MAX_LABEL_CHARS + 1)), Err(LabelError::TooLong(5)));
    }

    #[test]
    fn an_empty_label_takes_one_away_and_the_others_stay() {
        let labels = one(4, "Server").unwrap().with([(11, "Share".to_owned())]).unwrap();
        let labels = labels.with([(4, " ".to_owned()), (7, String::new())]).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [(11, "Share")]);
    }

    #[test]
    fn labels_are_checked_when_they_are_read() {
        let labels = one(4, "Server").unwrap();
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"{"4":"Server"}"#);
        assert_eq!(serde_json::from_str::<ParameterLabels>(&json).unwrap(), labels);
        assert!(serde_json::from_str::<ParameterLabels>(r#"{"3":"Server"}"#).is_err());
    }
}
