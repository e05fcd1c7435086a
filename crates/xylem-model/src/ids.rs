//! Identifiers, each its own type: a computer's id cannot be passed where a file's belongs.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Makes an id from the time (milliseconds since 1970) and ten random bytes (UUID
            /// version 7, RFC 9562): ids sort by the time they were made.
            pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
            }

            /// Wraps a UUID that came from the database or the wire.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID itself.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )*};
}

id! {
    /// A category of packages.
    CategoryId;
    /// A cloud distribution point, as it was set.
    CloudPointId;
    /// A managed Mac.
    ComputerId;
    /// A distribution server.
    DistributionServerId;
    /// A file in the catalogue, across its versions and names.
    FileId;
    /// An invitation to enrol.
    InvitationId;
    /// An order to a computer to install something.
    OrderId;
    /// An edit of a script that is under way.
    ScriptEditId;
    /// A script, across its versions and names.
    ScriptId;
    /// A site.
    SiteId;
    /// An API token.
    TokenId;
    /// An upload, from its declaration to its acknowledgement.
    UploadId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = FileId::from_parts(1_000, &[0xff; 10]);
        let late = FileId::from_parts(2_000, &[0; 10]);
        assert!(early < late);
        assert_eq!(early.uuid().get_version_num(), 7);
    }
}
