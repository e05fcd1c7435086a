//! WebDAV accounts of distribution servers.

use xylem_api::tree::{Account, AddAccount, NewPassword};

use crate::Failure;
use crate::access::Access;
use crate::cli::AccountCommand;
use crate::output::{Output, facts, table};

pub(crate) async fn run(
    command: AccountCommand,
    access: &Access,
    output: &Output,
) -> Result<(), Failure> {
    let admin = &access.admin;
    match command {
        AccountCommand::Add(asked) => {
            let access = asked.access();
            let new = AddAccount { name: asked.user, access };
            output.value(&admin.add_account(&asked.name, &new).await?, shown_once)
        }
        AccountCommand::List { name } => {
            output.value(&admin.accounts(&name).await?, |accounts| list(accounts))
        }
        AccountCommand::Remove { name, user } => {
            admin.remove_account(&name, &user).await?;
            output.say(&format!("Removed {user}; its passwords on {name} count no more."))
        }
        AccountCommand::Rotate { name, user, finish: true } => {
            admin.drop_previous_password(&name, &user).await?;
            output.say(&format!("Only the newest password of {user} on {name} counts now."))
        }
        AccountCommand::Rotate { name, user, finish: false } => {
            output.value(&admin.renew_password(&name, &user).await?, |new| rotated(&name, new))
        }
    }
}

fn shown_once(new: &NewPassword) -> String {
    let shown = facts(&[
        ("Account", new.account.name.to_string()),
        ("Access", new.account.access.to_string()),
        ("Password", new.password.clone()),
    ]);
    format!("{shown}Keep the password now: it is shown this once and kept nowhere.")
}

fn rotated(server: &str, new: &NewPassword) -> String {
    format!(
        "{}\nThe old password counts until `xylem ds account rotate {server} {} --finish`.",
        shown_once(new),
        new.account.name
    )
}

fn list(accounts: &[Account]) -> String {
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| {
            vec![
                account.name.to_string(),
                account.access.to_string(),
                account.created_at.to_string(),
                account.password_at.to_string(),
                account.passwords.to_string(),
            ]
        })
        .collect();
    table(&["NAME", "ACCESS", "ADDED", "NEWEST PASSWORD", "PASSWORDS"], &rows)
}

#[cfg(test)]
mod tests {
    use xylem_model::{AccountAccess, AccountName, Timestamp};

    use super::*;

    fn account(passwords: u64) -> Account {
        Account {
            name: AccountName::new("casper").unwrap(),
            access: AccountAccess::Read,
            created_at: Timestamp::from_unix_ms(0),
            password_at: Timestamp::from_unix_ms(1_000),
            passwords,
        }
    }

    #[test]
    fn a_password_is_printed_with_the_word_that_it_is_the_only_time() {
        let new = NewPassword { account: account(2), password: "abc-def".to_owned() };
        let text = rotated("north", &new);
        assert!(text.contains("Password:  abc-def\n"), "{text}");
        assert!(text.contains("shown this once"), "{text}");
        assert!(text.contains("`xylem ds account rotate north casper --finish`"), "{text}");
    }

    #[test]
    fn a_list_shows_how_many_passwords_count() {
        let text = list(&[account(2)]);
        assert!(text.lines().last().unwrap().ends_with("  2"), "{text}");
        assert!(text.contains("casper  read"), "{text}");
    }
}
