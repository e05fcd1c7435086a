//! Logging in: a token, what the place can do, where a delivery network gives it out.

use xylem_client::CloudClient;
use xylem_cloud::swift::{SwiftInfo, SwiftSession};
use xylem_cloud::{CloudSettings, ProviderError, Secrets, SwiftAccess, login_of, swift_of};

use super::NoAccess;

/// All that is needed to ask at a Swift. What was found `before` stays true with another token, as
/// long as that leads to the same place.
pub(in crate::cloud) async fn access_of(
    client: &CloudClient,
    storage: &CloudSettings,
    keys: &Secrets,
    before: Option<&SwiftAccess>,
) -> Result<SwiftAccess, NoAccess> {
    let session = ask_session(client, storage, keys).await?;
    if let Some(known) = before.filter(|known| is_same_place(&known.session, &session)) {
        return Ok(SwiftAccess { session, ..known.clone() });
    }
    let info = SwiftInfo::read(&client.send(&SwiftInfo::request(session.storage())).await?)?;
    let access = SwiftAccess { session, info, public: None };
    if !is_given_out_by_a_network(storage) {
        return Ok(access);
    }
    let public = {
        let swift = swift_of(storage, keys, &access)?;
        swift.cdn_address(&client.send(&swift.ask_cdn()?).await?)?
    };
    Ok(SwiftAccess { public: Some(public), ..access })
}

/// Asks for a token.
pub(in crate::cloud) async fn ask_session(
    client: &CloudClient,
    storage: &CloudSettings,
    keys: &Secrets,
) -> Result<SwiftSession, NoAccess> {
    let (login, keys) = login_of(storage, keys)?.ok_or(ProviderError::OtherKeys)?;
    Ok(login.session(&client.send(&login.request(keys)).await?)?)
}

fn is_same_place(one: &SwiftSession, other: &SwiftSession) -> bool {
    (one.storage(), one.cdn()) == (other.storage(), other.cdn())
}

/// Whether clients get addresses of a delivery network, which is asked for them.
fn is_given_out_by_a_network(storage: &CloudSettings) -> bool {
    matches!(storage, CloudSettings::Rackspace(settings) if settings.public)
}
