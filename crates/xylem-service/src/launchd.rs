//! Property lists for launchd (launchd.plist(5)).

use std::fmt::Write as _;

use crate::{Role, Service};

/// The property list of a service.
pub fn launchd_plist(service: &Service) -> String {
    let mut text = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" ",
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n",
        "<plist version=\"1.0\">\n<dict>\n",
    ));
    let mut entry = |key: &str, value: &str| {
        let _ = writeln!(text, "\t<key>{key}</key>\n\t{value}");
    };
    let string = |value: &str| format!("<string>{}</string>", escaped(value));
    entry("Label", &string(service.role.label()));
    let program = service.program.display().to_string();
    let words = std::iter::once(&program).chain(&service.arguments);
    let words: String = words.map(|word| format!("\t\t{}\n", string(word))).collect();
    entry("ProgramArguments", &format!("<array>\n{words}\t</array>"));
    entry("RunAtLoad", "<true/>");
    // Started again after a failure, not after an end that was wanted.
    entry("KeepAlive", "<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>");
    if service.role == Role::Agent {
        entry("ProcessType", &string("Background"));
    } else {
        entry("UserName", &string(&service.user));
        entry("Umask", "<integer>63</integer>");
        let limits =
            "<dict>\n\t\t<key>NumberOfFiles</key>\n\t\t<integer>65536</integer>\n\t</dict>";
        entry("SoftResourceLimits", limits);
        entry("ExitTimeOut", "<integer>120</integer>");
    }
    entry("StandardErrorPath", &string(&format!("/Library/Logs/{}.log", service.role.unit())));
    text.push_str("</dict>\n</plist>\n");
    text
}

/// Text of XML 1.0; control characters, which it cannot say, are left out.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_program_and_arguments_one_by_one() {
        let plist = launchd_plist(&Service {
            role: Role::Agent,
            program: "/usr/local/bin/xylem-agent".into(),
            arguments: ["run", "--data", "/var/db/a & b"].map(Into::into).into(),
            data: "/var/db/a & b".into(),
            also_writes: Vec::new(),
            user: "root".into(),
            has_low_port: false,
        });
        assert!(plist.contains("<string>org.xylem.agent</string>"), "{plist}");
        assert!(plist.contains("\t\t<string>/var/db/a &amp; b</string>\n"), "{plist}");
        assert!(!plist.contains("UserName"), "the agent is root");
        assert_eq!(plist.matches("<key>").count(), 7, "{plist}");
        assert_eq!(plist.matches("<dict>").count(), plist.matches("</dict>").count());
    }
}
