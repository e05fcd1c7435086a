//! The management server itself: status, invitations, tokens, audit.

use xylem_api::enrollment::{InvitationKind, NewInvitation};
use xylem_api::server::{NewToken, Scope, Token};

use crate::Failure;
use crate::access::Access;
use crate::cli::{AuditOptions, InviteOptions, InviteRole, TokenCommand};
use crate::output::{Output, facts, or_dash, table};

pub(crate) async fn status(access: &Access, output: &Output) -> Result<(), Failure> {
    output.value(&access.admin.status().await?, |status| {
        let restore = if status.restore_unconfirmed {
            "waits for `xylem confirm-restore`; nothing is removed until then"
        } else {
            "none under way"
        };
        let mut rows = vec![
            ("Organization", status.organization.clone()),
            ("Program", status.program_version.clone()),
            ("State", status.stamp.to_string()),
            ("Clock", status.now.to_string()),
            ("Restore", restore.to_owned()),
        ];
        rows.extend(status.warnings.iter().map(|warning| ("Warning", warning.clone())));
        facts(&rows)
    })
}

pub(crate) async fn invite(
    options: InviteOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let new = NewInvitation {
        kind: match options.role {
            InviteRole::Computer => InvitationKind::Computer,
            InviteRole::Distribution => InvitationKind::Distribution,
        },
        site: options.site,
        uses: Some(options.uses),
        expires_in_seconds: Some(options.expires.as_secs()),
    };
    // The bare code on standard output, so that a script can take it.
    output.value(&access.admin.invite(&new).await?, |created| created.code.clone())
}

pub(crate) async fn invitations(access: &Access, output: &Output) -> Result<(), Failure> {
    output.value(&access.admin.invitations().await?, |invitations| {
        let rows: Vec<Vec<String>> = invitations
            .iter()
            .map(|it| {
                let kind = match it.kind {
                    InvitationKind::Computer => "computer",
                    InvitationKind::Distribution => "distribution",
                };
                vec![
                    it.id.to_string(),
                    kind.to_owned(),
                    or_dash(it.site.as_ref()),
                    it.uses_left.to_string(),
                    it.expires_at.to_string(),
                ]
            })
            .collect();
        table(&["ID", "FOR", "SITE", "USES LEFT", "EXPIRES"], &rows)
    })
}

pub(crate) async fn token(
    command: TokenCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        TokenCommand::Create { name, scope, expires } => {
            let scopes = scope.iter().map(|word| parse_scope(word)).collect::<Result<_, _>>()?;
            let expires_in_seconds = expires.map(|span| span.as_secs());
            let new = NewToken { name, scopes, expires_in_seconds };
            output.value(&access.admin.create_token(&new).await?, |made| made.secret.clone())
        }
        TokenCommand::List => output.value(&access.admin.tokens().await?, |tokens| {
            let rows: Vec<Vec<String>> = tokens.iter().map(token_row).collect();
            table(&["ID", "NAME", "SCOPES", "MADE", "EXPIRES"], &rows)
        }),
        TokenCommand::Revoke { id } => {
            access.admin.revoke_token(id).await?;
            output.say("The token counts no more.")
        }
    }
}

pub(crate) async fn audit(
    options: &AuditOptions,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    output.value(&access.admin.audit(options.before).await?, |page| {
        let rows: Vec<Vec<String>> = page
            .items
            .iter()
            .map(|it| {
                vec![
                    it.number.to_string(),
                    it.at.to_string(),
                    it.actor.clone(),
                    it.action.clone(),
                    it.object.clone(),
                ]
            })
            .collect();
        let mut text = table(&["NUMBER", "WHEN", "WHO", "WHAT", "TO WHAT"], &rows);
        if !page.intact {
            text += "\nThe log was tampered with: its hash chain does not agree.\n";
        }
        text
    })
}

fn token_row(token: &Token) -> Vec<String> {
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope_word(*scope)).collect();
    vec![
        token.id.to_string(),
        token.name.clone(),
        scopes.join(", "),
        token.created_at.to_string(),
        or_dash(token.expires_at),
    ]
}

const fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Admin => "admin",
        Scope::Read => "read",
        Scope::Files => "files",
        Scope::Install => "install",
        Scope::Metrics => "metrics",
        Scope::Scripts => "scripts",
    }
}

fn parse_scope(word: &str) -> Result<Scope, Failure> {
    let scope = Scope::ALL.iter().copied().find(|scope| scope_word(*scope) == word);
    scope.ok_or_else(|| {
        let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope_word(*scope)).collect();
        Failure::configuration(format!("`{word}` is no scope: use one of {}", all.join(", ")))
    })
}
