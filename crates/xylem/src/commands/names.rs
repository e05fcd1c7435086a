//! Sites and categories.

use xylem_client::NamedKind;

use super::setting;
use crate::Failure;
use crate::access::Access;
use crate::cli::CategoryOrSite;
use crate::output::{Output, table};

pub(crate) async fn run(
    command: CategoryOrSite,
    kind: NamedKind,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        CategoryOrSite::List => output.value(&admin.names(kind).await?, |names| {
            table(&["NAME"], &names.iter().map(|it| vec![it.name.clone()]).collect::<Vec<_>>())
        }),
        CategoryOrSite::Add { name } => {
            admin.add_name(kind, &name).await?;
            output.say(&format!("Added {name}."))
        }
        CategoryOrSite::Set { name, setting: text } => {
            let ("name", new) = setting(&text)? else {
                return Err(Failure::configuration("only the name can be set: write name=NEW"));
            };
            admin.rename(kind, &name, new).await?;
            output.say(&format!("{name} is now called {new}."))
        }
        CategoryOrSite::Remove { name } => {
            admin.remove_name(kind, &name).await?;
            output.say(&format!("Removed {name}."))
        }
    }
}
