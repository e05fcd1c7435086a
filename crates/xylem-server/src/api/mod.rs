//! The routes of the API.
//!
//! One file for each noun, one handler for each call of the clients in `xylem-client`. Handlers
//! are short: they turn words into ids, call the database, and turn records into wire types.
//! Whether a caller may call is decided before, by the permission each route is registered with.

mod accounts;
mod agents;
mod audit;
mod authorities;
mod certificates;
mod cloud;
mod cloud_estimate;
mod cloud_files;
mod cloud_leaving;
mod cloud_principal;
mod comparison;
mod computers;
mod enrollment;
mod events;
mod files;
mod hand_over;
mod index;
mod invitations;
mod manifests;
mod marks;
mod names;
mod orders;
mod pages;
mod placement;
mod records;
mod restore;
mod script_contents;
mod script_history;
mod scripts;
mod selection;
mod servers;
mod status;
mod streaming;
mod tokens;
mod uploads;

use utoipa_axum::routes;
use xylem_api::server::Scope;

use crate::app::App;
use crate::permission::{Permission, Routes};

pub(crate) use enrollment::new_invitation;
pub(crate) use tokens::new_token;

const READ: Permission = Permission::Scopes(&[Scope::Read]);
const FILES: Permission = Permission::Scopes(&[Scope::Files]);
const READ_FILES: Permission = Permission::Scopes(&[Scope::Read, Scope::Files]);
const INSTALL: Permission = Permission::Scopes(&[Scope::Install]);
const READ_ORDERS: Permission = Permission::Scopes(&[Scope::Read, Scope::Install]);
const SCRIPTS: Permission = Permission::Scopes(&[Scope::Scripts]);
const READ_SCRIPTS: Permission = Permission::Scopes(&[Scope::Read, Scope::Scripts]);
/// What files and scripts are sorted into.
const READ_CATEGORIES: Permission =
    Permission::Scopes(&[Scope::Read, Scope::Files, Scope::Scripts]);
const METRICS: Permission = Permission::Scopes(&[Scope::Metrics]);
const ANY_SCOPE: Permission = Permission::Scopes(Scope::ALL);

/// All routes but those of the control link.
pub(crate) fn routes() -> Routes<App> {
    let routes = Routes::new()
        .add(Permission::Public, routes!(pages::index))
        .add(Permission::Public, routes!(pages::openapi))
        .add(Permission::Public, routes!(pages::live))
        .add(Permission::Public, routes!(pages::ready))
        .add(METRICS, routes!(pages::metrics))
        .add(Permission::Public, routes!(enrollment::ca))
        .add(Permission::Public, routes!(enrollment::enroll_distribution_server))
        .add(Permission::Public, routes!(enrollment::enroll_computer))
        .add(Permission::Public, routes!(enrollment::renew))
        .add(ANY_SCOPE, routes!(status::status))
        .add(READ_FILES, routes!(events::events))
        .add(READ_FILES, routes!(status::changes))
        .add(READ, routes!(status::jobs))
        .add(READ, routes!(audit::audit))
        .add(READ, routes!(certificates::own))
        .add(Permission::ADMIN, routes!(certificates::set_own, certificates::forget_own))
        .add(Permission::ADMIN, routes!(certificates::set, certificates::forget))
        .add(Permission::DistributionServer, routes!(certificates::secret))
        .add(READ, routes!(cloud::cloud))
        .add(
            Permission::ADMIN,
            routes!(cloud::set_cloud, cloud::change_cloud, cloud_leaving::remove_cloud),
        )
        .add(Permission::ADMIN, routes!(cloud_leaving::leave_cloud))
        .add(Permission::ADMIN, routes!(cloud::test_cloud))
        .add(READ, routes!(cloud::cloud_policy))
        .add(READ, routes!(cloud_files::cloud_files))
        .add(READ, routes!(cloud_files::cloud_usage))
        .add(READ, routes!(cloud_files::cloud_inventory))
        .add(Permission::ADMIN, routes!(cloud_files::ask_cloud_inventory))
        .add(READ, routes!(cloud_estimate::cloud_estimate, cloud_estimate::ask_cloud_estimate))
        .add(
            Permission::ADMIN,
            routes!(cloud_files::select_for_cloud, cloud_files::select_everything_for_cloud),
        )
        .add(Permission::ADMIN, routes!(cloud_files::pause_cloud))
        .add(Permission::ADMIN, routes!(cloud_files::resume_cloud))
        .add(Permission::ADMIN, routes!(cloud_files::set_cloud_ceiling))
        .add(Permission::ADMIN, routes!(cloud_principal::make_cloud_principal))
        .add(READ, routes!(authorities::authority_state))
        .add(Permission::ADMIN, routes!(authorities::rotate))
        .add(Permission::ADMIN, routes!(authorities::request))
        .add(Permission::ADMIN, routes!(authorities::install))
        .add(Permission::ADMIN, routes!(authorities::abandon))
        .add(Permission::ADMIN, routes!(authorities::switch))
        .add(Permission::ADMIN, routes!(authorities::finish))
        .add(READ, routes!(restore::restore_state))
        .add(Permission::ADMIN, routes!(restore::confirm_restore));
    administration(scripts(files(machines(routes))))
}

