//! [`RootInstaller`]: installs into a folder or mounted volume on any Unix.
//!
//! The order of an installation, and what each part guarantees:
//!
//! 1. [`recover`] undoes or sweeps what a killed run left, under the lock of the target root.
//! 2. The package is opened and every checksum of its container compared; demands, identifiers,
//!    install locations and free space are checked. Nothing has been written yet.
//! 3. [`expand`] writes each component's payload into a private staging directory, within its
//!    budget; [`merge`] lays them over each other. The target proper is still untouched.
//! 4. [`plan`] compares the staged tree with the target, refuses what cannot work, and writes down
//!    every rename.
//! 5. [`commit`] does them. A failure undoes those done; a kill is undone by the next run's step 1.
//!
//! # Links
//! A payload never gets to write through a symbolic link that the package brings: such a package is
//! refused. A link that is in the target already, where the payload has a directory (`tmp` leading
//! to `private/tmp`), is followed as the installed system would follow it, provided that it stays
//! below the target root and leads to a directory; otherwise the package is refused. Where the
//! payload has a file or link, a link of the target is replaced, never followed.
//!
//! # What differs from a Mac
//! Package scripts are not run but reported. Every component is installed, whatever choices the
//! Distribution offers, and its JavaScript is not run. Existing directories keep their owner and
//! permissions; whoever is not root cannot replace files in those that deny it. AppleDouble files
//! (`._name`) stay files. Nothing is relocated.

mod commit;
mod directories;
mod expand;
mod merge;
mod plan;
mod receipts;
mod recover;
mod scripts;
mod space;
mod staging;
#[cfg(test)]
mod tests;

use std::io;

use rustix::process::geteuid;
use xylem_artifact::package::{Component, FlatPackage};
use xylem_artifact::payload::{Budget, MemberPath, PayloadReader};

use self::commit::Commit;
use self::directories::Directories;
use self::expand::Expansion;
use self::plan::Plan;
use self::receipts::ReceiptWriter;
pub use self::space::RESERVE_BYTES;
use self::staging::{LockError, NEW, OLD, Staging};
use crate::attributes::Ownership;
use crate::demands;
use crate::error::InstallError;
use crate::report::{ComponentReport, InstallReport, InstallResult, ReceiptChange};
use crate::request::{InstallRequest, Installer};
use crate::transcript::Transcript;
use crate::tree::Tree;

/// Installs packages into a target root without Apple's tools. See the module's page for what it
/// does and does not do.
#[derive(Debug, Clone)]
pub struct RootInstaller {
    durable: bool,
}

impl RootInstaller {
    /// An installer whose work survives a power cut: what is written is on the disk before the
    /// commit begins, and again before the replaced files are given up.
    pub fn new() -> Self {
        Self { durable: true }
    }

    /// An installer for targets that a power cut may spoil, such as throw-away folders: saves the
    /// wait for the disk. A killed process is recovered from all the same.
    pub fn without_sync() -> Self {
        Self { durable: false }
    }
}

impl Default for RootInstaller {
    fn default() -> Self {
        Self::new()
    }
}

impl Installer for RootInstaller {
    fn install(&self, request: &InstallRequest) -> Result<InstallReport, InstallError> {
        let root = Tree::open(&request.target_root)
            .map_err(InstallError::target::<io::Error>("opening", "."))?;
        staging::lock(&root).map_err(|error| match error {
            LockError::Busy => InstallError::Busy { target: request.target_root.clone() },
            LockError::Failed(source) => InstallError::target("locking", ".")(source),
        })?;
        let warnings = recover::recover(&root)?;
        let mut run = Run::new(request, &root, self.durable)?;
        run.warnings = warnings;
        run.check_package()?;
        run.install()
    }
}

/// One installation.
struct Run<'a> {
    request: &'a InstallRequest,
    root: &'a Tree,
    durable: bool,
    package: FlatPackage,
    ownership: Ownership,
    directories: Directories,
    components: Vec<ComponentReport>,
    warnings: Vec<String>,
    log: Transcript,
}

