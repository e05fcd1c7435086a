//! Who may lean on whom, lowest layer first. A new crate or a new arrow gets its line here, in a
//! commit of its own that argues for it.

/// The whole rule.
#[derive(Debug)]
pub(super) struct Table {
    /// Every crate of the workspace.
    pub(super) crates: &'static [Member],
    /// Outside crates that only some of ours may name.
    pub(super) wrapped: &'static [Wrapped],
    /// Outside crates that nothing may bring in, however indirectly.
    pub(super) banned: &'static [Banned],
    /// What must not end up in a crate, through any number of steps.
    pub(super) reach: &'static [Reach],
}

/// One crate of ours.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) layer: Layer,
    /// Ours that it may name in `[dependencies]`.
    pub(super) leans_on: &'static [&'static str],
}

/// The layers, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// Knows no disk, network, clock or database.
    Pure,
    /// Owns one outside thing.
    Adapter,
    /// Sits on top; reaches other programs through typed clients only.
    Program,
    /// Exists for tests; nothing that ships leans on it.
    Tests,
    /// Automation; stands apart.
    Automation,
}

/// An outside thing with its named owners.
#[derive(Debug)]
pub(super) struct Wrapped {
    /// A crate's name, or the beginning of several when it ends in `*`.
    pub(super) name: &'static str,
    pub(super) only: &'static [&'static str],
    /// Whether tests of other crates may name it all the same, to play the other side.
    pub(super) tests_may: bool,
    pub(super) why: &'static str,
}

/// A crate that is not to be built.
#[derive(Debug)]
pub(super) struct Banned {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
}

/// What must not end up in these crates.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) of: &'static [&'static str],
    pub(super) never: &'static [&'static str],
    pub(super) why: &'static str,
}

