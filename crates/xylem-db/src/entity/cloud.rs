//! The cloud distribution point.

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
    }
}
