//! From one authority to the next.
//!
//! [`begin`](Authority::begin): the next is there and believed, and signs nothing.
//! [`switch`](Authority::switch): it signs; the one before is still believed.
//! [`finish`](Authority::finish): the one before is not believed any more, and its keys are
//! destroyed. Each step is on the disk before it counts, and can be asked for again after a crash.

use std::path::Path;
use std::time::Duration;

use rcgen::Issuer;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use xylem_model::{ComputerId, Party, Timestamp};
use xylem_pki::{Fingerprint, KeyPair, LeafNames, MAX_CHAIN_LENGTH, TrustAnchors, pem};
use xylem_runtime::{Fs, Rng, replace_private_file};

use crate::authority::{Generation, Signer};
use crate::files::{
    CHAIN, FORMER, INTERMEDIATE, ROOT, ROOT_KEY, check_signed_by, exists, load_root, place, read,
    remove, save_list, save_number, written,
};
use crate::issue::sign_leaf;
use crate::profile::{self, Validity};
use crate::{Authority, CaError, LeafRequest};

/// The shortest time that an intermediate from elsewhere must still be good for: twice the life
/// of a server's certificate.
pub const LEAST_INTERMEDIATE_LIFE: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// An authority that is to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextAuthority {
    /// SHA-256 of its root.
    pub root: Fingerprint,
    /// When its intermediate runs out.
    pub not_after: Timestamp,
    /// Whether an organisation's own root signed it.
    pub is_organizations: bool,
    /// Whether somebody who only knows the present root will believe its certificates too: the
    /// intermediate is signed by both then.
    pub is_bridged: bool,
}

/// The key of an intermediate that an organisation was asked to sign.
const REQUEST_KEY: &str = "request.key";

impl Authority {
    /// The one that is to come.
    pub fn next(&self) -> Option<NextAuthority> {
        let next = self.next.as_ref()?;
        Some(NextAuthority {
            root: Fingerprint::of(&next.root.certificate),
            not_after: next.intermediate.validity.not_after,
            is_organizations: next.is_organizations(),
            is_bridged: !next.is_organizations() && !next.rest.is_empty(),
        })
    }

    /// SHA-256 of the roots before that are still believed.
    pub fn former_fingerprints(&self) -> Vec<Fingerprint> {
        self.former.iter().map(|root| Fingerprint::of(root)).collect()
    }

    /// Makes a root and an intermediate that are to follow the present ones. Where the present
    /// root's key is here, it signs the next intermediate too.
    ///
    /// # Errors
    /// When authorities change already; when something cannot be made or written.
    pub fn begin(&mut self, fs: &dyn Fs, folder: &Path, now: Timestamp) -> Result<(), CaError> {
        self.check_idle()?;
        if self.present.root.key.is_none() && !self.present.is_organizations() {
            // It may have been put back since the server started.
            self.present.root.key = load_root(fs, &place(folder, self.number))?.key;
        }
        let organization = &self.present.root.organization;
        let mut next = Generation::create(organization, now, &*self.rng)?;
        next.rest.extend(bridge(&self.present, &next, &*self.rng)?);
        self.announce(fs, folder, next)
    }

    /// Writes a request for an intermediate, for an organisation's own authority to sign. An
    /// earlier one is void.
    ///
    /// # Errors
    /// When a key cannot be made or written.
    pub fn request(&self, fs: &dyn Fs, folder: &Path) -> Result<String, CaError> {
        let key = KeyPair::generate()?;
        let refused = |source| CaError::Certificate { what: "a request", source };
        let params = profile::requested(&self.present.root.organization, &*self.rng);
        let request = params.serialize_request(&key).and_then(|request| request.pem());
        let request = request.map_err(refused)?;
        let path = folder.join(REQUEST_KEY);
        written(&path, replace_private_file(fs, &path, key.to_pem().as_bytes()))?;
        Ok(request)
    }