impl<'a> Run<'a> {
    fn new(
        request: &'a InstallRequest,
        root: &'a Tree,
        durable: bool,
    ) -> Result<Self, InstallError> {
        let file = request
            .package
            .try_clone()
            .map_err(InstallError::target("opening", request.package_name.as_str()))?;
        Ok(Self {
            request,
            root,
            durable,
            package: FlatPackage::open(file).map_err(InstallError::Package)?,
            ownership: ownership(request),
            directories: Directories::default(),
            components: Vec::new(),
            warnings: Vec::new(),
            log: Transcript::default(),
        })
    }

    /// Everything that can be known before anything is written.
    fn check_package(&mut self) -> Result<(), InstallError> {
        let facts = self.package.facts();
        let title = facts.title.as_deref().unwrap_or(self.request.package_name.as_str());
        self.log.say(&format!("Package name is {title}"));
        self.log.say(&format!("Installing at base path {}", self.request.target_root.display()));
        self.log.phase("Preparing for installation…");
        if let Some(host) = &self.request.host {
            self.warnings.extend(demands::check(facts, host)?);
        }
        self.warnings.extend(self.package.warnings().iter().map(|one| one.message.clone()));
        for component in self.package.components() {
            receipts::check_identifier(&component.facts.identifier)?;
            location_of(component)?;
        }
        space::require(self.root, self.declared_bytes())?;
        self.log.phase("Verifying the package…");
        self.package.verify().map_err(InstallError::Package)?;
        Ok(())
    }

    fn install(mut self) -> Result<InstallReport, InstallError> {
        let staging = Staging::create(self.root, self.request.now)?;
        let installed = self.stage(&staging).and_then(|receipts| {
            self.commit(&staging)?;
            Ok(receipts)
        });
        let receipts = match installed {
            Ok(receipts) => receipts,
            Err(error) => {
                // After a failed rollback the staging directory holds the only copies.
                if !matches!(error, InstallError::RollbackFailed { .. })
                    && let Err(error) = staging.remove(self.root)
                {
                    tracing::warn!(%error, "a staging directory is left to the next installation");
                }
                return Err(space::name_shortage(self.root, self.declared_bytes(), error));
            }
        };
        if let Err(error) = staging.remove(self.root) {
            self.warnings.push(format!("{error}; the next installation removes it"));
        }
        self.log.percent(100.0);
        self.log.phase("The software was successfully installed.");
        self.log.say("The install was successful.");
        Ok(InstallReport {
            result: InstallResult::Installed,
            components: self.components,
            receipts,
            restart: self.package.facts().restart,
            warnings: self.warnings,
            log: self.log.into_lines(),
        })
    }

    /// Writes everything that the package brings into the staging directory.
    fn stage(&mut self, staging: &Staging) -> Result<Vec<ReceiptChange>, InstallError> {
        let new = staging.make_dir(NEW)?;
        staging.make_dir(OLD)?;
        let count = self.package.components().len();
        for number in 0..count {
            let tree = staging.make_dir(&number.to_string())?;
            self.expand_component(number, &tree)?;
            merge::overlay(&tree, &new)?;
            // Writing the files is what takes the time: the rest is the last tenth.
            self.log.percent(90.0 * (number + 1) as f64 / count as f64);
        }
        let tree = staging.make_dir("receipts")?;
        let changes = self.write_receipts(&tree)?;
        merge::overlay(&tree, &new)?;
        Ok(changes)
    }

