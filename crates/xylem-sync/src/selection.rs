//! What an administrator chooses for one distribution server.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;
use xylem_model::{CategoryId, FileId, FileKind, FileName, SiteId, fold_name};

/// The most rules of one selection.
pub const MAX_RULES: usize = 100;

/// The most choices in one part of a rule.
pub const MAX_CHOICES: usize = 1000;

/// What selections ask of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// The file.
    pub id: FileId,
    /// Its kind.
    pub kind: FileKind,
    /// Its category.
    pub category: Option<CategoryId>,
    /// The site it belongs to, and those it is marked for.
    pub sites: Vec<SiteId>,
    /// Its name, in the form in which names are compared ([`fold_name`]).
    pub folded_name: String,
}

/// A choice of files: each file that one of the rules chooses. Without a rule, none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Selection {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// A rule chooses the files to which all of its parts apply; a part applies to a file with one of
/// its choices. An empty part applies to all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// These files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileId>,
    /// Files of these kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<FileKind>,
    /// Files in these categories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryId>,
    /// Files that belong to these sites, or are marked for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<SiteId>,
    /// Files with such names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<NamePattern>,
}

/// A pattern of file names: `*` stands for any text, `?` for one character. Case does not count.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamePattern {
    text: String,
    compiled: WildMatch,
}

impl PartialEq for NamePattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for NamePattern {}

impl Hash for NamePattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Why a selection cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A pattern that no name can match, or too long.
    #[error("`{0}` is no pattern of names: write at most 255 characters, such as Office*.pkg")]
    Pattern(String),
    /// A rule without a part would choose everything.
    #[error(
        "rule {0} says nothing, which would choose every file: say which, or have the server \
         replicate everything"
    )]
    EmptyRule(usize),
    /// More rules than there can be.
    #[error("there are {0} rules; at most {MAX_RULES} are possible")]
    TooManyRules(usize),
    /// More choices than there can be.
    #[error("rule {rule} names {given} {what}; at most {MAX_CHOICES} are possible")]
    TooManyChoices {
        /// The number of the rule, from 1.
        rule: usize,
        /// What there is too much of.
        what: &'static str,
        /// How many.
        given: usize,
    },
}

impl Selection {
    /// Whether a file is chosen.
    pub fn chooses(&self, file: &FileFacts) -> bool {
        self.rules.iter().any(|rule| rule.chooses(file))
    }

    /// Whether a selection can be.
    ///
    /// # Errors
    /// For rules that say nothing, and for more of anything than there can be.
    pub fn check(&self) -> Result<(), SelectionError> {
        if self.rules.len() > MAX_RULES {
            return Err(SelectionError::TooManyRules(self.rules.len()));
        }
        self.rules.iter().enumerate().try_for_each(|(at, rule)| rule.check(at + 1))
    }
}

impl Rule {
    /// Whether a file is chosen.
    pub fn chooses(&self, file: &FileFacts) -> bool {
        let applies = |is_empty: bool, has: bool| is_empty || has;
        applies(self.files.is_empty(), self.files.contains(&file.id))
            && applies(self.kinds.is_empty(), self.kinds.contains(&file.kind))
            && applies(
                self.categories.is_empty(),
                file.category.is_some_and(|category| self.categories.contains(&category)),
            )
            && applies(
                self.sites.is_empty(),
                file.sites.iter().any(|site| self.sites.contains(site)),
            )
            && applies(
                self.names.is_empty(),
                self.names.iter().any(|pattern| pattern.matches(&file.folded_name)),
            )
    }

    fn check(&self, number: usize) -> Result<(), SelectionError> {
        let parts = [
            ("files", self.files.len()),
            ("kinds", self.kinds.len()),
            ("categories", self.categories.len()),
            ("sites", self.sites.len()),
            ("names", self.names.len()),
        ];
        if parts.iter().all(|(_, given)| *given == 0) {
            return Err(SelectionError::EmptyRule(number));
        }
        match parts.into_iter().find(|(_, given)| *given > MAX_CHOICES) {
            Some((what, given)) => {
                Err(SelectionError::TooManyChoices { rule: number, what, given })
            }
            None => Ok(()),
        }
    }
}

