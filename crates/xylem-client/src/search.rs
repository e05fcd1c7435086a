//! Files found by what is in them.

use http::Method;
use xylem_api::catalogue::FilePage;
use xylem_model::FileKind;

use crate::admin::{AdminClient, segment};
use crate::error::ClientError;

/// Which files are looked for. What is `None` makes no difference.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSearch {
    /// Files of this kind.
    pub kind: Option<FileKind>,
    /// Files with this text in their names or in what was found in them.
    pub text: Option<String>,
    /// Files whose signer has this team identifier.
    pub team: Option<String>,
    /// Files that have this identifier, or contain what has it.
    pub identifier: Option<String>,
}

impl AdminClient {
    /// A page of the files that are looked for, in the order of names, from the one after `after` on.
    pub async fn find_files(
        &self,
        search: &FileSearch,
        after: Option<&str>,
    ) -> Result<FilePage, ClientError> {
        let path = format!("/v1/files?{}", query(search, after));
        self.call(Method::GET, &path, None::<&()>).await
    }
}

fn query(search: &FileSearch, after: Option<&str>) -> String {
    let FileSearch { kind, text, team, identifier } = search;
    let asked = [
        ("kind", kind.map(FileKind::as_str)),
        ("search", text.as_deref()),
        ("team", team.as_deref()),
        ("identifier", identifier.as_deref()),
        ("after", after),
    ];
    let asked = asked.into_iter().filter_map(|(key, value)| Some((key, value?)));
    asked.map(|(key, value)| format!("{key}={}", segment(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_the_address_whatever_it_holds() {
        let search = FileSearch {
            kind: Some(FileKind::Package),
            text: Some("a&team=b c".to_owned()),
            ..FileSearch::default()
        };
        let expected = "kind=package&search=a%26team%3Db%20c&after=A%2Epkg";
        assert_eq!(query(&search, Some("A.pkg")), expected);
        assert_eq!(query(&FileSearch::default(), None), "");
    }
}
