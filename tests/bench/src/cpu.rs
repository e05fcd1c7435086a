//! Seconds of processors that processes have used.

use std::collections::HashMap;
use std::fs;

/// The unit of times in `/proc/PID/stat`: a hundredth of a second on every Linux (proc(5),
/// `USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// Its own time, and that of its children that ended and were waited for.
    ticks: u64,
}

/// Seconds that these processes and all below them have used so far, those that ended included.
pub fn seconds_of(roots: &[u32]) -> f64 {
    sum(&processes(), roots) as f64 / TICKS_PER_SECOND
}

fn processes() -> HashMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| {
            // A process that has just ended has no file any more.
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, parse(&text)?))
        })
        .collect()
}

/// A line such as `12 (some name) S 1 …`; the name may hold anything, brackets too.
fn parse(line: &str) -> Option<Process> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let parent = fields.get(1)?.parse().ok()?;
    // utime, stime, cutime, cstime: fields 14 to 17 of proc(5), of which two are cut off here.
    let times = fields.get(11..15)?;
    let ticks = times.iter().filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Some(Process { parent, ticks })
}

fn sum(processes: &HashMap<u32, Process>, roots: &[u32]) -> u64 {
    let belongs = |pid: u32| {
        let mut at = pid;
        loop {
            if roots.contains(&at) {
                return true;
            }
            match processes.get(&at) {
                // Number 0 is nobody; a number that is reused could make a circle of one.
                Some(process) if process.parent != 0 && process.parent != at => at = process.parent,
                _ => return false,
            }
        }
    };
    processes.iter().filter(|(pid, _)| belongs(**pid)).map(|(_, process)| process.ticks).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let line = "12 (a) b) S 7 12 12 0 -1 4194560 1 0 0 0 100 20 3 4 20 0 1 0 5 6 7";
        assert_eq!(parse(line), Some(Process { parent: 7, ticks: 127 }));
        assert_eq!(parse("12 (a) S 7"), None);
    }

    #[test]
    fn a_process_counts_with_all_below_it_and_nobody_else() {
        let one = |parent, ticks| Process { parent, ticks };
        let all =
            HashMap::from([(1, one(0, 1)), (5, one(1, 10)), (6, one(5, 100)), (7, one(1, 9))]);
        assert_eq!(sum(&all, &[5]), 110);
        assert_eq!(sum(&all, &[6, 7]), 109);
    }

    #[test]
    fn this_very_process_uses_time() {
        let me = std::process::id();
        let begun = seconds_of(&[me]);
        let mut hash = blake3::Hasher::new();
        // A second or so of work at most, however fast the processor.
        for _ in 0..1 << 14 {
            hash.update(&[0; 1 << 16]);
        }
        assert!(seconds_of(&[me]) > begun);
    }
}