const fn member(name: &'static str, layer: Layer, leans_on: &'static [&'static str]) -> Member {
    Member { name, layer, leans_on }
}

/// The rule this workspace keeps.
pub(super) const TABLE: Table =
    Table { crates: CRATES, wrapped: WRAPPED, banned: BANNED, reach: REACH };

const CRATES: &[Member] = &[
    member("xylem-model", Layer::Pure, &[]),
    member("xylem-trust", Layer::Pure, &["xylem-model"]),
    member("xylem-sync", Layer::Pure, &["xylem-model"]),
    member("xylem-cloud", Layer::Pure, &["xylem-model"]),
    member("xylem-api", Layer::Pure, &["xylem-model", "xylem-sync", "xylem-trust"]),
    member("xylem-runtime", Layer::Adapter, &["xylem-model"]),
    member("xylem-telemetry", Layer::Adapter, &[]),
    member("xylem-pki", Layer::Adapter, &["xylem-model", "xylem-runtime"]),
    member("xylem-ca", Layer::Adapter, &["xylem-model", "xylem-pki", "xylem-runtime"]),
    member("xylem-db", Layer::Adapter, &["xylem-model", "xylem-runtime", "xylem-sync"]),
    member("xylem-blobs", Layer::Adapter, &["xylem-model", "xylem-runtime"]),
    member("xylem-artifact", Layer::Adapter, &["xylem-model"]),
    member("xylem-install", Layer::Adapter, &["xylem-artifact", "xylem-model"]),
    member("xylem-migration", Layer::Adapter, &["xylem-artifact", "xylem-model"]),
    member(
        "xylem-http",
        Layer::Adapter,
        &["xylem-api", "xylem-model", "xylem-pki", "xylem-runtime", "xylem-telemetry"],
    ),
    member(
        "xylem-webdav",
        Layer::Adapter,
        &["xylem-api", "xylem-http", "xylem-model", "xylem-runtime", "xylem-telemetry"],
    ),
    member("xylem-acme", Layer::Adapter, &["xylem-pki"]),
    member("xylem-service", Layer::Adapter, &[]),
    member(
        "xylem-client",
        Layer::Adapter,
        &["xylem-api", "xylem-cloud", "xylem-model", "xylem-pki", "xylem-runtime", "xylem-trust"],
    ),
    member(
        "xylem-server",
        Layer::Program,
        &[
            "xylem-api",
            "xylem-ca",
            "xylem-client",
            "xylem-cloud",
            "xylem-db",
            "xylem-http",
            "xylem-model",
            "xylem-pki",
            "xylem-runtime",
            "xylem-sync",
            "xylem-telemetry",
            "xylem-trust",
        ],
    ),
    member(
        "xylem-distribution",
        Layer::Program,
        &[
            "xylem-acme",
            "xylem-api",
            "xylem-artifact",
            "xylem-blobs",
            "xylem-client",
            "xylem-cloud",
            "xylem-http",
            "xylem-model",
            "xylem-pki",
            "xylem-runtime",
            "xylem-sync",
            "xylem-telemetry",
            "xylem-trust",
            "xylem-webdav",
        ],
    ),
    member(
        "xylem-agent",
        Layer::Program,
        &[
            "xylem-api",
            "xylem-artifact",
            "xylem-client",
            "xylem-install",
            "xylem-model",
            "xylem-pki",
            "xylem-runtime",
            "xylem-service",
            "xylem-telemetry",
            "xylem-trust",
        ],
    ),
    // The main binary runs the management server and distribution servers as roles of itself, so
    // it may name those two programs; nobody else may name a program at all.
    member(
        "xylem",
        Layer::Program,
        &[
            "xylem-api",
            "xylem-artifact",
            "xylem-blobs",
            "xylem-client",
            "xylem-distribution",
            "xylem-migration",
            "xylem-model",
            "xylem-pki",
            "xylem-runtime",
            "xylem-server",
            "xylem-service",
            "xylem-sync",
            "xylem-telemetry",
            "xylem-trust",
        ],
    ),
    member("xylem-testkit", Layer::Tests, &[]),
    member("xylem-e2e", Layer::Tests, &[]),
    member("xylem-sim", Layer::Tests, &[]),
    // Stands beside the simulation: the same promises on real file systems and processes.
    member("xylem-faults", Layer::Tests, &[]),
    member("xylem-accept", Layer::Tests, &[]),
    // Reaches what reads strangers' bytes in every crate that listens.
    member("xylem-fuzz", Layer::Tests, &[]),
    member("xylem-bench", Layer::Tests, &[]),
    member("xtask", Layer::Automation, &[]),
];

const WRAPPED: &[Wrapped] = &[
    Wrapped {
        name: "sea-orm*",
        only: &["xylem-db"],
        tests_may: false,
        why: "one crate names the database, so that everything else can be tested without one",
    },
    Wrapped {
        name: "sqlx*",
        only: &["xylem-db"],
        tests_may: false,
        why: "one crate names the database, so that everything else can be tested without one",
    },
    Wrapped {
        name: "rcgen",
        only: &["xylem-ca", "xylem-pki"],
        tests_may: true,
        why: "certificates and requests for them are made in two places, one for each end",
    },
    Wrapped {
        name: "quick-xml",
        only: &["xylem-agent", "xylem-artifact", "xylem-cloud", "xylem-install"],
        tests_may: true,
        why: "XML and property lists are read through bounded readers only",
    },
    Wrapped {
        name: "rsa",
        only: &["xylem-cloud"],
        tests_may: false,
        why: "aws-lc-rs is the cryptographic provider but for signatures with SHA-1 (decision 9)",
    },
    Wrapped {
        name: "plist",
        // The management server writes them, and reads none.
        only: &["xylem-artifact", "xylem-migration", "xylem-server"],
        tests_may: true,
        why: "XML and property lists are read through bounded readers only",
    },
    Wrapped {
        name: "liblzma",
        only: &["xylem-artifact"],
        tests_may: true,
        why: "what expands is read through bounded readers only",
    },
    Wrapped {
        name: "bzip2",
        only: &["xylem-artifact"],
        tests_may: true,
        why: "what expands is read through bounded readers only",
    },
    Wrapped {
        name: "flate2",
        only: &["xylem-artifact", "xylem-model"],
        tests_may: true,
        why: "what expands is read through bounded readers only",
    },
    Wrapped {
        name: "axum",
        only: &["xylem-distribution", "xylem-http", "xylem-server", "xylem-webdav"],
        tests_may: true,
        why: "routes belong to the two programs that listen",
    },
    Wrapped {
        name: "dav-server",
        only: &["xylem-webdav"],
        tests_may: true,
        why: "what it leaves to others, refusing among it, is done in one place",
    },
    Wrapped {
        name: "instant-acme",
        only: &["xylem-acme"],
        tests_may: false,
        why: "an order is made in one place",
    },
    Wrapped {
        name: "argon2",
        only: &["xylem-pki"],
        tests_may: true,
        why: "what a password costs is said in one place",
    },
    Wrapped {
        name: "utoipa-axum",
        only: &["xylem-server"],
        tests_may: true,
        why: "the API document describes the management server",
    },
    Wrapped {
        name: "turmoil",
        only: &["xylem-sim"],
        tests_may: false,
        why: "simulation comes in through the seams of xylem-runtime, not through the product",
    },
    Wrapped {
        name: "indicatif",
        only: &["xylem", "xylem-agent"],
        tests_may: true,
        why: "progress bars belong to the two command lines",
    },
    Wrapped {
        name: "clap*",
        only: &["xylem", "xylem-agent"],
        tests_may: true,
        why: "only programs have command lines",
    },
    Wrapped {
        name: "anyhow",
        only: &["xylem", "xylem-agent"],
        tests_may: true,
        why: "libraries return errors that their callers can tell apart",
    },
    Wrapped {
        name: "mimalloc",
        only: &["xylem", "xylem-agent"],
        tests_may: true,
        why: "a program chooses its allocator, a library does not",
    },
    Wrapped {
        name: "metrics-exporter-prometheus",
        only: &["xylem-telemetry"],
        tests_may: true,
        why: "where figures and messages go is set up in one place",
    },
    Wrapped {
        name: "tracing-subscriber",
        only: &["xylem-telemetry"],
        tests_may: true,
        why: "where figures and messages go is set up in one place",
    },
];

const BANNED: &[Banned] = &[
    Banned { name: "openssl", why: "aws-lc-rs through rustls is the only TLS provider" },
    Banned { name: "openssl-sys", why: "aws-lc-rs through rustls is the only TLS provider" },
    Banned { name: "native-tls", why: "aws-lc-rs through rustls is the only TLS provider" },
    Banned { name: "ring", why: "aws-lc-rs is the only cryptographic provider" },
    Banned { name: "rusqlite", why: "SQLite is linked once, through xylem-db" },
];

const REACH: &[Reach] = &[
    Reach {
        of: &["xylem-api", "xylem-cloud", "xylem-model", "xylem-sync", "xylem-trust"],
        never: &["axum", "hyper", "rustix", "rustls", "sea-orm", "tempfile", "tokio", "tracing"],
        why: "a pure crate knows no disk, network, clock or database",
    },
    Reach {
        of: &["xylem-agent"],
        never: &[
            "axum",
            "sea-orm",
            "xylem-blobs",
            "xylem-ca",
            "xylem-db",
            "xylem-distribution",
            "xylem-http",
            "xylem-server",
        ],
        why: "a managed Mac carries no server, database or certificate authority",
    },
    Reach {
        of: &["xylem-distribution"],
        never: &["sea-orm", "xylem-ca", "xylem-db", "xylem-install", "xylem-server"],
        why: "a distribution server keeps its state in files and can sign nothing",
    },
    Reach {
        of: &["xylem-server"],
        never: &["xylem-artifact", "xylem-blobs", "xylem-distribution", "xylem-install"],
        why: "the management server holds no package bytes and parses none",
    },
];
