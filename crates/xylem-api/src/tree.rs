//! Distribution servers as the administrator sees them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use xylem_model::{
    AccountAccess, AccountName, DistributionServerId, ScrubReport, Stamp, Timestamp,
};
use xylem_sync::ServerSettings;

use crate::certificates::ShownCertificate;
use crate::inventory::Inventory;
use crate::selection::SelectionRule;

/// A distribution server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DistributionServer {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: DistributionServerId,
    /// Display name.
    pub name: String,
    /// Its site.
    pub site: Option<String>,
    /// Where it is reached.
    pub public_url: String,
    /// Its first parent's name; none for the root.
    pub parent: Option<String>,
    /// The names of all its parents, in order.
    #[serde(default)]
    pub parents: Vec<String>,
    /// Steps from the root, by first parents.
    pub depth: u64,
    /// Whether it is the root.
    pub is_root: bool,
    /// Whether new files enter here.
    pub is_principal: bool,
    /// When it was enrolled.
    #[schema(value_type = String, format = DateTime)]
    pub enrolled_at: Timestamp,
    /// When it last reported.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Timestamp>,
    /// Version of its program.
    pub program_version: Option<String>,
    /// Bytes still free for content.
    pub free_bytes: Option<u64>,
    /// Bytes of content held.
    pub used_bytes: Option<u64>,
    /// The state of the catalogue it has applied in full.
    #[schema(value_type = Option<Object>)]
    pub applied: Option<Stamp>,
    /// What was decided of how it works: `parent_policy`, `client_certificates`, `open_to_all`,
    /// `maintenance`, `rates` (`time_zone`, and for each of `from_parents`, `to_children`,
    /// `to_clients` and `to_cloud` a weekly calendar of the `server`, of each `link` and of each `class`),
    /// `check_in_seconds`, `keep_unwanted_seconds`, `fill_from_cloud`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: ServerSettings,
    /// What was chosen for it to hold; none: everything. What the servers below it need it holds
    /// besides.
    #[serde(default)]
    pub selection: Option<Vec<SelectionRule>>,
    /// Whether it is being filled, whatever was chosen for it, to become root or principal.
    #[serde(default)]
    pub filling: bool,
    /// Files present, of those wanted.
    pub files_present: u64,
    /// Files it should hold.
    pub files_wanted: u64,
    /// When an administrator last asked that everything it holds be looked through.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scrub_asked: Option<Timestamp>,
    /// How far it says it is with that: each pass with `begun`, `asked`, `ended`, `thousandths`,
    /// and what it `found` (`files`, `bytes`, `damaged`, `unreadable`).
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub scrub: Option<ScrubReport>,
    /// Which certificate it shows to others than our own programs, as it says.
    #[serde(default)]
    pub certificate: Option<ShownCertificate>,
    /// What its machine is, as it says.
    #[serde(default)]
    pub inventory: Option<Inventory>,
    /// When its key was found on two machines; neither is let in since then.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub set_aside: Option<Timestamp>,
}

/// `PATCH /v1/distribution-servers/{name}`: what is left out stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeDistributionServer {
    /// New display name.
    pub name: Option<String>,
    /// New public URL.
    pub public_url: Option<String>,
    /// New site by name; an empty text takes it out of its site.
    pub site: Option<String>,
    /// Names of its parents from now on, in order.
    pub parents: Option<Vec<String>>,
    /// A change of its settings, as a JSON merge patch (RFC 7396): what is left out stays, `null`
    /// brings back the first value.
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
}

/// `PUT /v1/distribution-servers/{name}/parent`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetParent {
    /// The first parent's name from now on; further parents stay.
    pub parent: String,
}

/// `POST /v1/distribution-servers/{name}/move-children`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveChildren {
    /// The name of the server that takes its place as their parent; its own first parent where
    /// that is left out.
    pub to: Option<String>,
}

/// The answer to [`MoveChildren`].
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ChildrenMoved {
    /// The name of their parent now.
    pub to: String,
    /// Their names.
    pub children: Vec<String>,
}

/// `POST /v1/distribution-servers/{name}/make-root` and `…/make-principal`.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HandOver {
    /// Whether it is first made to hold everything, where it does not yet. Asking again goes on;
    /// choosing again what it holds calls it off.
    pub fill: bool,
    /// For the root: whether the former root keeps its children.
    pub keep_children: bool,
}

/// The answer to [`HandOver`].
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HandedOver {
    /// The server's name.
    pub server: String,
    /// Whether it has the role now. Where not, it is being filled.
    pub done: bool,
    /// Contents that it has yet to get.
    pub missing: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// How often the root or the principal was moved.
    pub root_epoch: u64,
}

/// A WebDAV account of a distribution server.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its name.
    #[schema(value_type = String)]
    pub name: AccountName,
    /// What it may do: `read` or `write`.
    #[schema(value_type = String, example = "read")]
    pub access: AccountAccess,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its newest password was made.
    #[schema(value_type = String, format = DateTime)]
    pub password_at: Timestamp,
    /// How many passwords count: two while it is being rotated.
    pub passwords: u64,
}

/// `POST /v1/distribution-servers/{name}/accounts`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddAccount {
    /// Its name.
    #[schema(value_type = String)]
    pub name: AccountName,
    /// What it may do.
    #[schema(value_type = String, example = "read")]
    pub access: AccountAccess,
}

/// A password that was just made. It is shown this once.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NewPassword {
    /// The account.
    pub account: Account,
    /// Its new password.
    pub password: String,
}