    fn expand_component(&mut self, number: usize, tree: &Tree) -> Result<(), InstallError> {
        let Some(component) = self.package.components().get(number) else { return Ok(()) };
        let facts = &component.facts;
        let bad_payload =
            |source| InstallError::Payload { component: facts.identifier.clone(), source };
        let mut report = ComponentReport {
            identifier: facts.identifier.clone(),
            version: facts.version.clone().unwrap_or_default(),
            ..ComponentReport::default()
        };
        self.log.phase("Writing files…");
        self.log.status(&facts.identifier);
        report.scripts_not_run = match scripts::names(&self.package, component) {
            Ok(names) => names,
            Err(error) => {
                self.warnings.push(format!("the scripts of {}: {error}", facts.identifier));
                facts.script_names.clone()
            }
        };
        if let Some(payload) = &component.payload {
            let reader = self.package.open_entry(payload).map_err(InstallError::Package)?;
            let budget = Budget::for_declared_kbytes(facts.install_kbytes);
            let mut payload = PayloadReader::open(reader, budget).map_err(bad_payload)?;
            let location = location_of(component)?;
            Expansion::new(
                tree,
                location,
                self.ownership,
                &mut self.directories,
                &mut report,
                &mut self.warnings,
            )
            .run(&mut payload)?;
        }
        if !report.scripts_not_run.is_empty() {
            let names = report.scripts_not_run.join(", ");
            self.log.status(&format!("Not running the scripts of {}: {names}", facts.identifier));
        }
        self.components.push(report);
        Ok(())
    }

    fn write_receipts(&mut self, tree: &Tree) -> Result<Vec<ReceiptChange>, InstallError> {
        let mut writer = ReceiptWriter {
            tree,
            directories: &mut self.directories,
            ownership: self.ownership,
            package_name: &self.request.package_name,
            now: self.request.now,
        };
        writer.make_folder()?;
        let mut changes = Vec::new();
        for component in self.package.components() {
            let identifier = component.facts.identifier.clone();
            writer.write(&self.package, component, &location_of(component)?)?;
            changes.push(ReceiptChange {
                before: receipts::installed_version(self.root, &identifier),
                after: Some(component.facts.version.clone().unwrap_or_default()),
                identifier,
            });
        }
        Ok(changes)
    }

    /// Moves what is staged into the target.
    fn commit(&mut self, staging: &Staging) -> Result<(), InstallError> {
        prepare_commit(self.root, staging, &mut self.directories)?;
        self.log.phase("Moving items into place…");
        self.sync()?;
        let mut plan = match staging.plan()? {
            Some(file) => Plan::load(file)?,
            None => return Err(InstallError::refused("its plan has vanished")),
        };
        let commit = Commit::open(self.root, staging)?;
        commit.run(&mut plan)?;
        if let Err(error) = self.sync().and_then(|()| staging.mark_committed()) {
            let count = plan.len();
            commit.undo_first(&mut plan, count)?;
            return Err(error);
        }
        self.log.phase("Finishing the Installation…");
        Ok(())
    }

    fn sync(&self) -> Result<(), InstallError> {
        if self.durable { commit::sync(self.root) } else { Ok(()) }
    }

    fn declared_bytes(&self) -> u64 {
        self.package.facts().installed_kbytes.saturating_mul(1024)
    }
}

/// Writes the plan and gives the staged directories their attributes, as far as they do not stand
/// in the way of moving.
fn prepare_commit(
    root: &Tree,
    staging: &Staging,
    directories: &mut Directories,
) -> Result<(), InstallError> {
    plan::write(root, staging, directories)?;
    let failed = |path| InstallError::target::<io::Error>("setting the attributes of", path);
    let new = staging.tree().subtree(NEW).map_err(failed(NEW))?;
    for (path, attributes) in directories.inside_new_ones() {
        new.dir(path).and_then(|dir| attributes.apply(&dir)).map_err(failed(path))?;
    }
    Ok(())
}

fn ownership(request: &InstallRequest) -> Ownership {
    let as_root = geteuid().is_root();
    let wanted = request.set_owner.unwrap_or(request.target_root.as_os_str() == "/");
    if as_root && wanted { Ownership::AsDeclared } else { Ownership::Installing { as_root } }
}

fn location_of(component: &Component) -> Result<MemberPath, InstallError> {
    let raw = component.facts.install_location.as_deref().unwrap_or("/");
    MemberPath::parse_install_location(raw).map_err(|source| InstallError::Payload {
        component: component.facts.identifier.clone(),
        source,
    })
}
