//! The cloud distribution point: what is set, its test, and the rights that its keys need.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use xylem_api::cloud::{
    AskCloudPolicy, ChangeCloud, CloudOffer, CloudPoint, CloudPolicy, CloudState, CloudTest,
    CloudVerify, SetCloud,
};
use xylem_api::error::ErrorCode;
use xylem_cloud::{
    CloudSettings, KeyScope, Offer, PointSettings, Secret, SwiftSettings, Verify, s3,
};
use xylem_db::{CloudPointChange, CloudReplaced, DbError, NewCloudPoint};
use xylem_http::{ApiError, ApiJson};
use xylem_model::CloudPointId;

use crate::app::App;
use crate::cloud::{Claim, KeyWish, Place, ProvedCloud, read_keys, temp_url_keys};
use crate::failure::Failure;
use crate::permission::Caller;

/// What is set, without keys.
#[utoipa::path(
    get, path = "/v1/cloud-distribution-point", tag = "cloud",
    responses((status = 200, description = "What is set.", body = CloudState))
)]
pub(super) async fn cloud(State(app): State<App>) -> Result<Json<CloudState>, Failure> {
    let point = app.database.cloud_point().await?;
    let progress = match &point {
        Some(point) => Some(app.cloud_progress(point).await?),
        None => None,
    };
    let former = app.database.leaving_cloud_point().await?;
    let leaving = match &former {
        Some(former) => Some(app.cloud_leaving(former).await?),
        None => None,
    };
    let (point, former) = (point.map(wire).transpose()?, former.map(wire).transpose()?);
    Ok(Json(CloudState { point, former, progress, leaving }))
}

/// Tests a point and sets it.
#[utoipa::path(
    put, path = "/v1/cloud-distribution-point", tag = "cloud", request_body = SetCloud,
    responses((status = 200, description = "It is set.", body = CloudPoint))
)]
pub(super) async fn set_cloud(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<SetCloud>,
) -> Result<Json<CloudPoint>, Failure> {
    let _one_at_a_time = app.cloud_change.lock().await;
    let active = app.database.cloud_point().await?;
    // Told before the test, which takes its time; the database has the last word.
    if let Some(active) = active.as_ref().filter(|_| !asked.replace) {
        return Err(DbError::SecondCloudPoint { provider: active.provider.clone() }.into());
    }
    let settings = PointSettings::read(given(&asked))?;
    let keys = read_keys(asked.keys.0)?;
    settings.check_keys(&keys)?;
    let leaving = app.database.leaving_cloud_point().await?;
    if let Some(leaving) = leaving.as_ref().filter(|_| active.is_some()) {
        return Err(still_left(leaving));
    }
    // Of the two there is one at most.
    let former = active.as_ref().or(leaving.as_ref());
    check_place(&settings, former)?;
    let others = app.signing_key(former).await?;
    let plan = app.key_plan(KeyWish::Renew, Vec::new(), others);
    let claim = Claim { adopt: asked.adopt, is_held: false };
    let proved = Box::pin(app.prove_cloud(&settings, keys, &plan, claim)).await?;
    let setting = async {
        let place = Place { settings: &settings, keys: proved.keys() };
        app.require_another_place(place, former).await?;
        let id = app.environment.new_id(CloudPointId::from_parts);
        let new = NewCloudPoint {
            id,
            provider: settings.storage.provider().to_owned(),
            settings: stored(&settings)?,
            sealed: app.seal_cloud_keys(id, proved.keys())?,
            test: Some(stored(&proved.test)?),
            replaces: active.as_ref().map(|it| CloudReplaced { id: it.id, revision: it.revision }),
        };
        Ok(app.database.set_cloud_point(&new, &caller.actor(), app.now()).await?)
    };
    let set = setting.await;
    app.upkeep.leaving.notify_one();
    app.unless_stored(&settings, &proved, set).await
}