impl NamePattern {
    /// Whether a name, in the form in which names are compared, is of this pattern.
    pub fn matches(&self, folded_name: &str) -> bool {
        self.compiled.matches(folded_name)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for NamePattern {
    type Error = SelectionError;

    fn try_from(text: String) -> Result<Self, SelectionError> {
        // Any text stands where the wild cards are, so the rest must be able to stand in a name.
        let plain: String =
            text.chars().map(|c| if matches!(c, '*' | '?') { 'x' } else { c }).collect();
        match FileName::new(&plain) {
            Ok(_) => {
                let compiled = WildMatch::new(&fold_name(&text));
                Ok(Self { text, compiled })
            }
            Err(_) => Err(SelectionError::Pattern(text.chars().take(40).collect())),
        }
    }
}

impl From<NamePattern> for String {
    fn from(pattern: NamePattern) -> Self {
        pattern.text
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn site(n: u8) -> SiteId {
        SiteId::from_parts(u64::from(n), &[n; 10])
    }

    pub(crate) fn file(n: u8, name: &str, sites: &[u8]) -> FileFacts {
        FileFacts {
            id: FileId::from_parts(u64::from(n), &[n; 10]),
            kind: FileKind::Package,
            category: None,
            sites: sites.iter().copied().map(site).collect(),
            folded_name: fold_name(name),
        }
    }

    pub(crate) fn by_site(n: u8) -> Rule {
        Rule { sites: vec![site(n)], ..Rule::default() }
    }

    fn pattern(text: &str) -> NamePattern {
        NamePattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn all_parts_of_a_rule_must_apply_and_one_choice_of_each() {
        let category = CategoryId::from_parts(1, &[1; 10]);
        let filed = FileFacts { category: Some(category), ..file(1, "Office 16.pkg", &[1, 2]) };
        let rule = Rule {
            categories: vec![CategoryId::from_parts(2, &[2; 10]), category],
            sites: vec![site(2)],
            names: vec![pattern("zoom*"), pattern("OFFICE*.pk?")],
            ..Rule::default()
        };
        assert!(rule.chooses(&filed));
        assert!(!rule.chooses(&FileFacts { category: None, ..filed.clone() }));
        assert!(!rule.chooses(&FileFacts { sites: vec![site(1)], ..filed.clone() }));
        assert!(!rule.chooses(&FileFacts { folded_name: "office.dmg".into(), ..filed.clone() }));
        let by_kind = Rule { kinds: vec![FileKind::App], ..Rule::default() };
        assert!(!by_kind.chooses(&filed));
        let by_file = Rule { files: vec![filed.id], ..Rule::default() };
        let either = Selection { rules: vec![by_kind, by_file] };
        assert!(either.chooses(&filed) && !either.chooses(&file(2, "Office 16.pkg", &[1])));
        assert!(!Selection::default().chooses(&filed));
    }

    #[test]
    fn what_would_choose_everything_or_nothing_ever_is_refused() {
        let selection = |rules: Vec<Rule>| Selection { rules }.check().map_err(|e| e.to_string());
        assert!(selection(vec![by_site(1), Rule::default()]).unwrap_err().contains("rule 2"));
        assert!(selection(vec![by_site(1); MAX_RULES]).is_ok());
        assert!(selection(vec![by_site(1); MAX_RULES + 1]).unwrap_err().contains("101 rules"));
        let many = Rule { sites: vec![site(1); MAX_CHOICES + 1], ..Rule::default() };
        assert!(selection(vec![many]).unwrap_err().contains("1001 sites"));
        for wrong in ["", "a/b", "  ", &"*".repeat(300), "a\u{0}*"] {
            assert!(NamePattern::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(pattern("*").matches("anything") && pattern("É?.pkg").matches("éx.pkg"));
    }
}
