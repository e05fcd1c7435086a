//! What distribution servers hold of all there is: chosen, shown, explained.

use axum::Json;
use axum::extract::State;
use xylem_api::catalogue::File;
use xylem_api::error::ErrorCode;
use xylem_api::selection::{HoldingReason, SelectFiles, SelectionRule, SortFile, WhyHeld};
use xylem_api::tree::DistributionServer;
use xylem_db::{FileSorting, ServerChange};
use xylem_http::ApiJson;
use xylem_model::{FileId, FileKind, FileName};
use xylem_sync::{Holding, Holdings, MAX_RULES, NamePattern, Rule, Selection, Why};

use super::servers::View;
use crate::app::App;
use crate::extract::ApiPath;
use crate::failure::Failure;
use crate::names::Names;
use crate::permission::Caller;
use crate::wish::WishStore as _;

/// Has a distribution server hold what was chosen, and what those below it need.
#[utoipa::path(
    put, path = "/v1/distribution-servers/{name}/selection", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")), request_body = SelectFiles,
    responses((status = 200, description = "The server.", body = DistributionServer))
)]
pub(super) async fn select(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
    ApiJson(asked): ApiJson<SelectFiles>,
) -> Result<Json<DistributionServer>, Failure> {
    let selection = Selection { rules: app.rules(asked.rules).await? };
    app.set_selection(&caller, &name, Some(selection), asked.add).await
}

/// Has a distribution server hold everything.
#[utoipa::path(
    delete, path = "/v1/distribution-servers/{name}/selection", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The server.", body = DistributionServer))
)]
pub(super) async fn select_everything(
    State(app): State<App>,
    caller: Caller,
    ApiPath(name): ApiPath<String>,
) -> Result<Json<DistributionServer>, Failure> {
    app.set_selection(&caller, &name, None, false).await
}

/// Why a distribution server holds a file, or does not.
#[utoipa::path(
    get, path = "/v1/distribution-servers/{name}/why/{file}", tag = "distribution-servers",
    params(("name" = String, Path, description = "Its name."),
        ("file" = String, Path, description = "The file's name.")),
    responses((status = 200, description = "Why, or why not.", body = WhyHeld))
)]
pub(super) async fn why(
    State(app): State<App>,
    ApiPath((name, file)): ApiPath<(String, String)>,
) -> Result<Json<WhyHeld>, Failure> {
    let server = app.database.distribution_server_by_name(&name).await?;
    let live = app.database.file_by_name(&FileName::new(&file)?).await?;
    let (overview, names) = (app.wishes.overview().await?, app.names().await?);
    let holdings = overview.holdings();
    let facts = live.file.facts();
    let holding = holdings.of(server.id);
    let mut reasons = Vec::new();
    for why in holding.map(|it| it.why(server.id, &facts)).unwrap_or_default() {
        let (id, word, rule) = match why {
            Why::Root => (server.id, "root", None),
            Why::Everything(id) => (id, "everything", None),
            Why::Rule(id, number) => (id, "rule", Some(number)),
        };
        let chosen = rule.and_then(|number| nth_rule(&holdings, id, number));
        reasons.push(HoldingReason {
            server: overview.server(id).map(|it| it.name.clone()).unwrap_or_default(),
            reason: word.to_owned(),
            rule: rule.map(|number| number as u64),
            chooses: match chosen {
                Some(rule) => Some(app.rule_wire(&rule, &names).await?),
                None => None,
            },
        });
    }
    let (held, offered) =
        holding.map_or((false, false), |it| (it.holds(&facts), it.offers(&facts)));
    Ok(Json(WhyHeld { server: server.name, file: live.file.name, held, offered, reasons }))
}

/// Sorts a file into another category, another site, or marks it for other sites.
#[utoipa::path(
    patch, path = "/v1/files/{kind}/{name}", tag = "files",
    params(("kind" = String, Path, description = "Its kind."),
        ("name" = String, Path, description = "Its name.")), request_body = SortFile,
    responses((status = 200, description = "The file.", body = File))
)]
pub(super) async fn sort_file(
    State(app): State<App>,
    caller: Caller,
    ApiPath(file): ApiPath<(FileKind, String)>,
    ApiJson(asked): ApiJson<SortFile>,
) -> Result<Json<File>, Failure> {
    let live = app.live_file(&file).await?;
    let category = match asked.category.as_deref() {
        None => None,
        Some("") => Some(None),
        category => Some(app.category_id(category).await?),
    };
    let site = app.site_change(asked.site.as_deref()).await?;
    let marked_sites = match &asked.marked_sites {
        None => None,
        Some(names) => Some(app.site_ids(names).await?),
    };
    let sorting = FileSorting { category, site, marked_sites };
    app.database.sort_file(&live.file.name, &sorting, &caller.actor(), app.now()).await?;
    Ok(Json(app.file_now(app.live_file(&file).await?).await?))
}