/// Tests a change of the point, and makes it.
#[utoipa::path(
    patch, path = "/v1/cloud-distribution-point", tag = "cloud", request_body = ChangeCloud,
    responses((status = 200, description = "It is changed.", body = CloudPoint))
)]
pub(super) async fn change_cloud(
    State(app): State<App>,
    caller: Caller,
    ApiJson(asked): ApiJson<ChangeCloud>,
) -> Result<Json<CloudPoint>, Failure> {
    let _one_at_a_time = app.cloud_change.lock().await;
    let active = app.active_cloud().await?;
    // Before its test, which would set a key in the place of one that is in use by now.
    require_revision(&active, asked.revision)?;
    let present = settings_of(&active)?;
    let settings = match &asked.settings {
        Some(patch) => present.changed(patch)?,
        None => present.clone(),
    };
    let is_other_keys = asked.keys.is_some();
    let keys = match asked.keys {
        Some(given) => read_keys(given.0)?,
        None => app.cloud_keys(&active).await?,
    };
    settings.check_keys(&keys)?;
    let leaving = app.database.leaving_cloud_point().await?;
    check_place(&settings, leaving.as_ref())?;
    let wish = if is_other_keys { KeyWish::Renew } else { KeyWish::Mend };
    let plan = app.key_plan(wish, app.former_keys(&active).await?, app.leaving_key().await?);
    let moved = !settings.storage.is_same_place(&present.storage);
    let is_held = !moved && !settings.storage.is_given_out();
    let claim = Claim { adopt: asked.adopt, is_held };
    let proved = Box::pin(app.prove_cloud(&settings, keys, &plan, claim)).await?;
    let changing = async {
        let place = Place { settings: &settings, keys: proved.keys() };
        app.require_another_place(place, leaving.as_ref().filter(|_| moved)).await?;
        let is_sealed = is_other_keys || proved.has_new_key();
        let sealed =
            is_sealed.then(|| app.seal_cloud_keys(active.id, proved.keys())).transpose()?;
        let change = CloudPointChange {
            settings: Some(stored(&settings)?),
            sealed,
            test: Some(stored(&proved.test)?),
            moved,
        };
        let (actor, now) = (caller.actor(), app.now());
        Ok(app
            .database
            .change_cloud_point(active.id, active.revision, &change, &actor, now)
            .await?)
    };
    let changed = changing.await;
    app.unless_stored(&settings, &proved, changed).await
}

/// Tests the point as it is set. A step that fails is no error of this call. A point that stands still
/// goes on where all are passed.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/test", tag = "cloud",
    responses((status = 200, description = "What each step found.", body = CloudTest))
)]
pub(super) async fn test_cloud(State(app): State<App>) -> Result<Json<CloudTest>, Failure> {
    let active = app.active_cloud().await?;
    let (settings, keys) = (settings_of(&active)?, app.cloud_keys(&active).await?);
    let test = Box::pin(app.test_cloud(&settings, &keys)).await?;
    app.database.note_cloud_test(active.id, active.revision, &stored(&test)?).await?;
    if test.passed {
        app.cloud.passed_test(active.id, active.revision).await?;
    }
    Ok(Json(test))
}

/// What the keys of a point have to be allowed, and nothing else.
#[utoipa::path(
    post, path = "/v1/cloud-distribution-point/policy", tag = "cloud",
    request_body = AskCloudPolicy,
    responses((status = 200, description = "The least rights.", body = CloudPolicy))
)]
pub(super) async fn cloud_policy(
    State(app): State<App>,
    ApiJson(asked): ApiJson<AskCloudPolicy>,
) -> Result<Json<CloudPolicy>, Failure> {
    let settings = match asked.storage {
        Some(storage) => PointSettings::read(json!({ "storage": storage }))?,
        None => settings_of(&app.active_cloud().await?)?,
    };
    Ok(Json(policy(&settings.storage)))
}

