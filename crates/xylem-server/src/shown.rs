//! Which certificate is shown, and what is to be said of how long it lasts.

use std::time::Duration;

use xylem_api::certificates::{CertificateSource, ShownCertificate};
use xylem_client::{built_in, shown_chain};
use xylem_db::DbError;
use xylem_model::Timestamp;
use xylem_pki::Presented;

use crate::app::App;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long before its end a certificate is spoken of, in days; each time more urgently.
pub(crate) const WARN_DAYS: [u64; 3] = [30, 14, 3];

/// What this program shows.
pub(crate) fn of(presented: &Presented) -> ShownCertificate {
    match presented.public() {
        Some(chain) => shown_chain(&chain, CertificateSource::Administrator),
        None => built_in(presented),
    }
}

impl App {
    /// What is to be said of keys that are on two machines, and of certificates that nobody renews by
    /// itself, or that should have been.
    pub(crate) async fn certificate_warnings(&self) -> Result<Vec<String>, DbError> {
        let now = self.now();
        let (intermediate, root, is_organizations) = {
            let authority = self.authority();
            let is_organizations = authority.is_organizations();
            let root = authority.root_not_after();
            (authority.intermediate_not_after(), root, is_organizations)
        };
        let mut said = Vec::new();
        let what = match is_organizations {
            true => "the intermediate certificate of your own root (`xylem ca request`)",
            false => "the authority's intermediate certificate (its root key is away)",
        };
        said.extend(warning(what, intermediate, now));
        if !is_organizations {
            said.extend(warning("the authority's root (`xylem ca rotate`)", root, now));
        }
        if let Some(own) = self.presented.public() {
            let what = "the certificate of the management server (`xylem certificate set`)";
            said.extend(warning(what, own.not_after, now));
        }
        for server in self.database.distribution_servers().await? {
            if let Some(since) = server.set_aside {
                said.push(format!(
                    "{} is set aside since {since}: two machines use its key (`xylem ds reinstate`)",
                    server.name
                ));
            }
            let shown = server.shown_certificate.as_deref().map(serde_json::from_str);
            let Some(Ok(shown)) = shown else { continue };
            let shown: ShownCertificate = shown;
            let what = format!("the certificate of {}", server.name);
            // One that renews itself does so long before: then only the last days matter.
            let is_near = match shown.source {
                CertificateSource::Administrator => true,
                CertificateSource::BuiltIn | CertificateSource::Acme => {
                    shown.not_after < now.plus(DAY * 3)
                }
            };
            said.extend(warning(&what, shown.not_after, now).filter(|_| is_near));
            said.extend(shown.problem.map(|problem| format!("{}: {problem}", server.name)));
        }
        Ok(said)
    }
}

/// What is to be said of a certificate that nobody renews by itself: none while there is time.
pub(crate) fn warning(what: &str, not_after: Timestamp, now: Timestamp) -> Option<String> {
    if now >= not_after {
        return Some(format!("{what} ran out on {not_after}"));
    }
    let days = not_after.since(now).as_secs() / DAY.as_secs();
    let stage = WARN_DAYS.iter().filter(|limit| days < **limit).count();
    let word = match stage {
        0 => return None,
        1 => "runs out",
        2 => "soon runs out",
        _ => "is about to run out",
    };
    Some(format!("{what} {word}, on {not_after} (in {days} days)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_spoken_of_from_thirty_days_before() {
        let now = Timestamp::from_unix_ms(1_790_000_000_000);
        let said = |days: u64| warning("It", now.plus(DAY * u32::try_from(days).unwrap()), now);
        assert_eq!(said(31), None);
        assert_eq!(said(30), None);
        assert!(said(29).unwrap().starts_with("It runs out, on "));
        assert!(said(13).unwrap().contains("soon runs out"));
        assert!(said(2).unwrap().contains("about to run out"));
        assert!(said(2).unwrap().ends_with("(in 2 days)"));
        assert!(said(0).unwrap().contains("ran out"));
    }
}
