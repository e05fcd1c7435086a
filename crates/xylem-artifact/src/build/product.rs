//! The description of a product archive.

use super::component::ComponentBuilder;
use super::{BuildError, XarWriter, documents};
use crate::package::RestartAction;

/// A product archive to be written: several components and a `Distribution`.
#[derive(Clone, Debug)]
pub struct ProductBuilder {
    pub(super) title: String,
    pub(super) identifier: String,
    pub(super) version: String,
    pub(super) minimum_os: Option<String>,
    pub(super) host_architectures: Vec<String>,
    pub(super) restart: RestartAction,
    pub(super) components: Vec<ComponentBuilder>,
}

impl ProductBuilder {
    /// A product without components, for arm64 and x86_64.
    #[must_use]
    pub fn new(
        title: impl Into<String>,
        identifier: impl Into<String>,
        version: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            identifier: identifier.into(),
            version: version.into(),
            minimum_os: None,
            host_architectures: vec!["arm64".to_owned(), "x86_64".to_owned()],
            restart: RestartAction::None,
            components: Vec::new(),
        }
    }

    /// Adds a component; they are installed in this order.
    #[must_use]
    pub fn with(mut self, component: ComponentBuilder) -> Self {
        self.components.push(component);
        self
    }

    /// The lowest macOS version allowed.
    #[must_use]
    pub fn minimum_os(mut self, version: impl Into<String>) -> Self {
        self.minimum_os = Some(version.into());
        self
    }

    /// The architectures that the installer supports natively.
    #[must_use]
    pub fn host_architectures<T: Into<String>>(
        mut self,
        architectures: impl IntoIterator<Item = T>,
    ) -> Self {
        self.host_architectures = architectures.into_iter().map(Into::into).collect();
        self
    }

    /// What has to happen after the installation.
    #[must_use]
    pub fn restart(mut self, restart: RestartAction) -> Self {
        self.restart = restart;
        self
    }

    pub(super) fn add_to(&self, archive: &mut XarWriter) -> Result<(), BuildError> {
        let mut product = self.clone();
        for component in &mut product.components {
            component.measure()?;
        }
        let document = documents::distribution(&product);
        archive
            .add_compressed("Distribution", document.as_bytes())
            .map_err(|source| BuildError::Pack { what: "Distribution".to_owned(), source })?;
        for component in &self.components {
            component.add_to(archive, &format!("{}/", component.folder()))?;
        }
        Ok(())
    }
}
