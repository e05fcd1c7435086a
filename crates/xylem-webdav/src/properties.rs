//! Dead properties: what clients want remembered beside a file (RFC 4918 section 4).

use dav_server::fs::DavProp;
use http::StatusCode;
use serde::{Deserialize, Serialize};

/// Most properties of one file or folder.
const MAX_PROPERTIES: usize = 64;

/// Most bytes of all of them.
const MAX_BYTES: usize = 64 << 10;

/// Status of a property that was not set because another could not be (RFC 4918 section 11.4).
const FAILED_DEPENDENCY: StatusCode = StatusCode::FAILED_DEPENDENCY;

/// One property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    /// Its element, as it was sent.
    xml: String,
}

impl Property {
    fn is_called(&self, name: &DavProp) -> bool {
        self.name == name.name && self.namespace == name.namespace
    }

    /// How many bytes it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        let others =
            [&self.prefix, &self.namespace].map(|text| text.as_ref().map_or(0, String::len));
        self.name.len() + self.xml.len() + others.iter().sum::<usize>()
    }

    /// As dav-server takes it, with or without its value.
    pub fn to_dav(&self, with_value: bool) -> DavProp {
        DavProp {
            name: self.name.clone(),
            prefix: self.prefix.clone(),
            namespace: self.namespace.clone(),
            xml: with_value.then(|| self.xml.clone().into_bytes()),
        }
    }

    /// The value of a property among others.
    pub fn find(properties: &[Self], name: &DavProp) -> Option<Vec<u8>> {
        let found = properties.iter().find(|property| property.is_called(name))?;
        Some(found.xml.clone().into_bytes())
    }
}

/// Sets and removes properties in the order given: all, or none where one cannot be (RFC 4918
/// section 9.2). Gives the new set, and what becomes of each.
pub fn patch(
    properties: &[Property],
    changes: Vec<(bool, DavProp)>,
) -> (Option<Vec<Property>>, Vec<(StatusCode, DavProp)>) {
    let mut next = properties.to_vec();
    let mut refused = None;
    for (place, (is_set, given)) in changes.iter().enumerate() {
        next.retain(|property| !property.is_called(given));
        if !is_set {
            continue;
        }
        let Some(xml) = given.xml.clone().and_then(|xml| String::from_utf8(xml).ok()) else {
            refused = Some((place, StatusCode::CONFLICT));
            break;
        };
        let DavProp { name, prefix, namespace, .. } = given.clone();
        next.push(Property { name, prefix, namespace, xml });
        let bytes: usize = next.iter().map(Property::bytes).sum();
        if next.len() > MAX_PROPERTIES || bytes > MAX_BYTES {
            refused = Some((place, StatusCode::INSUFFICIENT_STORAGE));
            break;
        }
    }
    let status = |place| match refused {
        None => StatusCode::OK,
        Some((at, status)) if at == place => status,
        Some(_) => FAILED_DEPENDENCY,
    };
    let answers = changes
        .into_iter()
        .enumerate()
        .map(|(place, (_, given))| (status(place), DavProp { xml: None, ..given }))
        .collect();
    (refused.is_none().then_some(next), answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prop(name: &str, value: &str) -> DavProp {
        DavProp::new(name.to_owned(), "x".to_owned(), "urn:x".to_owned(), value.to_owned())
    }

    #[test]
    fn properties_are_set_replaced_and_removed() {
        let (set, answers) = patch(&[], vec![(true, prop("a", "1")), (true, prop("b", "2"))]);
        let set = set.unwrap();
        assert_eq!(set.len(), 2);
        assert!(answers.iter().all(|(status, _)| *status == StatusCode::OK));
        let (set, _) = patch(&set, vec![(true, prop("a", "3")), (false, prop("b", ""))]);
        let set = set.unwrap();
        assert_eq!(set.len(), 1);
        let value = String::from_utf8(Property::find(&set, &prop("a", "")).unwrap()).unwrap();
        assert!(value.contains(">3<"), "{value}");
        assert_eq!(Property::find(&set, &prop("b", "")), None);
    }

    #[test]
    fn beyond_a_limit_nothing_is_changed() {
        let big = "x".repeat(MAX_BYTES);
        let (set, answers) = patch(&[], vec![(true, prop("a", "1")), (true, prop("b", &big))]);
        assert_eq!(set, None);
        let statuses: Vec<u16> = answers.iter().map(|(status, _)| status.as_u16()).collect();
        assert_eq!(statuses, [424, 507]);
    }
}
