//! What goes wrong at each provider in a storm, and how.

use anyhow::Context as _;

use super::seaweed::{KEY_ID, SECRET, Seaweed};
use super::store::Store;
use super::swift::Swift;
use super::weather::{Refusal, Sky};

/// A store at which something can go wrong.
pub(super) trait Faulty: Store {
    /// What goes wrong at itself, and not on the way to it.
    type Own: Copy + 'static;

    /// All that goes wrong, one after the other.
    const FAULTS: &'static [Fault<Self::Own>];

    /// Where it speaks without TLS: for [`super::weather`], which has ended the TLS already.
    fn plain_port(&self) -> u16;

    /// Has it go wrong.
    async fn spoil(&self, what: Self::Own) -> anyhow::Result<()>;

    /// Has it go well again.
    async fn mend(&self, what: Self::Own) -> anyhow::Result<()>;
}

/// Something that goes wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault<O> {
    pub(super) name: &'static str,
    pub(super) does: Does<O>,
    /// What the error must say, one of them.
    pub(super) says: &'static [&'static str],
    /// Whether a file may get through while it lasts.
    pub(super) may_pass: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Does<O> {
    /// It is at the store.
    Own(O),
    /// The management server's clock is off.
    Clock(&'static str),
    /// The weather changes: in the test, and while a file is on its way.
    Sky(Sky, Sky),
}

/// Another time for one program.
const AHEAD: &str = "FAKETIME=+20m";
const BEHIND: &str = "FAKETIME=-20m";

/// What Amazon says to keys that were lent for a while, and is not to be had from another server.
const EXPIRED: Refusal = Refusal {
    status: "400 Bad Request",
    code: "ExpiredToken",
    message: "The provided token has expired.",
};

/// What Amazon says of a bucket that is not there, whatever is asked.
const NO_BUCKET: Refusal = Refusal {
    status: "404 Not Found",
    code: "NoSuchBucket",
    message: "The specified bucket does not exist",
};

/// What Amazon says when it is asked too often.
const SLOW_DOWN: Refusal = Refusal {
    status: "503 Slow Down",
    code: "SlowDown",
    message: "Please reduce your request rate.",
};

/// What Swift says to tokens and signatures that it does not know.
const UNAUTHORIZED: Refusal = Refusal {
    status: "401 Unauthorized",
    code: "Unauthorized",
    message: "This server could not verify that you are authorized to access the document.",
};

/// What it says when servers behind it do not answer.
const UNAVAILABLE: Refusal = Refusal {
    status: "503 Service Unavailable",
    code: "ServiceUnavailable",
    message: "The server is currently unavailable. Please try again at a later time.",
};

/// What a line that breaks is told as, by whoever notices.
const BROKEN: &[&str] = &["connection", "closed", "reset", "broke", "ended", "eof"];

/// What goes wrong at SeaweedFS itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum AtSeaweed {
    /// Other keys hold.
    Keys(&'static str, &'static str),
    /// The bucket is removed with all that is in it.
    Bucket,
}

impl Faulty for Seaweed {
    type Own = AtSeaweed;

    const FAULTS: &'static [Fault<AtSeaweed>] = &[
        stops(
            "wrong-secret",
            Does::Own(AtSeaweed::Keys(KEY_ID, "another-secret-holds-at-the-store")),
            &["SignatureDoesNotMatch"],
        ),
        stops(
            "key-taken-back",
            Does::Own(AtSeaweed::Keys("ANOTHERKEY", SECRET)),
            &["InvalidAccessKeyId"],
        ),
        stops("key-expired", always(EXPIRED), &["ExpiredToken"]),
        stops("clock-ahead", Does::Clock(AHEAD), &["s ahead of the provider's"]),
        stops("clock-behind", Does::Clock(BEHIND), &["s behind the provider's"]),
        stops("bucket-gone", Does::Own(AtSeaweed::Bucket), &["NoSuchBucket"]),
        stops("bucket-gone-at-amazon", always(NO_BUCKET), &["NoSuchBucket"]),
        slows("503-storm", often(SLOW_DOWN), &["SlowDown", "503"]),
        slows("cut-off", cut_off(), BROKEN),
    ];

    fn plain_port(&self) -> u16 {
        self.plain_port
    }

    async fn spoil(&self, what: AtSeaweed) -> anyhow::Result<()> {
        match what {
            AtSeaweed::Keys(key_id, secret) => self.set_keys(key_id, secret).await,
            AtSeaweed::Bucket => self.bucket().remove(),
        }
    }

    async fn mend(&self, what: AtSeaweed) -> anyhow::Result<()> {
        match what {
            AtSeaweed::Keys(..) => self.set_keys(KEY_ID, SECRET).await,
            AtSeaweed::Bucket => self.make_bucket().await,
        }
    }
}

/// What goes wrong at Swift itself: the container is removed with all that is in it and its segments.
#[derive(Debug, Clone, Copy)]
pub(super) struct ContainerGone;

impl Faulty for Swift {
    type Own = ContainerGone;

    const FAULTS: &'static [Fault<ContainerGone>] = &[
        stops("token-refused", always(UNAUTHORIZED), &["401"]),
        // What is signed lives too long then, and is taken.
        slows("clock-ahead", Does::Clock(AHEAD), &["s ahead of the provider's"]),
        stops("clock-behind", Does::Clock(BEHIND), &["s behind the provider's"]),
        stops("container-gone", Does::Own(ContainerGone), &["no such container"]),
        slows("503-storm", often(UNAVAILABLE), &["503"]),
        slows("cut-off", cut_off(), BROKEN),
    ];

    fn plain_port(&self) -> u16 {
        self.plain_port
    }

    async fn spoil(&self, ContainerGone: ContainerGone) -> anyhow::Result<()> {
        self.container().remove().context("the container cannot be removed")
    }

    async fn mend(&self, ContainerGone: ContainerGone) -> anyhow::Result<()> {
        self.make_container().await
    }
}

/// A fault that lets no file through.
const fn stops<O: Copy>(
    name: &'static str,
    does: Does<O>,
    says: &'static [&'static str],
) -> Fault<O> {
    Fault { name, does, says, may_pass: false }
}

/// A fault that files may get through.
const fn slows<O: Copy>(
    name: &'static str,
    does: Does<O>,
    says: &'static [&'static str],
) -> Fault<O> {
    Fault { name, does, says, may_pass: true }
}

const fn all(answer: Refusal) -> Sky {
    Sky::Refused { answer, percent: 100 }
}

/// Every request is refused.
const fn always<O: Copy>(answer: Refusal) -> Does<O> {
    Does::Sky(all(answer), all(answer))
}

/// Every request of the test is refused, and many of those that send a file.
const fn often<O: Copy>(answer: Refusal) -> Does<O> {
    Does::Sky(all(answer), Sky::Refused { answer, percent: 60 })
}

/// Lines break. The test sends little: there every request is cut off at its first byte.
const fn cut_off<O: Copy>() -> Does<O> {
    Does::Sky(Sky::Cut { percent: 100, within: 0 }, Sky::Cut { percent: 50, within: 12 << 20 })
}
