//! Figures that the system tells in KiB.

/// The figure of a name in the text of `/proc/meminfo` or `/proc/PID/status` (proc(5)), in KiB.
/// `None` where there is none of that name.
#[must_use]
pub fn kib(text: &str, name: &str) -> Option<u64> {
    let figure = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    figure.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_that_of_its_whole_name() {
        let text = "MemTotal:       24683520 kB\nMemFree:             512 kB\nThreads:\t2\n";
        assert_eq!(kib(text, "MemFree"), Some(512));
        for name in ["Mem", "SwapFree", "Threads"] {
            assert_eq!(kib(text, name), None, "{name}");
        }
    }
}
