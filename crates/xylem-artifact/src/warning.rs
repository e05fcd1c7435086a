//! What is allowed, but should be known.

use serde::{Deserialize, Serialize};

/// Something that an administrator should know about an accepted file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Warning {
    /// The stable machine word.
    pub code: WarningCode,
    /// A sentence for people.
    pub message: String,
}

impl Warning {
    pub(crate) fn new(code: WarningCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// The stable machine word of a warning.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WarningCode {
    /// A bundle package (a folder), which not every way of installing can use.
    BundlePackage,
    /// Names that a Mac's file system takes for one and the same.
    CollidingNames,
    /// Parts of a book are encrypted, or the book is restricted.
    EncryptedParts,
    /// A volume of the image is encrypted, so nobody could look into it.
    EncryptedVolume,
    /// The file system of an image could not be read, or not all of what is wanted of it.
    FileSystemUnread,
    /// The image holds home folders.
    HomeFolders,
    /// The image holds an application or package to be installed by hand.
    InstalledByHand,
    /// The `Distribution` runs JavaScript.
    JavascriptChecks,
    /// The image shows a licence agreement before it is opened.
    LicenseAgreement,
    /// A script is declared, but the component does not have it.
    MissingScripts,
    /// An app that only Apple, or only certain devices, may distribute or run.
    NotInHouse,
    /// A book whose parts are not in the order that its format asks for.
    OutOfOrder,
    /// Parts of the file were not compared with their checksums.
    PartlyChecked,
    /// A component may be installed where an older copy is.
    Relocatable,
    /// The signature does not fit the content, or cannot be read.
    SignatureMismatch,
    /// Parts are compressed in a way unknown here.
    UnknownCompression,
    /// The payload has a form unknown here.
    UnknownPayload,
    /// The scripts of a component could not be looked into.
    UnlistedScripts,
    /// A component is in the file, but never installed.
    UnnamedComponent,
    /// Parts of the file carry no checksum.
    Unprotected,
    /// What the file says about itself could not be read.
    UnreadFacts,
    /// The `Distribution` mentions a package without saying where it is.
    UnresolvedReference,
    /// The signer's certificate does not lead to Apple.
    UntrustedSigner,
    /// An app without a provisioning profile.
    WithoutProfile,
    /// A component has no version.
    WithoutVersion,
}
