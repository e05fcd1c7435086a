//! What files are found by. Made from the other tables, and so in no backup.

table! {
    /// Terms of files.
    search_term = "search_terms" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) file_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i32,
        pub(crate) field: String,
        /// Folded.
        pub(crate) term: String,
    }
}
