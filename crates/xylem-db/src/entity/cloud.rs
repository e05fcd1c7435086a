//! The cloud distribution point, and what is there.

table! {
    /// What is set for one provider.
    cloud_point = "cloud_points" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        /// `x` while it is the active one, nothing while it is being left. Unique.
        pub(crate) active_key: Option<String>,
        pub(crate) provider: String,
        pub(crate) settings: String,
        /// Sealed: this crate cannot read them.
        pub(crate) secrets: String,
        pub(crate) secrets_at: i64,
        /// How often settings or keys were changed, from 1.
        pub(crate) revision: i32,
        pub(crate) last_test: Option<String>,
        pub(crate) created_at: i64,
        pub(crate) changed_at: i64,
        pub(crate) changed_by: String,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        /// JSON: rules; none: everything.
        pub(crate) selection: Option<String>,
        pub(crate) paused: bool,
        /// Up to which generation its wants were followed. In no backup, since not all of them are:
        /// after a restore they are followed from the beginning.
        #[serde(skip)]
        pub(crate) followed: i64,
        /// JSON: why everything stands still.
        pub(crate) broken: Option<String>,
        /// In no backup: what is there may be other than what the backup says, so it is looked
        /// through at once.
        #[serde(skip)]
        pub(crate) last_inventory: Option<i64>,
        /// Bytes.
        pub(crate) month_ceiling: Option<i64>,
        /// Whether it is the principal.
        #[serde(default)]
        pub(crate) is_principal: bool,
        /// How many full walks through the catalogue were begun for it. In no backup: it only tells
        /// one that is under way from another.
        #[serde(skip)]
        pub(crate) walks: Option<i64>,
        /// Of one that is being left.
        pub(crate) leaving_since: Option<i64>,
        /// Since when nobody is sent there any more.
        pub(crate) left_at: Option<i64>,
        /// What becomes of its objects, once that was said.
        pub(crate) objects: Option<String>,
    }
}

table! {
    /// How far contents are at a point. Into backups goes what is present.
    cloud_copy = "cloud_copies" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) point_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        pub(crate) size: i64,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) sha256: Vec<u8>,
        pub(crate) name: String,
        pub(crate) priority: String,
        /// The place of its class in the order in which they go: follows from priority and size.
        pub(crate) class: i32,
        pub(crate) state: String,
        pub(crate) since: i64,
        /// The provider's id of the upload.
        pub(crate) upload_ref: Option<String>,
        pub(crate) part_bytes: Option<i64>,
        /// Bytes of its parts.
        pub(crate) arrived: i64,
        pub(crate) etag: Option<String>,
        pub(crate) lease_server: Option<Uuid>,
        pub(crate) lease_until: Option<i64>,
        pub(crate) tries: i32,
        pub(crate) reason: Option<String>,
        pub(crate) next_try: Option<i64>,
        pub(crate) unwanted_at: Option<i64>,
        pub(crate) looked_at: Option<i64>,
        /// Until when a request is good that could write other bytes there.
        pub(crate) unbound_until: Option<i64>,
        /// Until when an upload wants it there that is not committed. In no backup: what is under way
        /// is in none either.
        #[serde(skip)]
        pub(crate) upload_until: Option<i64>,
        /// Until when a deletion of its key may still arrive: nothing is written there before.
        pub(crate) not_before: Option<i64>,
        /// When somebody last found other bytes there.
        pub(crate) doubted_at: Option<i64>,
        /// When it was last read back whole, whatever that found.
        pub(crate) read_back_at: Option<i64>,
    }
}

table! {
    /// Parts that arrived, until the upload ends. In no backup.
    cloud_part = "cloud_parts" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) point_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        /// From 1.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i32,
        pub(crate) bytes: i64,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) md5: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) sha256: Vec<u8>,
        /// The provider's word for it.
        pub(crate) tag: String,
    }
}

table! {
    /// What a point was used for, by calendar month.
    cloud_usage = "cloud_usage" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) point_id: Uuid,
        /// Years times 12, and the month from 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) month: i32,
        pub(crate) sent: i64,
        pub(crate) read_back: i64,
        pub(crate) told_by_agents: i64,
        /// Requests that wrote or deleted.
        pub(crate) writes: i64,
        pub(crate) reads: i64,
        pub(crate) lists: i64,
    }
}