fn nth_rule(
    holdings: &Holdings,
    server: xylem_model::DistributionServerId,
    number: usize,
) -> Option<Rule> {
    let own = holdings.of(server).map(Holding::own)?.as_ref()?;
    own.rules.get(number.checked_sub(1)?).cloned()
}

impl App {
    async fn set_selection(
        &self,
        caller: &Caller,
        name: &str,
        selection: Option<Selection>,
        add_rules: bool,
    ) -> Result<Json<DistributionServer>, Failure> {
        let id = self.database.distribution_server_by_name(name).await?.id;
        let selection = Some(selection);
        let change = ServerChange { selection, add_rules, ..ServerChange::default() };
        let (actor, now) = (caller.actor(), self.now());
        let changed = self.database.update_distribution_server(id, &change, &actor, now).await?;
        Ok(Json(View::read(self).await?.wire(self, changed).await?))
    }

    async fn site_ids(&self, names: &[String]) -> Result<Vec<xylem_model::SiteId>, Failure> {
        let mut ids = Vec::new();
        for name in names {
            ids.push(self.database.site_by_name(name).await?.id);
        }
        Ok(ids)
    }

    /// Rules with ids in the place of names.
    pub(super) async fn rules(&self, asked: Vec<SelectionRule>) -> Result<Vec<Rule>, Failure> {
        let mut rules = Vec::with_capacity(asked.len().min(MAX_RULES));
        for rule in asked {
            rules.push(self.rule(rule).await?);
        }
        Ok(rules)
    }

    /// A rule with ids in the place of names: names may change.
    async fn rule(&self, asked: SelectionRule) -> Result<Rule, Failure> {
        let mut rule = Rule { kinds: asked.kinds, ..Rule::default() };
        for name in &asked.files {
            rule.files.push(self.database.file_by_name(&FileName::new(name)?).await?.file.id);
        }
        for name in &asked.categories {
            rule.categories.push(self.database.category_by_name(name).await?.id);
        }
        rule.sites = self.site_ids(&asked.sites).await?;
        for pattern in asked.names {
            let invalid = |error: xylem_sync::SelectionError| {
                Failure::new(ErrorCode::BadRequest, error.to_string())
            };
            rule.names.push(NamePattern::try_from(pattern).map_err(invalid)?);
        }
        Ok(rule)
    }

    /// The name of a file that something refers to, and whether it is gone.
    pub(super) async fn file_name(&self, id: FileId) -> Result<String, Failure> {
        match self.database.file(id).await {
            Ok(file) if file.deleted.is_some() => Ok(format!("{} (deleted)", file.name)),
            Ok(file) => Ok(file.name.to_string()),
            Err(xylem_db::DbError::NotFound { .. }) => Ok(format!("({id}, deleted)")),
            Err(error) => Err(error.into()),
        }
    }

    /// A rule with the names of now.
    async fn rule_wire(&self, rule: &Rule, names: &Names) -> Result<SelectionRule, Failure> {
        let mut files = Vec::new();
        for id in &rule.files {
            files.push(self.file_name(*id).await?);
        }
        Ok(SelectionRule {
            files,
            kinds: rule.kinds.clone(),
            categories: rule.categories.iter().filter_map(|id| names.category(Some(*id))).collect(),
            sites: rule.sites.iter().filter_map(|id| names.site(Some(*id))).collect(),
            names: rule.names.iter().map(ToString::to_string).collect(),
        })
    }

    /// A selection with the names of now.
    pub(super) async fn selection_wire(
        &self,
        selection: &Selection,
        names: &Names,
    ) -> Result<Vec<SelectionRule>, Failure> {
        let mut rules = Vec::with_capacity(selection.rules.len());
        for rule in &selection.rules {
            rules.push(self.rule_wire(rule, names).await?);
        }
        Ok(rules)
    }
}
