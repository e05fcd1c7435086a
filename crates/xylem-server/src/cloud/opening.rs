//! What comes before the test of a Swift: a token, what the place can do, its containers, a TempURL
//! key of ours, a delivery network. Each is a step of the test.
//!
//! Without a key that signs nothing can be written, so it is set before anything is tried. Where the
//! point is not stored after all, what was in its slot before is put back.

use std::fmt;

use xylem_cloud::swift::{KeySlot, OwnKeys, Swift, SwiftInfo, TempUrlDigest};
use xylem_cloud::{
    Below, CloudSettings, Cursor, PointSettings, Provider as _, Secret, Secrets, SwiftAccess,
    SwiftSecrets, swift_of,
};
use xylem_runtime::{Environment, random_array};

use super::moment;
use super::probe::Miss;
use super::session::{NoAccess, TestClient};
use super::steps::{Done, Outcome, Steps};

/// Random bytes of a TempURL key.
const KEY_BYTES: usize = 32;

/// Which TempURL keys a test may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyWish {
    /// None: the one that signs is to be there.
    Keep,
    /// One where the one that signs is not there.
    Mend,
    /// One in any case: the password is another too.
    Renew,
}

/// What is known of TempURL keys.
pub(crate) struct KeyPlan {
    pub(crate) wish: KeyWish,
    /// What our keys begin with.
    pub(crate) label: String,
    /// Keys of this point, the one that signs first.
    pub(crate) former: Vec<Secret>,
    /// Keys of another point.
    pub(crate) others: Vec<Secret>,
}

/// A point whose test can begin, or cannot.
pub(super) struct Opening {
    /// The keys, with the TempURL key that signs.
    pub(super) keys: Secrets,
    /// What a provider with tokens is made with.
    pub(super) access: Option<SwiftAccess>,
    /// The TempURL key that was set, to be kept or taken back.
    pub(super) new_key: Option<NewKey>,
}

/// A TempURL key that was set.
pub(super) struct NewKey {
    slot: KeySlot,
    key: Secret,
    /// What was there before: a former key of ours, or nothing.
    before: Secret,
}

/// What opens a point: where it is, as whom, and what may be set there.
pub(super) struct Opener<'a> {
    pub(super) client: &'a TestClient,
    pub(super) settings: &'a PointSettings,
    pub(super) environment: &'a Environment,
    pub(super) plan: &'a KeyPlan,
}

impl Opening {
    /// For a provider that needs nothing of it.
    pub(super) const fn of_keys(keys: Secrets) -> Self {
        Self { keys, access: None, new_key: None }
    }
}

