//! What files put on a Mac.

use http::Method;
use xylem_api::index::IndexPage;
use xylem_model::FileKind;

use crate::admin::{AdminClient, file_path, segment};
use crate::error::ClientError;

/// Which entries of an index are asked for. What is `None` the server chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexQuery {
    /// Those with this text in their path.
    pub search: Option<String>,
    /// Those behind this path.
    pub after: Option<String>,
    /// How many at most.
    pub limit: Option<u64>,
    /// Of this version.
    pub version: Option<u64>,
}

impl AdminClient {
    /// A page of what a file puts on a Mac, in the order of paths.
    pub async fn index(
        &self,
        kind: FileKind,
        name: &str,
        asked: &IndexQuery,
    ) -> Result<IndexPage, ClientError> {
        let path = format!("{}/index?{}", file_path(kind, name), query(asked));
        self.call(Method::GET, &path, None::<&()>).await
    }
}

fn query(asked: &IndexQuery) -> String {
    let IndexQuery { search, after, limit, version } = asked;
    let number = |number: &Option<u64>| number.map(|number| number.to_string());
    let asked = [
        ("search", search.clone()),
        ("after", after.clone()),
        ("limit", number(limit)),
        ("version", number(version)),
    ];
    let asked = asked.into_iter().filter_map(|(key, value)| Some((key, value?)));
    asked.map(|(key, value)| format!("{key}={}", segment(&value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stands_in_the_address_whatever_it_holds() {
        let asked = IndexQuery {
            search: Some("a&b".to_owned()),
            after: Some("/Icon\r".to_owned()),
            limit: Some(9),
            version: None,
        };
        assert_eq!(query(&asked), "search=a%26b&after=%2FIcon%0D&limit=9");
        assert_eq!(query(&IndexQuery::default()), "");
    }
}
