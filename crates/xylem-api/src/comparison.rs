//! What differs between two versions of a file.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{FileName, Severity};

/// `GET /v1/files/{kind}/{name}/comparison`: what is to be said of a version that follows another,
/// by what the inspection of both found. It is made when it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// The file.
    #[schema(value_type = String)]
    pub name: FileName,
    /// The version that it is compared with; none where there is no earlier one of other content.
    pub from: Option<u64>,
    /// The version that is spoken of.
    pub to: u64,
    /// What is to be said, warnings first.
    pub findings: Vec<Finding>,
}

impl Comparison {
    /// Those that somebody should look at.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Warning)
    }
}

/// One thing to be said of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How much it matters: `warning` or `note`.
    #[schema(value_type = String, example = "warning")]
    pub severity: Severity,
    /// The stable machine word.
    #[schema(example = "signer-changed")]
    pub code: String,
    /// A sentence for people.
    pub message: String,
}
