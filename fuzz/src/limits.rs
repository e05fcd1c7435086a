//! What reading one input may cost.

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The stack of a thread: what a worker of tokio has.
const STACK_BYTES: usize = 2 << 20;

/// What one input may cost.
pub(crate) struct Limits {
    /// Most memory beyond what was in use before.
    memory_bytes: usize,
    /// Most time on a processor.
    time: Duration,
}

/// For a request, of which the largest is a thousandth of that.
pub(crate) const REQUEST: Limits = Limits { memory_bytes: 64 << 20, time: Duration::from_secs(1) };

/// For a file, which may be compressed with a dictionary of 64 MiB.
pub(crate) const FILE: Limits = Limits { memory_bytes: 256 << 20, time: Duration::from_secs(5) };

/// Runs `work` on a thread of its own; panics where it does, or where it costs too much.
pub(crate) fn within_limits(limits: &Limits, work: impl FnOnce() + Send) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, || {
            let begun = Instant::now();
            work();
            let took = begun.elapsed();
            // What a busy machine adds is not ours.
            if took > limits.time {
                let took = processor_time().unwrap_or(took);
                assert!(took <= limits.time, "it took {took:?}");
            }
        });
        assert!(running.is_ok(), "no thread can be started: {:?}", running.err());
    });
    let used = MEMORY.peak_usage().saturating_sub(before);
    assert!(used <= limits.memory_bytes, "it took {used} bytes of memory");
}

/// What this thread has had of a processor since it began.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
