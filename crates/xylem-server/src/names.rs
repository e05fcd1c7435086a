//! Between the names that people use and the ids that the database keeps.

use std::collections::HashMap;

use xylem_model::{CategoryId, SiteId};

use crate::app::App;
use crate::failure::Failure;

/// The names of all sites and categories.
pub(crate) struct Names {
    sites: HashMap<SiteId, String>,
    categories: HashMap<CategoryId, String>,
}

impl Names {
    pub(crate) fn site(&self, id: Option<SiteId>) -> Option<String> {
        self.sites.get(&id?).cloned()
    }

    pub(crate) fn category(&self, id: Option<CategoryId>) -> Option<String> {
        self.categories.get(&id?).cloned()
    }
}

impl App {
    /// Reads all names at once: a page of files shows a few of them many times.
    pub(crate) async fn names(&self) -> Result<Names, Failure> {
        let sites = self.database.sites().await?.into_iter();
        let categories = self.database.categories().await?.into_iter();
        Ok(Names {
            sites: sites.map(|site| (site.id, site.name)).collect(),
            categories: categories.map(|category| (category.id, category.name)).collect(),
        })
    }

    /// The site of this name, where one is named.
    pub(crate) async fn site_id(&self, name: Option<&str>) -> Result<Option<SiteId>, Failure> {
        match name {
            None => Ok(None),
            Some(name) => Ok(Some(self.database.site_by_name(name).await?.id)),
        }
    }

    /// What a change says of a site: nothing, none (an empty text), or the one of this name.
    pub(crate) async fn site_change(
        &self,
        name: Option<&str>,
    ) -> Result<Option<Option<SiteId>>, Failure> {
        match name {
            None => Ok(None),
            Some("") => Ok(Some(None)),
            name => Ok(Some(self.site_id(name).await?)),
        }
    }

    /// The category of this name, where one is named.
    pub(crate) async fn category_id(
        &self,
        name: Option<&str>,
    ) -> Result<Option<CategoryId>, Failure> {
        match name {
            None => Ok(None),
            Some(name) => Ok(Some(self.database.category_by_name(name).await?.id)),
        }
    }
}
