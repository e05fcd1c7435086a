//! Distribution servers and computers.

table! {
    /// Distribution servers, removed ones included.
    distribution_server = "distribution_servers" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) name: String,
        /// The name without regard to case; empty once removed, so that the name is free again.
        pub(crate) live_key: Option<String>,
        pub(crate) site_id: Option<Uuid>,
        pub(crate) public_url: String,
        pub(crate) parent_id: Option<Uuid>,
        pub(crate) is_root: bool,
        pub(crate) is_principal: bool,
        pub(crate) enrolled_at: i64,
        pub(crate) removed_at: Option<i64>,
        pub(crate) last_seen: Option<i64>,
        pub(crate) program_version: Option<String>,
        pub(crate) address: Option<String>,
        pub(crate) free_bytes: Option<i64>,
        pub(crate) total_bytes: Option<i64>,
        pub(crate) held_epoch: i64,
        pub(crate) held_generation: i64,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        #[serde(default)]
        pub(crate) scrub_asked_at: Option<i64>,
        /// JSON, as it was reported.
        #[serde(default)]
        pub(crate) scrub_report: Option<String>,
        /// JSON; none: all as at first.
        #[serde(default)]
        pub(crate) settings: Option<String>,
        /// JSON; none: everything.
        #[serde(default)]
        pub(crate) selection: Option<String>,
        /// JSON, as it was reported.
        #[serde(default)]
        pub(crate) set_count: Option<String>,
        /// Whether it is to hold everything, to become root or principal.
        #[serde(default)]
        pub(crate) filling: bool,
        /// Fingerprints of the roots it believes, between blanks.
        #[serde(default)]
        pub(crate) believes: Option<String>,
        /// The fingerprint of the root its certificate leads to.
        #[serde(default)]
        pub(crate) certified_by: Option<String>,
        /// What it is to show to others than our own programs, with its key, sealed.
        #[serde(default)]
        pub(crate) public_chain: Option<String>,
        #[serde(default)]
        pub(crate) public_chain_sha256: Option<String>,
        /// JSON, as it was reported.
        #[serde(default)]
        pub(crate) shown_certificate: Option<String>,
        /// JSON, as it was reported.
        #[serde(default)]
        pub(crate) inventory: Option<String>,
        /// JSON: which starts of its program reported.
        #[serde(default)]
        pub(crate) lives: Option<String>,
        /// When its key was found on two machines.
        #[serde(default)]
        pub(crate) set_aside_at: Option<i64>,
    }
}

table! {
    /// The parents of distribution servers after the first, which is in the server's own row.
    further_parent = "further_parents" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) server_id: Uuid,
        /// Counts from 1; the first parent's would be 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) position: i32,
        pub(crate) parent_id: Uuid,
    }
}

table! {
    /// WebDAV accounts of distribution servers.
    account = "accounts" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) server_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) name: String,
        pub(crate) access: String,
        pub(crate) created_at: i64,
        pub(crate) password_at: i64,
        pub(crate) password_hash: String,
        /// The password before, while it counts too.
        pub(crate) previous_hash: Option<String>,
    }
}

table! {
    /// Managed Macs, removed ones included.
    computer = "computers" {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: Uuid,
        pub(crate) name: String,
        /// The name without regard to case; empty once removed.
        pub(crate) live_key: Option<String>,
        pub(crate) serial_number: Option<String>,
        pub(crate) site_id: Option<Uuid>,
        pub(crate) os: Option<String>,
        pub(crate) program_version: Option<String>,
        pub(crate) address: Option<String>,
        pub(crate) enrolled_at: i64,
        pub(crate) removed_at: Option<i64>,
        pub(crate) last_seen: Option<i64>,
        pub(crate) orders_generation: i64,
        pub(crate) epoch: i64,
        pub(crate) generation: i64,
        /// As of distribution servers.
        #[serde(default)]
        pub(crate) believes: Option<String>,
        #[serde(default)]
        pub(crate) certified_by: Option<String>,
    }
}
