//! Who speaks: the identity a certificate carries.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::{ComputerId, DistributionServerId};

/// One of our own programs, as named by the URI in its certificate
/// (`xylem://distribution-server/UUID`). Names only; rights come from current database state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// A managed Mac.
    Computer(ComputerId),
    /// A distribution server.
    DistributionServer(DistributionServerId),
    /// A management server.
    ManagementServer(Uuid),
}

/// A URI that names none of our programs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no identity of Xylem: xylem://ROLE/UUID is expected")]
pub struct PartyError(String);

impl Party {
    /// The role's word in the URI.
    pub const fn role(&self) -> &'static str {
        match self {
            Self::Computer(_) => "computer",
            Self::DistributionServer(_) => "distribution-server",
            Self::ManagementServer(_) => "management-server",
        }
    }

    /// The id's UUID.
    pub const fn uuid(&self) -> Uuid {
        match self {
            Self::Computer(id) => id.uuid(),
            Self::DistributionServer(id) => id.uuid(),
            Self::ManagementServer(id) => *id,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xylem://{}/{}", self.role(), self.uuid())
    }
}

impl FromStr for Party {
    type Err = PartyError;

    fn from_str(text: &str) -> Result<Self, PartyError> {
        let error = || PartyError(text.chars().take(100).collect());
        let (role, id) = text
            .strip_prefix("xylem://")
            .and_then(|rest| rest.split_once('/'))
            .ok_or_else(error)?;
        let id: Uuid = id.parse().map_err(|_| error())?;
        match role {
            "computer" => Ok(Self::Computer(ComputerId::from_uuid(id))),
            "distribution-server" => {
                Ok(Self::DistributionServer(DistributionServerId::from_uuid(id)))
            }
            "management-server" => Ok(Self::ManagementServer(id)),
            _ => Err(error()),
        }
    }
}

impl serde::Serialize for Party {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Party {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_survives_its_uri() {
        let party = Party::Computer(ComputerId::from_parts(5, &[7; 10]));
        assert_eq!(party.to_string().parse(), Ok(party));
    }

    #[test]
    fn foreign_uris_name_nobody() {
        for uri in
            ["", "spiffe://a/b", "xylem://computer/", "xylem://admin/", "xylem://computer/x/y"]
        {
            assert!(uri.parse::<Party>().is_err(), "{uri}");
        }
    }
}
