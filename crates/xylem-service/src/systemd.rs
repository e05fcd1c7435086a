//! Units for systemd (systemd.service(5), systemd.exec(5)).

use std::fmt::Write as _;

use crate::{Role, Service};

/// What no program of ours needs, taken from it.
const HARDENING: &str = "\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
";

/// The unit of a service.
///
/// The agent's is less closed: it installs packages, and so writes everywhere.
pub fn systemd_unit(service: &Service) -> String {
    let mut unit = String::new();
    let mut line = |text: &str| {
        let _ = writeln!(unit, "{text}");
    };
    line("[Unit]");
    line(&format!("Description={}", service.role.description()));
    line("Wants=network-online.target");
    line("After=network-online.target");
    line("");
    line("[Service]");
    line("Type=exec");
    let program = service.program.display().to_string();
    let words: Vec<String> = std::iter::once(&program)
        .chain(&service.arguments)
        .map(|word| quoted(word, &['%', '$']))
        .collect();
    line(&format!("ExecStart={}", words.join(" ")));
    line("Restart=on-failure");
    line("RestartSec=2");
    // Answers in flight are finished first.
    line("TimeoutStopSec=120");
    line("LimitNOFILE=65536");
    if service.role == Role::Agent {
        line("ProtectClock=yes");
        line("RestrictRealtime=yes");
        line("LockPersonality=yes");
    } else {
        line(&format!("User={}", service.user));
        let writes = std::iter::once(&service.data).chain(&service.also_writes);
        let writes: Vec<String> =
            writes.map(|path| quoted(&path.display().to_string(), &['%'])).collect();
        line(&format!("ReadWritePaths={}", writes.join(" ")));
        line(HARDENING.trim_end());
        match service.has_low_port {
            true => {
                line("AmbientCapabilities=CAP_NET_BIND_SERVICE");
                line("CapabilityBoundingSet=CAP_NET_BIND_SERVICE");
            }
            false => {
                line("CapabilityBoundingSet=");
                line("PrivateUsers=yes");
            }
        }
    }
    line("");
    line("[Install]");
    line("WantedBy=multi-user.target");
    unit
}

/// A word of a list: in quotes where it has to be, and doubled what systemd would expand there: `%`
/// anywhere, `$` in command lines (systemd.syntax(7), systemd.service(5)).
fn quoted(word: &str, expanded: &[char]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            c if expanded.contains(&c) => text.extend([c, c]),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(role: Role) -> Service {
        Service {
            role,
            program: "/usr/local/bin/xylem".into(),
            arguments: ["distribution", "run", "--data", "/srv/my $ data"].map(Into::into).into(),
            data: "/srv/my $ data".into(),
            also_writes: Vec::new(),
            user: "xylem".into(),
            has_low_port: false,
        }
    }

    #[test]
    fn words_are_quoted_where_they_have_to_be() {
        let unit = systemd_unit(&service(Role::Distribution));
        let start = "ExecStart=/usr/local/bin/xylem distribution run --data \"/srv/my $$ data\"\n";
        assert!(unit.contains(start), "{unit}");
        assert!(unit.contains("\nReadWritePaths=\"/srv/my $ data\"\n"), "{unit}");
        assert_eq!(quoted("a\"b\\c%d", &['%']), "\"a\\\"b\\\\c%%d\"");
        assert_eq!(quoted("", &[]), "\"\"");
    }

    #[test]
    fn only_who_needs_a_low_port_may_open_one() {
        let mut low = service(Role::Server);
        assert!(systemd_unit(&low).contains("\nCapabilityBoundingSet=\n"));
        low.has_low_port = true;
        let unit = systemd_unit(&low);
        assert!(unit.contains("\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n"), "{unit}");
        assert!(!unit.contains("PrivateUsers"), "in a user namespace the right is worth nothing");
    }

    #[test]
    fn the_agent_installs_packages_and_so_is_not_shut_in() {
        let unit = systemd_unit(&service(Role::Agent));
        assert!(!unit.contains("ProtectSystem") && !unit.contains("User="), "{unit}");
    }
}
