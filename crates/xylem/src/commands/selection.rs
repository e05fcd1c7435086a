//! What distribution servers hold, as it is written and shown.

use xylem_api::selection::{HoldingReason, SelectFiles, SelectionRule, SortFile, WhyHeld};
use xylem_api::tree::DistributionServer;
use xylem_model::{FileKind, UnknownWord};

use super::{set_twice, setting};
use crate::Failure;
use crate::access::Access;
use crate::cli::SelectOptions;

/// Changes what a server holds.
pub(super) async fn select(
    asked: &SelectOptions,
    access: &Access,
) -> Result<DistributionServer, Failure> {
    let admin = &access.admin;
    if asked.everything {
        return Ok(admin.select_everything(&asked.name).await?);
    }
    let rules = rules(&asked.rules)?;
    Ok(admin.select_files(&asked.name, &SelectFiles { rules, add: asked.add }).await?)
}

/// Rules as they are written.
pub(super) fn rules(texts: &[String]) -> Result<Vec<SelectionRule>, Failure> {
    texts.iter().map(|text| rule(text)).collect()
}

/// A rule as it is written: `kind=package; site=Lisbon; name=Office*`.
fn rule(text: &str) -> Result<SelectionRule, Failure> {
    let mut rule = SelectionRule::default();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = setting(part)?;
        let (key, value) = (key.trim(), value.trim().to_owned());
        match key {
            "file" => rule.files.push(value),
            "kind" => {
                let kind: Result<FileKind, UnknownWord> = value.parse();
                rule.kinds.push(kind.map_err(|error| Failure::configuration(error.to_string()))?);
            }
            "category" => rule.categories.push(value),
            "site" => rule.sites.push(value),
            "name" => rule.names.push(value),
            _ => {
                return Err(Failure::configuration(format!(
                    "`{key}` is no part of a rule: use file, kind, category, site or name"
                )));
            }
        }
    }
    match rule == SelectionRule::default() {
        true => Err(Failure::configuration(
            "an empty rule would choose every file: write one such as site=Lisbon, or use \
             --everything",
        )),
        false => Ok(rule),
    }
}

/// A rule, as it is written.
pub(super) fn rule_text(rule: &SelectionRule) -> String {
    let kinds: Vec<String> = rule.kinds.iter().map(ToString::to_string).collect();
    let parts = [
        ("file", &rule.files),
        ("kind", &kinds),
        ("category", &rule.categories),
        ("site", &rule.sites),
        ("name", &rule.names),
    ];
    let parts = parts
        .into_iter()
        .flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}")));
    parts.collect::<Vec<_>>().join("; ")
}

/// What a server holds, for `ds show`: a row for each rule.
pub(super) fn shown(server: &DistributionServer) -> Vec<(&'static str, String)> {
    if server.filling {
        let text = "everything, to become root or principal (ds select calls that off)";
        return vec![("Holds", text.to_owned())];
    }
    match &server.selection {
        None => vec![("Holds", "everything".to_owned())],
        Some(rules) if rules.is_empty() => {
            vec![("Holds", "what the servers below it need".to_owned())]
        }
        Some(rules) => {
            let numbered = rules.iter().enumerate();
            numbered
                .map(|(at, rule)| ("Holds", format!("{}. {}", at + 1, rule_text(rule))))
                .collect()
        }
    }
}

/// Why a server holds a file.
pub(super) fn why(why: &WhyHeld) -> String {
    let WhyHeld { server, file, held, offered, reasons } = why;
    if !held {
        return format!(
            "{server} does not hold {file}: no rule of it chooses that, nor one of a server below \
             it.\n"
        );
    }
    let mut text = format!("{server} holds {file}");
    text += if *offered { ":\n" } else { ", for servers below it; its clients do not get it:\n" };
    for reason in reasons {
        text += &format!("  {}\n", reason_text(reason, server));
    }
    text
}

fn reason_text(reason: &HoldingReason, server: &str) -> String {
    let who = if reason.server == server { "it" } else { &reason.server };
    match (reason.reason.as_str(), reason.rule) {
        ("root", _) => "it is the root, which holds everything".to_owned(),
        ("rule", Some(number)) => {
            let chooses = reason.chooses.as_ref().map(rule_text).unwrap_or_default();
            let whose = if reason.server == server { "its" } else { &format!("{who}\u{2019}s") };
            format!("{whose} rule {number} chooses it: {chooses}")
        }
        _ => format!("{who} replicates everything"),
    }
}

/// What `KEY=VALUE` says of a file.
pub(super) fn sorting(settings: &[String]) -> Result<SortFile, Failure> {
    let mut change = SortFile::default();
    for text in settings {
        let (key, value) = setting(text)?;
        let is_second = match key {
            "category" => change.category.replace(value.to_owned()).is_some(),
            "site" => change.site.replace(value.to_owned()).is_some(),
            "for-sites" => {
                let names = value.split(',').map(|name| name.trim().to_owned());
                let names = names.filter(|name| !name.is_empty()).collect();
                change.marked_sites.replace(names).is_some()
            }
            _ => {
                return Err(Failure::configuration(format!(
                    "`{key}` cannot be set for a file: use category, site or for-sites, or what is \
                     said of it (`--help` lists that), in a call of its own"
                )));
            }
        };
        if is_second {
            return Err(set_twice(key));
        }
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        rule(text).unwrap_err().into_error().to_string()
    }

    #[test]
    fn a_rule_is_shown_as_it_is_written() {
        let text = "file=A.pkg; kind=package; kind=app; category=Fonts; site=Lisbon; name=Office*";
        let read = rule(text).unwrap();
        assert_eq!(read.kinds, [FileKind::Package, FileKind::App]);
        assert_eq!(rule_text(&read), text);
        assert_eq!(rule(" site = North West ; ").unwrap().sites, ["North West"]);
        assert!(refused("colour=red").contains("category, site or name"));
        assert!(refused("kind=song").contains("package"));
        assert!(refused(" ; ").contains("--everything"));
        assert!(refused("Lisbon").contains("KEY=VALUE"));
    }

    #[test]
    fn every_reason_is_told_in_a_line() {
        let reason = |server: &str, reason: &str, rule: Option<u64>| HoldingReason {
            server: server.to_owned(),
            reason: reason.to_owned(),
            rule,
            chooses: rule.map(|_| SelectionRule { sites: vec!["X".into()], ..Default::default() }),
        };
        let told = why(&WhyHeld {
            server: "north".into(),
            file: xylem_model::FileName::new("A.pkg").unwrap(),
            held: true,
            offered: false,
            reasons: vec![reason("hut", "rule", Some(2)), reason("barn", "everything", None)],
        });
        assert!(told.contains("its clients do not get it"), "{told}");
        assert!(told.contains("hut\u{2019}s rule 2 chooses it: site=X"), "{told}");
        assert!(told.contains("barn replicates everything"), "{told}");
    }

    #[test]
    fn what_a_file_is_sorted_into_is_written_by_name() {
        let change = sorting(&["category=".into(), "for-sites=North, South".into()]).unwrap();
        assert_eq!((change.category.as_deref(), change.site), (Some(""), None));
        assert_eq!(change.marked_sites, Some(vec!["North".into(), "South".into()]));
        assert!(sorting(&["name=x".into()]).is_err());
        for key in ["category", "site", "for-sites"] {
            let twice = sorting(&[format!("{key}=North"), format!("{key}=")]).unwrap_err();
            assert!(twice.into_error().to_string().contains("set twice"), "{key}");
        }
    }
}
