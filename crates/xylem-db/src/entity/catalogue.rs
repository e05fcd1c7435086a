//! What is to be distributed, and where it is.

table! {
    /// Sites.
    site = "sites" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) name: String,
        pub(crate) name_key: String,
        pub(crate) created_at: i64,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
    }
}

table! {
    /// Categories of files.
    category = "categories" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) name: String,
        pub(crate) name_key: String,
        pub(crate) created_at: i64,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
    }
}

table! {
    /// Files of the catalogue, deleted ones included.
    file = "files" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) kind: String,
        pub(crate) name: String,
        pub(crate) collision_key: String,
        /// The collision key while the file is live; empty once deleted. A unique index that
        /// lets any number of empty values pass is what all backends have in common.
        pub(crate) live_key: Option<String>,
        pub(crate) category_id: Option<Uuid>,
        pub(crate) site_id: Option<Uuid>,
        /// Number of the newest version, whatever it is: the next one gets a higher number.
        pub(crate) latest: i32,
        pub(crate) created_at: i64,
        pub(crate) deleted_at: Option<i64>,
        /// Stamp of the last change: new version, deletion or restoration, what it is sorted into.
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        /// JSON: ids of sites; none: no site.
        #[serde(default)]
        pub(crate) marked_sites: Option<String>,
        /// Number of the version that the name means.
        #[serde(default)]
        pub(crate) production: Option<i32>,
        /// When that version was put into production. None: when it was made, as long as nothing
        /// is promoted.
        #[serde(default)]
        pub(crate) production_since: Option<i64>,
        /// Number of the version that waits to be promoted.
        #[serde(default)]
        pub(crate) test: Option<i32>,
        /// Number of the version that was in production before the last promotion or rollback, and
        /// since when it is not any more.
        #[serde(default)]
        pub(crate) previous: Option<i32>,
        #[serde(default)]
        pub(crate) previous_since: Option<i64>,
    }
}

table! {
    /// Versions of files.
    version = "versions" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) file_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i32,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) sha256: Vec<u8>,
        pub(crate) size: i64,
        pub(crate) content_id_source: String,
        pub(crate) sha256_source: String,
        pub(crate) inspection: String,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) descriptor: Vec<u8>,
        pub(crate) created_at: i64,
        pub(crate) published_at: Option<i64>,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        #[serde(default = "super::normal_priority")]
        pub(crate) priority: String,
        #[serde(default)]
        pub(crate) replaces: Option<i32>,
    }
}

table! {
    /// Uploads, from declaration to a while after their end.
    upload = "uploads" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) kind: String,
        pub(crate) name: String,
        pub(crate) size: i64,
        #[serde(with = "super::super::hex_bytes::optional")]
        pub(crate) blake3: Option<Vec<u8>>,
        #[serde(with = "super::super::hex_bytes::optional")]
        pub(crate) sha256: Option<Vec<u8>>,
        pub(crate) replace: bool,
        pub(crate) site_id: Option<Uuid>,
        pub(crate) category_id: Option<Uuid>,
        pub(crate) actor: String,
        pub(crate) server_id: Uuid,
        pub(crate) state: String,
        pub(crate) reason: Option<String>,
        pub(crate) created_at: i64,
        pub(crate) expires_at: i64,
        pub(crate) ended_at: Option<i64>,
        pub(crate) file_id: Option<Uuid>,
        pub(crate) version: Option<i32>,
        #[serde(default = "super::normal_priority")]
        pub(crate) priority: String,
        /// Whether it becomes the version that waits to be promoted.
        #[serde(default)]
        pub(crate) test: bool,
    }
}

table! {
    /// What is where: one row for each content on each distribution server.
    placement = "placements" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) server_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        pub(crate) state: String,
        pub(crate) bytes: i64,
        pub(crate) verified_at: Option<i64>,
        pub(crate) reason: Option<String>,
        pub(crate) next_try: Option<i64>,
        pub(crate) updated_at: i64,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        pub(crate) rate: Option<i64>,
    }
}

table! {
    /// Orders to computers.
    order = "orders" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) computer_id: Uuid,
        pub(crate) file_id: Uuid,
        pub(crate) version: i32,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) descriptor: Vec<u8>,
        pub(crate) state: String,
        pub(crate) created_by: String,
        pub(crate) created_at: i64,
        pub(crate) finished_at: Option<i64>,
        pub(crate) report: Option<String>,
        /// The computer's orders generation when this order last changed.
        pub(crate) generation: i64,
    }
}

/// The priority of rows in backups from before there was one.
fn normal_priority() -> String {
    xylem_model::Priority::Normal.as_str().into()
}
