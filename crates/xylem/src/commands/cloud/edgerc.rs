//! The file in which Akamai hands out an API client (`.edgerc`, "Create authentication credentials").

use serde_json::{Value, json};

/// The section that is read; lines before any section belong to it too.
const SECTION: &str = "default";

/// The API client in the file's default section, as the point's keys have it.
///
/// # Errors
/// Which line lacks. No value is repeated.
pub(super) fn api_client(text: &str) -> Result<Value, String> {
    let client = json!({
        "host": value(text, "host")?.trim_start_matches("https://").trim_end_matches('/'),
        "client_token": value(text, "client_token")?,
        "client_secret": value(text, "client_secret")?,
        "access_token": value(text, "access_token")?,
    });
    Ok(client)
}

fn value<'a>(text: &'a str, name: &str) -> Result<&'a str, String> {
    let mut section = SECTION;
    for line in text.lines().map(str::trim) {
        if let Some(next) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = next.trim();
            continue;
        }
        // A value may have `=` at its end: it is base64.
        match line.split_once('=') {
            Some((key, value)) if section == SECTION && key.trim() == name => {
                return Ok(value.trim());
            }
            _ => {}
        }
    }
    Err(format!("it has no line `{name} = …` in the section [{SECTION}]: download it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_section_is_read() {
        let lines = "client_secret = s+/=\nhost = https://akab-h.luna.akamaiapis.net/\n\
                     access_token=akab-a\nclient_token = akab-c\n";
        let expected = json!({
            "host": "akab-h.luna.akamaiapis.net",
            "client_token": "akab-c",
            "client_secret": "s+/=",
            "access_token": "akab-a",
        });
        let with_sections = format!("[other]\nhost = x\n\n[default]\r\n; purging\n{lines}[last]\n");
        for text in [lines, &with_sections] {
            assert_eq!(api_client(text), Ok(expected.clone()), "{text}");
        }
    }

    #[test]
    fn what_lacks_is_named_and_nothing_is_repeated() {
        let told = api_client("[default]\nhost = h\nclient_token = planted\n").unwrap_err();
        assert!(told.contains("client_secret") && !told.contains("planted"), "{told}");
        assert!(api_client("[other]\nhost = h\n").unwrap_err().contains("host"));
    }
}