impl App {
    /// The answer to what was stored; where it was not, what its test set is taken back.
    async fn unless_stored(
        &self,
        settings: &PointSettings,
        proved: &ProvedCloud,
        stored: Result<xylem_db::CloudPoint, Failure>,
    ) -> Result<Json<CloudPoint>, Failure> {
        match stored {
            Ok(point) => Ok(Json(wire(point)?)),
            Err(failure) => {
                self.take_cloud_back(settings, proved).await;
                Err(failure)
            }
        }
    }

    /// The TempURL keys of a point. Keys that cannot be opened are about to be set anew, and are known
    /// by what they begin with.
    async fn former_keys(&self, point: &xylem_db::CloudPoint) -> Result<Vec<Secret>, Failure> {
        match self.cloud_keys(point).await {
            Ok(keys) => Ok(temp_url_keys(&keys)),
            // Somebody else changed them at this moment: which are in use is not known.
            Err(changed) if changed.0.code() == ErrorCode::Conflict => Err(changed),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The TempURL key that a point signs with: another one leaves it.
    async fn signing_key(
        &self,
        point: Option<&xylem_db::CloudPoint>,
    ) -> Result<Vec<Secret>, Failure> {
        let Some(point) = point else { return Ok(Vec::new()) };
        Ok(self.former_keys(point).await?.into_iter().take(1).collect())
    }

    async fn leaving_key(&self) -> Result<Vec<Secret>, Failure> {
        let leaving = self.database.leaving_cloud_point().await?;
        self.signing_key(leaving.as_ref()).await
    }

    pub(super) async fn active_cloud(&self) -> Result<xylem_db::CloudPoint, Failure> {
        self.database.cloud_point().await?.ok_or_else(not_set)
    }
}

/// Refuses a change of a point as it is no longer.
fn require_revision(point: &xylem_db::CloudPoint, based_on: u64) -> Result<(), Failure> {
    let based_on = u32::try_from(based_on).map_err(|_| {
        Failure::new(ErrorCode::BadRequest, "the revision is larger than any that there is")
    })?;
    match based_on == point.revision {
        true => Ok(()),
        false => Err(DbError::Stale {
            name: point.provider.clone(),
            what: "revision",
            based_on,
            now: point.revision,
            by: point.changed_by.clone(),
            at: point.changed,
        }
        .into()),
    }
}

/// Refuses a place that another point is in, or was until a while ago: what is removed there could be
/// what the new one has.
fn check_place(
    settings: &PointSettings,
    former: Option<&xylem_db::CloudPoint>,
) -> Result<(), Failure> {
    let Some(former) = former else { return Ok(()) };
    if !settings_of(former)?.storage.is_same_place(&settings.storage) {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::Conflict, taken(former)))
}

/// Why a place cannot be had that another point is in.
pub(super) const fn taken(by: &xylem_db::CloudPoint) -> &'static str {
    match by.is_active {
        true => {
            "the point that is set is in this very place: change it with `xylem cloud change` and \
             `xylem cloud keys`, or replace it by one with another prefix"
        }
        false => {
            "the point that is being left is in this very place: wait until it is forgotten, which \
             `xylem cloud show` tells, or choose another prefix"
        }
    }
}

/// There are two points at most. Told before the test, which takes its time; the database has the
/// last word.
fn still_left(leaving: &xylem_db::CloudPoint) -> Failure {
    let told = format!(
        "a point at `{}` is still being left: see `xylem cloud show` for what holds it, and end it \
         with `xylem cloud remove --former`",
        leaving.provider
    );
    Failure::new(ErrorCode::Conflict, told)
}

pub(super) fn not_set() -> Failure {
    let told = "no such cloud distribution point is set: set one with `xylem cloud set`";
    Failure::new(ErrorCode::NotFound, told)
}

