//! What is said of files.

table! {
    /// Revisions of the records of files.
    record_revision = "record_revisions" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) file_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) number: i32,
        /// JSON: each field by its name.
        pub(crate) record: String,
        /// JSON: the names of the fields that differ from the revision before.
        pub(crate) changed: String,
        pub(crate) author: String,
        pub(crate) created_at: i64,
        /// The revision that it repeats.
        pub(crate) restores: Option<i32>,
    }
}
