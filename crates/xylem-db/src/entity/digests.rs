//! Digests that are computed once an upload is acknowledged.

table! {
    /// Digests of whole contents.
    content_digest = "content_digests" {
        #[sea_orm(primary_key, auto_increment = false)]
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) md5: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) sha512: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) sha3_512: Vec<u8>,
        /// Who computed them.
        pub(crate) server_id: Uuid,
        pub(crate) computed_at: i64,
    }
}

table! {
    /// Digests of parts of contents, many to a row.
    chunk_digest = "chunk_digests" {
        #[sea_orm(primary_key, auto_increment = false)]
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) content_id: Vec<u8>,
        /// Number of the first part in the row, from 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) first_chunk: i32,
        /// One after another.
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) sha256s: Vec<u8>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) md5s: Vec<u8>,
    }
}
