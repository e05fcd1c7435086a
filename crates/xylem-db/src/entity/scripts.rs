//! Scripts, which are kept here and nowhere else.

table! {
    /// Scripts, deleted ones included.
    script = "scripts" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) name: String,
        pub(crate) collision_key: String,
        /// The collision key while the script is live; empty once deleted.
        pub(crate) live_key: Option<String>,
        pub(crate) category_id: Option<Uuid>,
        pub(crate) info: String,
        pub(crate) notes: String,
        pub(crate) priority: String,
        /// JSON: texts by number.
        pub(crate) labels: String,
        pub(crate) os_requirement: String,
        /// Number of the newest version of its contents.
        pub(crate) latest: i32,
        /// Counts the changes of everything else.
        pub(crate) revision: i32,
        pub(crate) created_at: i64,
        /// Of everything but the contents.
        pub(crate) changed_at: i64,
        pub(crate) changed_by: String,
        pub(crate) deleted_at: Option<i64>,
    }
}

table! {
    /// Versions of the contents of scripts.
    script_version = "script_versions" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) script_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i32,
        pub(crate) contents: String,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) digest: Vec<u8>,
        pub(crate) bytes: i64,
        pub(crate) author: String,
        pub(crate) created_at: i64,
        pub(crate) comment: String,
        /// The version that it repeats.
        pub(crate) restores: Option<i32>,
    }
}

table! {
    /// Edits that are under way.
    script_edit = "script_edits" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        /// Empty where the script is yet to be made.
        pub(crate) script_id: Option<Uuid>,
        pub(crate) collision_key: String,
        pub(crate) actor: String,
        pub(crate) opened_at: i64,
        pub(crate) expires_at: i64,
    }
}
