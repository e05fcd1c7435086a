//! What contents put on a Mac.

table! {
    /// One packed index for each content of which there is one.
    content_index = "content_indexes" {
        #[sea_orm(primary_key, auto_increment = false)]
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        pub(crate) entries: i32,
        /// A zlib stream of at most 1.5 MB.
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) packed: Vec<u8>,
    }
}