impl Opener<'_> {
    /// Does these steps, where the provider has some. One that fails blocks all that come later.
    pub(super) async fn open(&self, steps: &mut Steps, keys: Secrets) -> Opening {
        let mut opening = Opening::of_keys(keys);
        if !matches!(&opening.keys, Secrets::Swift(_)) {
            return opening;
        }
        let logging_in = async { Ok(self.client.log_in().await?) };
        let Some(session) = Box::pin(steps.needed("log in", logging_in)).await else {
            return opening;
        };
        let mut found = None;
        let asking = async {
            let request = SwiftInfo::request(session.storage());
            let info = SwiftInfo::read(&self.client.send(&request).await?)?;
            let note = told(&info);
            found = Some(info);
            Ok(note.map_or(Done::Passed, Done::Noted))
        };
        Box::pin(steps.add("abilities", asking)).await;
        steps.block_after_failure();
        let Some(info) = found else { return opening };
        let access = SwiftAccess { session, info, public: None };
        Box::pin(self.containers(steps, &opening.keys, &access)).await;
        Box::pin(self.temp_url_key(steps, &access, &mut opening)).await;
        let public = Box::pin(self.delivery(steps, &opening.keys, &access)).await;
        opening.access = Some(SwiftAccess { public, ..access });
        opening
    }

    fn swift<'b>(&'b self, keys: &'b Secrets, access: &'b SwiftAccess) -> Result<Swift<'b>, Miss> {
        swift_of(&self.settings.storage, keys, access).map_err(Miss::other)
    }

    /// The container is there, and the one for segments is made.
    async fn containers(&self, steps: &mut Steps, keys: &Secrets, access: &SwiftAccess) {
        let there = async {
            let swift = self.swift(keys, access)?;
            let (below, cursor) = (Below::Contents, Cursor::START);
            let request = swift.list(below, &cursor, moment(self.environment))?;
            swift.listed(below, &cursor, &self.client.send(&request).await?)?;
            Ok(())
        };
        Box::pin(steps.needed("container", there)).await;
        let made = async {
            let swift = self.swift(keys, access)?;
            let Some(request) = swift.make_segments_container() else {
                return Ok(Done::Skipped("segments lie in the same container"));
            };
            swift.account_changed(&self.client.send(&request).await?)?;
            Ok(Done::Passed)
        };
        steps.add("segments container", made).await;
        steps.block_after_failure();
    }

    /// The key that signs is there, or is set.
    async fn temp_url_key(&self, steps: &mut Steps, access: &SwiftAccess, opening: &mut Opening) {
        steps.add("TempURL key", self.sign(access, opening)).await;
        steps.block_after_failure();
    }

    async fn sign(&self, access: &SwiftAccess, opening: &mut Opening) -> Outcome {
        let swift = self.swift(&opening.keys, access)?;
        let answer = self.client.send(&swift.ask_keys()).await?;
        let has = swift.has_key(&answer);
        match (self.plan.wish, has) {
            (KeyWish::Keep, has) => return Ok(has.map(|()| Done::Passed)?),
            (KeyWish::Mend, Ok(())) => return Ok(Done::Passed),
            (KeyWish::Mend | KeyWish::Renew, _) => {}
        }
        let KeyPlan { label, former, others, .. } = self.plan;
        let (slot, before) = swift.free_slot(&answer, &OwnKeys { former, others, label })?;
        let random: [u8; KEY_BYTES] = random_array(&*self.environment.rng);
        let key = Secret::new(format!("{label}{}", hex::encode(random)));
        // From now on it may be there, whatever is answered.
        let request = swift.set_key(slot, &key);
        opening.new_key = Some(NewKey { slot, key: key.clone(), before });
        let Secrets::Swift(keys) = &opening.keys else {
            return Err(Miss::other("the keys are another provider's"));
        };
        let keys = SwiftSecrets {
            password: keys.password.clone(),
            temp_url_key: Some(key),
            former_temp_url_key: self.plan.former.first().cloned(),
        };
        let answer = self.client.send(&request).await?;
        opening.keys = Secrets::Swift(keys);
        let swift = self.swift(&opening.keys, access)?;
        swift.account_changed(&answer)?;
        swift.has_key(&self.client.send(&swift.ask_keys()).await?)?;
        Ok(Done::Passed)
    }

    /// Opens the container to everybody where that was asked for by name.
    async fn delivery(
        &self,
        steps: &mut Steps,
        keys: &Secrets,
        access: &SwiftAccess,
    ) -> Option<xylem_cloud::Endpoint> {
        let CloudSettings::Rackspace(settings) = &self.settings.storage else { return None };
        if !settings.public {
            return None;
        }
        let enabling = async {
            let swift = self.swift(keys, access)?;
            let enabled = self.client.send(&swift.enable_cdn(settings.ttl_seconds)?).await?;
            swift.account_changed(&enabled)?;
            Ok(swift.cdn_address(&self.client.send(&swift.ask_cdn()?).await?)?)
        };
        let address = Box::pin(steps.needed("delivery network", enabling)).await;
        steps.block_after_failure();
        address
    }

    /// Puts back what was in the slot of a key that was set in vain. What another management server set
    /// there meanwhile stays.
    pub(super) async fn take_back(&self, opening: &Opening) {
        let (Some(new), Some(access)) = (&opening.new_key, &opening.access) else { return };
        let putting = async {
            let swift = self.swift(&opening.keys, access)?;
            let found = self.client.send(&swift.ask_keys()).await?;
            swift.account_changed(&found)?;
            if !swift.holds(&found, new.slot, &new.key) {
                return Ok(());
            }
            let answer = self.client.send(&swift.set_key(new.slot, &new.before)).await?;
            Ok::<_, Miss>(swift.account_changed(&answer)?)
        };
        if let Err(miss) = putting.await {
            // The next test takes its slot: it begins with what our keys begin with.
            tracing::warn!("a TempURL key that is not used stays at the provider for now: {miss}");
        }
    }
}

/// What is worth knowing of what a place can do.
fn told(info: &SwiftInfo) -> Option<String> {
    let mut notes = Vec::new();
    if info.digest == TempUrlDigest::Sha1 {
        notes.push("TempURLs are signed with SHA-1, which is all that it allows".to_owned());
    }
    if info.segments.is_none() {
        notes.push(format!(
            "it has no static large objects, so files above {} B cannot be sent",
            info.max_file_size
        ));
    }
    (!notes.is_empty()).then(|| notes.join("; "))
}

impl From<NoAccess> for Miss {
    fn from(error: NoAccess) -> Self {
        match error {
            NoAccess::Fault(fault) => Self::Fault(fault),
            NoAccess::Client(error) => Self::Client(error),
            NoAccess::Settings(error) => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Debug for KeyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPlan").field("wish", &self.wish).finish_non_exhaustive()
    }
}
