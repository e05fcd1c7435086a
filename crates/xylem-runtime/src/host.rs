//! What this machine is called.

/// The name that the system has for itself, as it was set: with a domain or without.
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_that_the_system_shows() {
        let shown = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let name = host_name();
        assert!(name.as_ref().is_none_or(|name| !name.trim().is_empty()));
        if let Ok(shown) = shown {
            assert_eq!(name.unwrap_or_default(), shown.trim());
        }
    }
}
