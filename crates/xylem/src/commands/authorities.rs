//! The certificate authorities.

use std::fmt::Write as _;
use std::path::Path;

use xylem_api::authorities::{AuthorityInfo, AuthorityProgress, AuthorityState, AuthorityStep};

use super::certificates::text as pem;
use crate::Failure;
use crate::access::{Access, refresh_login};
use crate::cli::CaCommand;
use crate::output::Output;

pub(super) async fn run(
    command: CaCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let state = match command {
        CaCommand::Show => access.admin.authorities().await?,
        CaCommand::Rotate => access.admin.rotate_authority().await?,
        CaCommand::Request { output: to } => return request(to.as_deref(), access, output).await,
        CaCommand::Install { chain } => access.admin.install_intermediate(&pem(&chain)?).await?,
        CaCommand::Abandon => access.admin.abandon_authority().await?,
        CaCommand::Switch(asked) => access.admin.switch_authority(asked.despite_missing).await?,
        CaCommand::Finish(asked) => access.admin.finish_authority(asked.despite_missing).await?,
    };
    // This machine is to go on believing the server, too.
    refresh_login(access.admin.server(), &access.admin.ca().await?.root_pem)?;
    output.value(&state, text)
}

async fn request(to: Option<&Path>, access: &Access, output: &Output) -> Result<(), Failure> {
    let request = access.admin.request_intermediate().await?;
    let Some(file) = to else { return output.value(&request, |it| it.csr_pem.clone()) };
    std::fs::write(file, &request.csr_pem)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))?;
    output.say(&format!(
        "{} is for your own authority to sign, as one that signs certificates of servers and \
         clients (path length 0). Then `xylem ca install` the result.",
        file.display()
    ))
}

fn text(state: &AuthorityState) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10} {value}");
    };
    line("signs", &authority(&state.present));
    if let Some(next) = &state.next {
        line("next", &authority(next));
    }
    for former in &state.former {
        line("former", former);
    }
    match state.step {
        AuthorityStep::Steady => {}
        AuthorityStep::Announced => {
            line(
                "step",
                if next_is_bridged(state) {
                    "the next one is made known; it signs once all distribution servers believe it"
                } else {
                    "the next one is made known; it signs once all servers and computers believe it"
                },
            );
            line("believed", &progress(state));
        }
        AuthorityStep::Switched => {
            line(
                "step",
                "the new one signs; the former is believed until its certificates are replaced",
            );
            line("replaced", &progress(state));
        }
    }
    for missing in [&state.servers, &state.computers] {
        if !missing.missing.is_empty() && state.step != AuthorityStep::Steady {
            line("missing", &missing.missing.join(", "));
        }
    }
    text
}

fn next_is_bridged(state: &AuthorityState) -> bool {
    state.next.as_ref().is_some_and(|next| next.is_bridged)
}

fn authority(info: &AuthorityInfo) -> String {
    let whose = if info.is_organizations { ", signed by your own root" } else { "" };
    format!("{}, up to {}{whose}", info.fingerprint, info.not_after)
}

fn progress(state: &AuthorityState) -> String {
    let of = |of: &AuthorityProgress| format!("{} of {}", of.followed, of.all);
    format!("{} distribution servers, {} computers", of(&state.servers), of(&state.computers))
}
