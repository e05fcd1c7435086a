//! What differs between versions of a file, in words.

use xylem_api::catalogue::Upload;
use xylem_api::comparison::Comparison;

use crate::output::table;

/// A comparison that was asked for.
pub(super) fn in_words(it: &Comparison) -> String {
    let with = match it.from {
        Some(from) => format!("compared with version {from}"),
        None => "with no earlier one of other content".to_owned(),
    };
    let head = format!("{}, version {}, {with}:\n\n", it.name, it.to);
    match it.findings.is_empty() {
        true => format!("{head}Nothing is to be said.\n"),
        false => head + &findings(it),
    }
}

/// What is to be said of a version, behind other things that are shown; empty where that is nothing.
pub(super) fn behind(it: Option<&Comparison>) -> String {
    let Some(it) = it.filter(|it| !it.findings.is_empty()) else { return String::new() };
    let with = match it.from {
        Some(from) => format!("Version {}, compared with version {from}", it.to),
        None => format!("To be said of version {}", it.to),
    };
    format!("\n{with}:\n{}", findings(it))
}

fn findings(it: &Comparison) -> String {
    let row = |it: &xylem_api::comparison::Finding| {
        vec![it.severity.as_str().to_uppercase(), it.code.clone(), it.message.clone()]
    };
    table(&["", "WHAT", "IN WORDS"], &it.findings.iter().map(row).collect::<Vec<_>>())
}

/// The last word after several uploads, of which the first have long left the screen: which of them
/// somebody should look at.
pub(super) fn to_be_looked_at(uploads: &[Upload]) -> Option<String> {
    let warned = uploads.iter().filter(|upload| {
        upload.comparison.as_ref().is_some_and(|it| it.warnings().next().is_some())
    });
    let names: Vec<&str> = warned.map(|upload| upload.name.as_str()).collect();
    let is_one = uploads.len() < 2;
    (!names.is_empty() && !is_one).then(|| {
        format!("WARNING: {} of {} have warnings: {}", names.len(), uploads.len(), names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use xylem_api::catalogue::UploadState;
    use xylem_api::comparison::Finding;
    use xylem_model::{FileName, Severity, UploadId};

    use super::*;

    fn comparison(severity: Severity, code: &str) -> Comparison {
        let finding = Finding { severity, code: code.to_owned(), message: "In words".to_owned() };
        let name = FileName::new("A.pkg").unwrap();
        Comparison { name, from: Some(1), to: 2, findings: vec![finding] }
    }

    fn upload(name: &str, comparison: Option<Comparison>) -> Upload {
        Upload {
            id: UploadId::from_parts(1, &[0; 10]),
            state: UploadState::Published,
            reason: None,
            name: name.to_owned(),
            size: 1,
            ingest: None,
            version: None,
            comparison,
        }
    }

    #[test]
    fn a_warning_stands_in_capitals_and_nothing_is_said_of_nothing() {
        let warned = comparison(Severity::Warning, "signer-changed");
        let text = in_words(&warned);
        assert!(text.starts_with("A.pkg, version 2, compared with version 1:"), "{text}");
        assert!(text.contains("WARNING  signer-changed  In words"), "{text}");
        assert!(behind(Some(&warned)).starts_with("\nVersion 2, compared with version 1:\n"));
        let none = Comparison { from: None, findings: Vec::new(), ..warned };
        assert_eq!(behind(Some(&none)), "");
        assert_eq!(behind(None), "");
        assert!(in_words(&none).contains("Nothing is to be said"));
    }

    #[test]
    fn of_many_uploads_those_with_warnings_are_named_once_more() {
        let warned = upload("A.pkg", Some(comparison(Severity::Warning, "signer-changed")));
        let noted = upload("B.pkg", Some(comparison(Severity::Note, "size-doubled")));
        let plain = upload("C.pkg", None);
        assert_eq!(to_be_looked_at(std::slice::from_ref(&warned)), None, "still on the screen");
        assert_eq!(to_be_looked_at(&[noted.clone(), plain.clone()]), None);
        let said = to_be_looked_at(&[warned, noted, plain]).unwrap();
        assert_eq!(said, "WARNING: 1 of 3 have warnings: A.pkg");
    }
}