    /// Takes what the organisation signed, up to its root, as the authority that is to follow.
    ///
    /// # Errors
    /// When it is not for the key that was asked for, does not lead to a root, is too short-lived,
    /// or does not let the authority sign for our parties; when authorities change already.
    pub fn install(
        &mut self,
        fs: &dyn Fs,
        folder: &Path,
        chain_pem: &str,
        now: Timestamp,
    ) -> Result<(), CaError> {
        self.check_idle()?;
        let key = match read(fs, &folder.join(REQUEST_KEY)) {
            Ok(bytes) => KeyPair::from_pem(&bytes)?,
            Err(xylem_pki::FileError::Missing { .. }) => return Err(CaError::NotRequested),
            Err(error) => return Err(error.into()),
        };
        let next = of_organization(key, chain_pem, now, &*self.rng)?;
        self.announce(fs, folder, next)?;
        remove(fs, &folder.join(REQUEST_KEY))
    }

    /// Gives up the authority that is to come. Parties forget it by and by.
    ///
    /// # Errors
    /// When there is none; when a file cannot be removed.
    pub fn abandon(&mut self, fs: &dyn Fs, folder: &Path) -> Result<(), CaError> {
        if self.next.is_none() {
            return Err(CaError::NotChanging);
        }
        // A switch that could not be made sure of may be on the disk.
        save_number(fs, folder, self.number)?;
        destroy(fs, &place(folder, self.number + 1))?;
        self.next = None;
        Ok(())
    }

    /// Signs with the authority that was to come from now on.
    ///
    /// # Errors
    /// When there is none; when that cannot be written down.
    pub fn switch(&mut self, fs: &dyn Fs, folder: &Path) -> Result<(), CaError> {
        let Some(next) = self.next.take() else { return Err(CaError::NotChanging) };
        if let Err(error) = save_number(fs, folder, self.number + 1) {
            self.next = Some(next);
            return Err(error);
        }
        self.number += 1;
        let before = std::mem::replace(&mut self.present, next);
        self.former.insert(0, before.root.certificate);
        Ok(())
    }

    /// Believes former roots no more, and destroys their keys.
    ///
    /// # Errors
    /// When a file cannot be removed: then they are believed until the next try.
    pub fn finish(&mut self, fs: &dyn Fs, folder: &Path) -> Result<(), CaError> {
        if let Some(before) = self.number.checked_sub(1) {
            destroy(fs, &place(folder, before))?;
        }
        remove(fs, &place(folder, self.number).join(FORMER))?;
        self.former.clear();
        Ok(())
    }

    fn check_idle(&self) -> Result<(), CaError> {
        match (&self.next, self.former.is_empty()) {
            (Some(_), _) => Err(CaError::Changing),
            (None, false) => Err(CaError::Unfinished),
            (None, true) => Ok(()),
        }
    }

    fn announce(&mut self, fs: &dyn Fs, folder: &Path, next: Generation) -> Result<(), CaError> {
        let place = place(folder, self.number + 1);
        // A crash in an earlier try may have left something.
        destroy(fs, &place)?;
        written(&place, fs.create_dir_all(&place))?;
        save_list(fs, &place.join(FORMER), std::slice::from_ref(&self.present.root.certificate))?;
        next.save(fs, &place)?;
        self.next = Some(next);
        Ok(())
    }
}

/// Removes the files of a generation, what makes it whole first.
fn destroy(fs: &dyn Fs, folder: &Path) -> Result<(), CaError> {
    if !exists(fs, folder)? {
        return Ok(());
    }
    for name in [INTERMEDIATE, ROOT_KEY, ROOT, CHAIN, FORMER] {
        remove(fs, &folder.join(name))?;
        // What a power cut in the writing of it left.
        remove(fs, &folder.join(format!("{name}.new")))?;
    }
    // Gone for good before anything counts on that.
    written(folder, fs.sync_dir(folder))
}

