//! A package as a whole: the `Distribution` and its components, put together.

use std::collections::BTreeSet;

use super::distribution::Distribution;
use super::facts::{ComponentFacts, PackageFacts, PackageKind, RestartAction};
use super::index::folders_of;
use super::{Component, MAX_LISTED_BUNDLES, document, version};
use crate::error::ArtifactError;
use crate::warning::{Warning, WarningCode};
use crate::xar::{Entry, XarArchive};

/// A component package's facts are those of its only component.
pub(super) fn facts_of_component(component: &ComponentFacts) -> PackageFacts {
    PackageFacts {
        kind: PackageKind::Component,
        title: None,
        identifier: Some(component.identifier.clone()),
        version: component.version.clone().or_else(|| application_version([component])),
        minimum_os: component.minimum_os.clone(),
        before_os: None,
        root_volume_only: false,
        customize: None,
        choices: 0,
        license_present: false,
        host_architectures: Vec::new(),
        restart: component.postinstall_action,
        must_close: component.must_close.clone(),
        installed_kbytes: component.install_kbytes,
        javascript_checks: false,
        components: vec![component.clone()],
        signature: None,
        ticket_present: false,
    }
}

/// Reads the `Distribution` and the components that it names.
pub(super) fn open(
    archive: &XarArchive,
    entry: &Entry,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Component>, PackageFacts), ArtifactError> {
    let distribution = Distribution::read(document(archive, entry)?)?;
    let mut components: Vec<Component> = Vec::new();
    let mut folders = BTreeSet::new();
    for reference in &distribution.references {
        let Some(folder) = &reference.folder else {
            warnings.push(Warning::new(
                WarningCode::UnresolvedReference,
                format!("the Distribution mentions {:?} without saying where it is", reference.id),
            ));
            continue;
        };
        if folders.insert(folder.as_str()) {
            let mut component = Component::read(archive, Some(folder), warnings)?;
            let own = component.facts.install_location.as_deref().unwrap_or_default();
            component.is_sent_elsewhere =
                reference.custom_locations.iter().any(|other| !is_same_place(own, other));
            if component.facts.install_kbytes == 0 {
                component.facts.install_kbytes = reference.install_kbytes;
            }
            components.push(component);
        }
    }
    if components.is_empty() {
        return Err(ArtifactError::NoComponent);
    }
    warn_of_unnamed_components(archive, &folders, warnings);
    if distribution.javascript {
        warnings.push(Warning::new(
            WarningCode::JavascriptChecks,
            "the package checks the Mac with JavaScript of its own; such checks run only when it \
             is installed, so it may still refuse to install",
        ));
    }
    let facts = facts_of_product(distribution, &components);
    Ok((components, facts))
}

/// Whether two paths from the top of a volume lead through the same folders.
fn is_same_place(one: &str, other: &str) -> bool {
    folders_of(one).eq(folders_of(other))
}

fn facts_of_product(distribution: Distribution, components: &[Component]) -> PackageFacts {
    let parts: Vec<ComponentFacts> =
        components.iter().map(|component| component.facts.clone()).collect();
    let restarts = parts.iter().map(|part| part.postinstall_action);
    let mut must_close: BTreeSet<String> = distribution.must_close.into_iter().collect();
    must_close.extend(parts.iter().flat_map(|part| part.must_close.iter().cloned()));
    let highest_version = || {
        let versions = parts.iter().filter_map(|part| part.version.as_deref());
        versions.max_by(|a, b| version::compare(a, b)).map(str::to_owned)
    };
    let only_identifier = || match parts.as_slice() {
        [part] => Some(part.identifier.clone()),
        _ => None,
    };
    PackageFacts {
        kind: PackageKind::Product,
        title: distribution.title,
        identifier: distribution.product_id.or_else(only_identifier),
        version: distribution
            .product_version
            .or_else(highest_version)
            .or_else(|| application_version(&parts)),
        minimum_os: distribution.os_versions.minimum(),
        before_os: distribution.os_versions.before(),
        root_volume_only: distribution.root_volume_only,
        customize: distribution.customize,
        choices: distribution.choices,
        license_present: distribution.license_present,
        host_architectures: distribution.host_architectures,
        restart: restarts.fold(distribution.restart, RestartAction::max),
        must_close: must_close.into_iter().collect(),
        installed_kbytes: parts
            .iter()
            .fold(0, |total: u64, part| total.saturating_add(part.install_kbytes)),
        javascript_checks: distribution.javascript,
        components: parts,
        signature: None,
        ticket_present: false,
    }
}

/// The version of the first application that says one.
fn application_version<'a>(
    components: impl IntoIterator<Item = &'a ComponentFacts>,
) -> Option<String> {
    components
        .into_iter()
        .flat_map(|component| &component.bundles)
        .filter(|bundle| bundle.path.as_deref().is_some_and(|path| path.ends_with(".app")))
        .find_map(|bundle| bundle.short_version.clone())
}

/// Keeps the list of bundles within its limit.
pub(super) fn cut_bundles(components: &mut [ComponentFacts]) {
    let mut left = MAX_LISTED_BUNDLES;
    for component in components {
        component.bundles.truncate(left);
        left -= component.bundles.len();
    }
}

/// Component packages at the top of the archive that the `Distribution` never installs.
fn warn_of_unnamed_components(
    archive: &XarArchive,
    named: &BTreeSet<&str>,
    warnings: &mut Vec<Warning>,
) {
    let unnamed = archive.top_level().filter(|folder| {
        archive.child(Some(folder), "PackageInfo").is_some() && !named.contains(folder.name())
    });
    let count = unnamed.count();
    if count > 0 {
        warnings.push(Warning::new(
            WarningCode::UnnamedComponent,
            format!(
                "{count} component package(s) in the file are never installed, because the \
                 Distribution does not name them"
            ),
        ));
    }
}
