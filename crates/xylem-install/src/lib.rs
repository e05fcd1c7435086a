//! Puts a verified package onto a target root.
//!
//! Whoever calls an [`Installer`] has already checked that the open file in the
//! [`InstallRequest`] is, byte for byte, what the management server published, and has decided
//! that its signature may be trusted. From there on:
//!
//! - [`RootInstaller`] installs into any folder or mounted volume on any Unix, without Apple's
//!   tools: all or nothing, never outside the target, never through a link that the package brings.
//! - [`MacInstaller`] has `/usr/sbin/installer` do it, which alone knows Gatekeeper, choices,
//!   scripts and relocation.
//!
//! Both answer with an [`InstallReport`], or an [`InstallError`] whose
//! [`result_word`](InstallError::result_word) is the word that agents report.
//!
//! Deliberately not here: fetching, digests and trust decisions; disk images; running package
//! scripts outside macOS.

mod attributes;
mod demands;
mod error;
mod mac;
mod plist;
mod report;
mod request;
mod root;
#[cfg(test)]
mod testing;
mod transcript;
mod tree;

pub use error::InstallError;
pub use mac::{DEFAULT_TIME_LIMIT, MacInstaller};
pub use report::{ComponentReport, InstallReport, InstallResult, ReceiptChange};
pub use request::{HostFacts, InstallRequest, Installer};
pub use root::{RESERVE_BYTES, RootInstaller};