/// The next intermediate as the present root signs it; none where that root's key is away.
fn bridge(
    present: &Generation,
    next: &Generation,
    rng: &dyn Rng,
) -> Result<Option<CertificateDer<'static>>, CaError> {
    let Some(root_key) = &present.root.key else { return Ok(None) };
    let refused = |source| CaError::Certificate { what: "an intermediate once more", source };
    let root = Issuer::from_ca_cert_der(&present.root.certificate, root_key).map_err(refused)?;
    let validity = next.intermediate.validity.within(present.root.validity);
    let params = profile::again(&next.intermediate.certificate, validity, rng)?;
    let signed = params.signed_by(&next.intermediate.key, &root).map_err(refused)?;
    Ok(Some(signed.into()))
}

fn of_organization(
    key: KeyPair,
    chain_pem: &str,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<Generation, CaError> {
    let unusable = |reason: String| CaError::Intermediate { reason };
    // The leaf takes the place of the root, which is not shown.
    let chain = pem::certificates(chain_pem.as_bytes(), MAX_CHAIN_LENGTH)
        .map_err(|error| unusable(error.to_string()))?;
    let (root, below) = chain.split_last().ok_or(CaError::NotRequested)?;
    let (first, rest) = below.split_first().ok_or_else(|| {
        unusable(
            "the certificate that signed it is missing: append the chain up to the root".into(),
        )
    })?;
    let is_ours = X509Certificate::from_der(first)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.public_key_der());
    if !is_ours {
        return Err(CaError::NotRequested);
    }
    let is_constrained = X509Certificate::from_der(first)
        .is_ok_and(|(_, parsed)| !matches!(parsed.name_constraints(), Ok(None)));
    if is_constrained {
        // Machines are reached under names and addresses that nobody can foresee, this one under
        // `localhost` too: what is constrained would be refused here and there.
        return Err(unusable(
            "it is restricted to certain names (name constraints): ask for one that is not".into(),
        ));
    }
    let intermediate = Signer::read(first.clone(), key)
        .ok_or_else(|| unusable("it is no certificate of an authority".into()))?;
    let least = now.plus(LEAST_INTERMEDIATE_LIFE);
    let Validity { not_before, not_after } = intermediate.validity;
    if now < not_before || least > not_after {
        return Err(unusable(format!(
            "it is good from {not_before} to {not_after}: it must be good now, and until {least} \
             at least"
        )));
    }
    let Signer { certificate, validity, organization, .. } = intermediate.clone();
    let anchor = Signer { certificate, validity, organization, key: None };
    let generation = Generation { root: anchor, intermediate, rest: rest.to_vec() };
    check_leads_to(&generation, root, now, rng)?;
    Ok(generation)
}

/// Tries what everybody will do: whether a certificate of the authority leads to the root.
fn check_leads_to(
    generation: &Generation,
    root: &CertificateDer<'static>,
    now: Timestamp,
    rng: &dyn Rng,
) -> Result<(), CaError> {
    let unusable = |reason: String| CaError::Intermediate { reason };
    check_signed_by(Path::new("the chain"), root, root).map_err(|_| {
        unusable("the chain does not end with the organisation's root certificate".into())
    })?;
    let trial = LeafRequest {
        party: Party::Computer(ComputerId::from_uuid(uuid::Uuid::nil())),
        common_name: "trial".into(),
        hosts: LeafNames::none(),
        lifetime: Duration::from_secs(60),
        server_auth: false,
    };
    let issued = sign_leaf(generation, &KeyPair::generate()?, &trial, now, rng)?;
    let chain = pem::certificates(issued.chain_pem.as_bytes(), MAX_CHAIN_LENGTH)
        .map_err(|error| unusable(error.to_string()))?;
    let anchors = TrustAnchors::from_der(root).map_err(|error| unusable(error.to_string()))?;
    anchors.verify_client_chain(&chain, now).map_err(|error| {
        unusable(format!("what it signs does not lead to the root it came with ({error})"))
    })
}