fn policy(storage: &CloudSettings) -> CloudPolicy {
    let sentence = |policy: String| CloudPolicy { policy, lifecycle: None };
    match storage {
        CloudSettings::S3(settings) => {
            CloudPolicy { policy: s3::policy(settings), lifecycle: Some(s3::lifecycle(settings)) }
        }
        CloudSettings::Swift(settings) => sentence(swift_policy(settings)),
        CloudSettings::Rackspace(settings) => sentence(format!(
            "A user with the role `object-store:admin` of Cloud Files in {}, and no other role.",
            settings.region
        )),
        CloudSettings::Akamai(settings) => sentence(format!(
            "An upload account of the HTTP API for the CP code {} alone, limited to the directory \
             `{}`, that may read, write, delete and list.",
            settings.cp_code,
            settings.directory.as_str()
        )),
        CloudSettings::Folder(_) => sentence(
            "The account that the root distribution server runs as may list, write and delete in \
             the folder that `cloud_folder` in its server.json names."
                .to_owned(),
        ),
    }
}

/// What a user of Swift has to be allowed. Keys of an account are set, and told, to its owner alone.
fn swift_policy(settings: &SwiftSettings) -> String {
    let container = &settings.container;
    let and_not = "It needs no right to other accounts or projects, and none to users or roles.";
    match settings.key_scope {
        KeyScope::Account => format!(
            "A user that owns the account (in tempauth `.admin`; in Keystone a role of the project \
             that Swift names in `operator_roles`, such as `member`): it reads, writes, deletes and \
             lists in the containers `{container}` and `{container}_segments`, of which it makes \
             the second one, and sets one of the account's two TempURL keys. {and_not} Give it an \
             account or project of its own: its keys open all containers there."
        ),
        KeyScope::Container => format!(
            "A user that owns the container `{container}`: it reads, writes, deletes and lists \
             there, and sets one of the container's two TempURL keys. {and_not}"
        ),
    }
}

/// The settings of a request, without what was left out.
fn given(asked: &SetCloud) -> Value {
    let mut given = json!({ "storage": asked.storage, "ca_pem": asked.ca_pem });
    let others = [
        ("url_lifetime_seconds", asked.url_lifetime_seconds.map(Value::from)),
        ("offer", asked.offer.map(|offer| json!(offer))),
        ("verify", asked.verify.map(|verify| json!(verify))),
        ("verify_days", asked.verify_days.map(Value::from)),
    ];
    if let Value::Object(fields) = &mut given {
        fields.extend(others.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?))));
    }
    given
}

/// As the database keeps it. None of it is secret.
fn stored<T: serde::Serialize>(value: &T) -> Result<Value, Failure> {
    serde_json::to_value(value)
        .map_err(|error| Failure(ApiError::internal("writing settings of the cloud", error)))
}

pub(super) fn settings_of(point: &xylem_db::CloudPoint) -> Result<PointSettings, Failure> {
    serde_json::from_value(point.settings.clone()).map_err(|error| {
        Failure(ApiError::internal("reading settings of the cloud distribution point", error))
    })
}

fn wire(point: xylem_db::CloudPoint) -> Result<CloudPoint, Failure> {
    let settings = settings_of(&point)?;
    Ok(CloudPoint {
        id: point.id,
        storage: stored(&settings.storage)?,
        ca_pem: settings.ca_pem,
        url_lifetime_seconds: settings.url_lifetime_seconds,
        offer: match settings.offer {
            Offer::BeforeRoot => CloudOffer::BeforeRoot,
            Offer::Last => CloudOffer::Last,
            Offer::Never => CloudOffer::Never,
        },
        verify: match settings.verify {
            Verify::All => CloudVerify::All,
            Verify::Sample => CloudVerify::Sample,
        },
        verify_days: settings.verify_days,
        keys_set_at: point.secrets_set,
        revision: u64::from(point.revision),
        created_at: point.created,
        changed_at: point.changed,
        changed_by: point.changed_by,
        // A test that another version told in another form is as if there were none.
        last_test: point.last_test.and_then(|test| serde_json::from_value(test).ok()),
        is_principal: point.is_principal,
    })
}
