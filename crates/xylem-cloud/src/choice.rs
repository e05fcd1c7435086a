//! Which provider it is, by what was set.

use crate::akamai::Akamai;
use crate::endpoint::{Endpoint, EndpointError};
use crate::folder::Folder;
use crate::provider::Provider;
use crate::s3::S3;
use crate::secret::{Secrets, SwiftSecrets};
use crate::settings::CloudSettings;
use crate::swift::{Swift, SwiftInfo, SwiftLogin, SwiftSession};

/// What a Swift needs besides settings and keys: what was asked there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwiftAccess {
    /// The token, and the addresses it opens.
    pub session: SwiftSession,
    /// What the place can do.
    pub info: SwiftInfo,
    /// Where a delivery network gives the container out to everybody; none: nowhere.
    pub public: Option<Endpoint>,
}

/// Why there is no provider for what was set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Settings of one provider, keys of another.
    #[error("the keys are another provider's than the settings: set the point's keys again")]
    OtherKeys,
    /// A Swift without a token.
    #[error("nothing can be asked of Swift without a token: ask for one first")]
    NoSession,
    /// A region of which no host can be made.
    #[error("no address can be made of the region: {0}")]
    Endpoint(#[from] EndpointError),
}

/// The provider that was set, with the keys for it. `swift` is used by Swift and Rackspace alone.
///
/// # Errors
/// When the keys are another provider's, or Swift has no token yet.
pub fn provider_of<'a>(
    settings: &'a CloudSettings,
    keys: &'a Secrets,
    swift: Option<&'a SwiftAccess>,
) -> Result<Box<dyn Provider + 'a>, ProviderError> {
    let swift = || swift.ok_or(ProviderError::NoSession);
    Ok(match (settings, keys) {
        (CloudSettings::S3(settings), Secrets::S3(keys)) => Box::new(S3::new(settings, keys)?),
        (CloudSettings::Swift(_) | CloudSettings::Rackspace(_), Secrets::Swift(_)) => {
            Box::new(swift_of(settings, keys, swift()?)?)
        }
        (CloudSettings::Akamai(settings), Secrets::Akamai(keys)) => {
            Box::new(Akamai::new(settings, keys))
        }
        (CloudSettings::Folder(settings), Secrets::Folder(_)) => Box::new(Folder::new(settings)?),
        _ => return Err(ProviderError::OtherKeys),
    })
}

/// The container that was set, for what is asked there and is no provider's besides: TempURL keys,
/// the container of segments, a delivery network.
///
/// # Errors
/// When the settings or the keys are another provider's.
pub fn swift_of<'a>(
    settings: &'a CloudSettings,
    keys: &'a Secrets,
    access: &'a SwiftAccess,
) -> Result<Swift<'a>, ProviderError> {
    let SwiftAccess { session, info, public } = access;
    match (settings, keys) {
        (CloudSettings::Swift(settings), Secrets::Swift(keys)) => {
            Ok(Swift::new(settings, keys, session, info))
        }
        (CloudSettings::Rackspace(settings), Secrets::Swift(keys)) => {
            let public = public.as_ref().filter(|_| settings.public);
            Ok(Swift::rackspace(settings, keys, session, info, public))
        }
        _ => Err(ProviderError::OtherKeys),
    }
}

/// How a token is asked for; none where the provider has no such thing.
///
/// # Errors
/// When the settings or the keys are another provider's, or of Rackspace's address none can be made.
pub fn login_of<'a>(
    settings: &'a CloudSettings,
    keys: &'a Secrets,
) -> Result<Option<(SwiftLogin<'a>, &'a SwiftSecrets)>, ProviderError> {
    match (settings, keys) {
        (CloudSettings::Swift(settings), Secrets::Swift(keys)) => {
            Ok(Some((SwiftLogin::swift(settings), keys)))
        }
        (CloudSettings::Rackspace(settings), Secrets::Swift(keys)) => {
            Ok(Some((SwiftLogin::rackspace(settings)?, keys)))
        }
        (CloudSettings::Swift(_) | CloudSettings::Rackspace(_), _) => Err(ProviderError::OtherKeys),
        (CloudSettings::S3(_) | CloudSettings::Akamai(_) | CloudSettings::Folder(_), _) => Ok(None),
    }
}
