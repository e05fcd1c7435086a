//! What this server's machine is.

use std::net::IpAddr;

use sysinfo::{MemoryRefreshKind, Networks, System};
use xylem_api::inventory::Inventory;
use xylem_model::Timestamp;

/// Most addresses that are told.
const MAX_ADDRESSES: usize = 16;

/// Looks; `disk_bytes` is the size of the file system that content is on.
pub(crate) fn look(disk_bytes: Option<u64>, started: Timestamp, now: Timestamp) -> Inventory {
    let memory = System::new().map(|mut system| {
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.total_memory()
    });
    let known = |number: u64| Some(number).filter(|number| *number > 0);
    Inventory {
        host_name: System::host_name().ok(),
        addresses: addresses(),
        os: System::name().ok(),
        os_version: System::os_version().ok(),
        architecture: Some(System::cpu_arch()).filter(|text| !text.is_empty()),
        cores: std::thread::available_parallelism().ok().map(|cores| cores.get() as u64),
        memory_bytes: memory.ok().and_then(known),
        disk_bytes,
        uptime_seconds: System::uptime().ok().and_then(known),
        started: Some(started),
        clock: Some(now),
        clock_ahead_ms: None,
    }
}

/// The addresses by which others could reach it, sorted.
fn addresses() -> Vec<IpAddr> {
    let Ok(networks) = Networks::new_with_refreshed_list() else { return Vec::new() };
    let all = networks.values().flat_map(|network| network.ip_networks());
    let is_told = |address: &IpAddr| match address {
        IpAddr::V4(it) => !it.is_loopback() && !it.is_link_local(),
        IpAddr::V6(it) => !it.is_loopback() && !it.is_unicast_link_local(),
    };
    let mut told: Vec<IpAddr> = all.map(|network| network.addr).filter(is_told).collect();
    told.sort_unstable();
    told.dedup();
    told.truncate(MAX_ADDRESSES);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let now = Timestamp::from_unix_ms(1_800_000_000_000);
        let found = look(Some(5), now, now);
        assert!(found.host_name.is_some() && found.os.is_some(), "{found:?}");
        assert!(found.memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{found:?}");
        assert!(found.cores.is_some_and(|cores| cores > 0));
        assert!(found.addresses.iter().all(|address| !address.is_loopback()), "{found:?}");
    }
}
