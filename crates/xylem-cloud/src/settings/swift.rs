//! Swift, and Rackspace, which is one.

use serde::{Deserialize, Serialize};

use super::{SettingsError, in_header, line, refused, word};
use crate::endpoint::Endpoint;
use crate::layout::Prefix;

/// How long a content delivery network of Rackspace keeps an object, seconds.
pub const RACKSPACE_TTL_SECONDS: u64 = 259_200;
/// Longest name of a container (Swift's `max_container_name_length`).
const MAX_CONTAINER_BYTES: usize = 256;

/// Settings of Swift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwiftSettings {
    /// How a token is asked for.
    pub auth: SwiftAuth,
    /// Where a token is asked for: the address without `/v3/auth/tokens` or `/v1.0`.
    pub auth_url: Endpoint,
    /// The region whose storage is used; none: the first that the catalogue has.
    #[serde(default)]
    pub region: Option<String>,
    /// The container, which is there already.
    pub container: String,
    /// What everything lies below.
    #[serde(default)]
    pub prefix: Prefix,
    /// Whose TempURL key signs.
    #[serde(default)]
    pub key_scope: KeyScope,
}

/// How a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SwiftAuth {
    /// Version 1.0, as `tempauth` and Ceph's gateway have it: `ACCOUNT:USER` and a key.
    Tempauth {
        /// `ACCOUNT:USER`.
        user: String,
    },
    /// Keystone version 3, by password, for one project.
    Keystone3Password {
        /// The user.
        user: String,
        /// The user's domain.
        user_domain: String,
        /// The project.
        project: String,
        /// The project's domain.
        project_domain: String,
    },
    /// Keystone version 3, by an application credential, which belongs to one project.
    Keystone3Application {
        /// The credential's id.
        id: String,
    },
}

/// Whose TempURL key signs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyScope {
    /// The account's: it opens segments that lie in a container of their own.
    #[default]
    Account,
    /// The container's, so segments lie in the same one.
    Container,
}

/// Settings of Rackspace Cloud Files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RackspaceSettings {
    /// The identity service; none: the one in the United States.
    #[serde(default)]
    pub auth_url: Option<Endpoint>,
    /// The user; the key is its API key.
    pub user: String,
    /// The region, such as `ORD`.
    pub region: String,
    /// The container, which is there already.
    pub container: String,
    /// What everything lies below.
    #[serde(default)]
    pub prefix: Prefix,
    /// Whether the container is given out by the delivery network, to anybody who has an address.
    #[serde(default)]
    pub public: bool,
    /// How long the delivery network keeps an object, seconds.
    #[serde(default = "rackspace_ttl")]
    pub ttl_seconds: u64,
}

const fn rackspace_ttl() -> u64 {
    RACKSPACE_TTL_SECONDS
}

impl SwiftSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        check_container(&self.container)?;
        if let Some(region) = &self.region {
            line("region", region)?;
        }
        match &self.auth {
            SwiftAuth::Tempauth { user } => in_header("user", user),
            SwiftAuth::Keystone3Password { user, user_domain, project, project_domain } => {
                line("user", user)?;
                line("user_domain", user_domain)?;
                line("project", project)?;
                line("project_domain", project_domain)
            }
            SwiftAuth::Keystone3Application { id } => line("id", id),
        }
    }

    /// Checks a password where it is sent in a header, as version 1.0 of the protocol has it.
    pub(super) fn check_password(&self, password: &str) -> Result<(), SettingsError> {
        match &self.auth {
            SwiftAuth::Tempauth { .. } => in_header("password", password),
            SwiftAuth::Keystone3Password { .. } | SwiftAuth::Keystone3Application { .. } => Ok(()),
        }
    }
}

impl RackspaceSettings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        check_container(&self.container)?;
        word("region", &self.region)?;
        line("user", &self.user)
    }
}

fn check_container(name: &str) -> Result<(), SettingsError> {
    if name.is_empty()
        || name.len() > MAX_CONTAINER_BYTES - "_segments".len()
        || name.contains('/')
        || name.chars().any(char::is_control)
        || matches!(name, "." | "..")
    {
        return Err(refused("container", "give at most 247 bytes without `/`"));
    }
    Ok(())
}
