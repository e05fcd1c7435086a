//! The one state row, who may come in, and what was done.

table! {
    /// The single row (`id` 1) that every change of a wish passes through.
    state = "state" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i32,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        pub(crate) restore_unconfirmed: bool,
        pub(crate) organization_id: Option<Uuid>,
        pub(crate) organization_name: Option<String>,
        pub(crate) audit_sequence: i64,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) audit_hash: Vec<u8>,
        /// How often the root or the principal was moved; begins at 1.
        #[serde(default = "super::one")]
        pub(crate) root_epoch: i64,
    }
}

table! {
    /// Small key/value settings.
    setting = "settings" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) key: String,
        pub(crate) value: String,
    }
}

table! {
    /// Invitations to enrol.
    invitation = "invitations" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) kind: String,
        pub(crate) site_id: Option<Uuid>,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) code_hash: Vec<u8>,
        pub(crate) uses: i32,
        pub(crate) uses_left: i32,
        pub(crate) created_by: String,
        pub(crate) created_at: i64,
        pub(crate) expires_at: i64,
        pub(crate) revoked_at: Option<i64>,
    }
}

table! {
    /// API tokens.
    token = "tokens" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) name: String,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) token_hash: Vec<u8>,
        pub(crate) scopes: String,
        pub(crate) created_by: String,
        pub(crate) created_at: i64,
        pub(crate) expires_at: Option<i64>,
        pub(crate) last_used_at: Option<i64>,
        pub(crate) revoked_at: Option<i64>,
    }
}

table! {
    /// Certificates issued to our own programs.
    certificate = "certificates" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) serial: String,
        pub(crate) party: String,
        pub(crate) issued_at: i64,
        pub(crate) not_after: i64,
        pub(crate) revoked_at: Option<i64>,
    }
}

table! {
    /// The hash-chained record of what was done.
    audit = "audit" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) sequence: i64,
        pub(crate) at: i64,
        pub(crate) actor: String,
        pub(crate) action: String,
        pub(crate) object: String,
        pub(crate) detail: String,
        #[serde(with = "super::super::hex_bytes")]
        pub(crate) hash: Vec<u8>,
    }
}

const fn one() -> i64 {
    1
}