fn administration(routes: Routes<App>) -> Routes<App> {
    routes
        .add(READ_FILES, routes!(names::sites))
        .add(Permission::ADMIN, routes!(names::add_site))
        .add(Permission::ADMIN, routes!(names::rename_site, names::remove_site))
        .add(READ_CATEGORIES, routes!(names::categories))
        .add(Permission::ADMIN, routes!(names::add_category))
        .add(Permission::ADMIN, routes!(names::rename_category, names::remove_category))
        .add(Permission::ADMIN, routes!(invitations::invitations, invitations::invite))
        .add(Permission::ADMIN, routes!(invitations::revoke_invitation))
        .add(Permission::ADMIN, routes!(tokens::tokens, tokens::create_token))
        .add(Permission::ADMIN, routes!(tokens::revoke_token))
}

fn files(routes: Routes<App>) -> Routes<App> {
    routes
        .add(FILES, routes!(uploads::uploads, uploads::declare_upload))
        .add(FILES, routes!(uploads::upload, uploads::cancel_upload))
        .add(FILES, routes!(streaming::upload_content))
        .add(FILES, routes!(streaming::complete_upload))
        .add(READ_FILES, routes!(files::files))
        .add(READ_FILES, routes!(files::file))
        .add(FILES, routes!(files::delete_file, selection::sort_file))
        .add(FILES, routes!(files::restore_file))
        .add(FILES, routes!(marks::promote))
        .add(FILES, routes!(marks::roll_back))
        .add(READ_FILES, routes!(files::digests))
        .add(READ_FILES, routes!(index::file_index))
        .add(READ_FILES, routes!(comparison::comparison))
        .add(FILES, routes!(manifests::make))
        .add(Permission::Public, routes!(manifests::fetch))
        .add(READ_FILES, routes!(files::placement))
        .add(READ_FILES, routes!(files::sources))
        .add(READ_FILES, routes!(records::record))
        .add(FILES, routes!(records::change_record))
        .add(FILES, routes!(records::restore_record))
        .add(READ_FILES, routes!(records::revisions))
        .add(READ_FILES, routes!(records::revision))
        .add(READ_FILES, routes!(records::record_diff))
}

fn scripts(routes: Routes<App>) -> Routes<App> {
    routes
        .add(READ_SCRIPTS, routes!(scripts::scripts))
        .add(SCRIPTS, routes!(scripts::add_script))
        .add(READ_SCRIPTS, routes!(scripts::script))
        .add(SCRIPTS, routes!(scripts::change_script, scripts::delete_script))
        .add(SCRIPTS, routes!(scripts::undelete_script))
        .add(READ_SCRIPTS, routes!(script_history::contents))
        .add(SCRIPTS, routes!(script_contents::set_contents))
        .add(SCRIPTS, routes!(script_contents::edit))
        .add(SCRIPTS, routes!(script_contents::restore_version))
        .add(READ_SCRIPTS, routes!(script_history::versions))
        .add(READ_SCRIPTS, routes!(script_history::version))
        .add(READ_SCRIPTS, routes!(script_history::script_diff))
        .add(READ_SCRIPTS, routes!(scripts::settings))
        .add(Permission::ADMIN, routes!(scripts::change_settings))
}

fn machines(routes: Routes<App>) -> Routes<App> {
    routes
        .add(READ_FILES, routes!(servers::distribution_servers))
        .add(READ_FILES, routes!(servers::distribution_server))
        .add(
            Permission::ADMIN,
            routes!(servers::change_distribution_server, servers::remove_distribution_server),
        )
        .add(Permission::ADMIN, routes!(servers::set_parent))
        .add(Permission::ADMIN, routes!(servers::move_children))
        .add(Permission::ADMIN, routes!(selection::select, selection::select_everything))
        .add(READ_FILES, routes!(selection::why))
        .add(Permission::ADMIN, routes!(hand_over::make_root))
        .add(Permission::ADMIN, routes!(hand_over::make_principal))
        .add(READ_FILES, routes!(hand_over::principal))
        .add(Permission::ADMIN, routes!(servers::scrub))
        .add(Permission::ADMIN, routes!(servers::reinstate))
        .add(READ, routes!(accounts::accounts))
        .add(Permission::ADMIN, routes!(accounts::add_account))
        .add(Permission::ADMIN, routes!(accounts::remove_account))
        .add(Permission::ADMIN, routes!(accounts::renew_password, accounts::drop_previous_password))
        .add(READ_ORDERS, routes!(computers::computers))
        .add(READ_ORDERS, routes!(computers::computer))
        .add(Permission::ADMIN, routes!(computers::remove_computer))
        .add(INSTALL, routes!(orders::order))
        .add(READ_ORDERS, routes!(orders::orders))
        .add(READ_ORDERS, routes!(orders::order_info))
        .add(Permission::Computer, routes!(agents::check_in))
        .add(Permission::Computer, routes!(agents::report_order))
        .add(Permission::Computer, routes!(agents::package_sources))
}
