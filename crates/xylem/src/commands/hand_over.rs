//! Moving the root and the principal.

use std::time::Duration;

use xylem_api::tree::{HandOver, HandedOver};

use crate::Failure;
use crate::access::Access;
use crate::cli::{HandOverOptions, PrincipalCommand};
use crate::output::Output;

/// How often it is asked how far the filling is.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// What is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Root,
    Principal,
}

pub(super) async fn make_root(
    asked: &HandOverOptions,
    keep_children: bool,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    hand_over(Role::Root, asked, keep_children, access, output).await
}

pub(super) async fn principal(
    command: PrincipalCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        PrincipalCommand::Show => {
            let principal = access.admin.principal().await?;
            let cloud = access.admin.cloud().await?.point.is_some_and(|point| point.is_principal);
            output.value(&principal, |it| match cloud {
                true => format!(
                    "The cloud is the principal. New files enter at {}, and are in the catalogue \
                     once they are in the cloud.\n",
                    it.name
                ),
                false => format!("New files enter at {}.\n", it.name),
            })
        }
        PrincipalCommand::Set(asked) => {
            hand_over(Role::Principal, &asked, false, access, output).await
        }
    }
}

/// Hands over at once, or, with `--fill`, once the server holds everything. Whoever stops waiting
/// can go on later: what was fetched stays.
async fn hand_over(
    role: Role,
    asked: &HandOverOptions,
    keep_children: bool,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let wish = HandOver { fill: asked.fill, keep_children };
    let mut bar = None;
    loop {
        let told = match role {
            Role::Root => access.admin.make_root(&asked.name, &wish).await?,
            Role::Principal => access.admin.make_principal(&asked.name, &wish).await?,
        };
        if told.done {
            return output.value(&told, |told| done(role, told));
        }
        let server = access.admin.distribution_server(&told.server).await?;
        if server.settings.maintenance {
            return Err(Failure::new(format!(
                "{} is in maintenance, so nothing new comes to it: end that with `xylem ds set {} \
                 maintenance=off`, and ask again",
                told.server, told.server
            )));
        }
        let bar = bar.get_or_insert_with(|| output.bar(&told.server, told.missing_bytes));
        let all = bar.length().unwrap_or(0).max(told.missing_bytes);
        bar.set_length(all);
        bar.set_position(all - told.missing_bytes);
        tokio::time::sleep(ASK_EVERY).await;
    }
}

fn done(role: Role, told: &HandedOver) -> String {
    let HandedOver { server, root_epoch, .. } = told;
    match role {
        Role::Root => format!(
            "{server} is the root now (root epoch {root_epoch}); the former root is its child.\n"
        ),
        Role::Principal => {
            format!("New files enter at {server} from now on (root epoch {root_epoch}).\n")
        }
    }
}
