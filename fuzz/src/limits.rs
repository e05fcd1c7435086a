//! What reading one request may cost.

use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The stack of a thread: what a worker of tokio has.
const STACK_BYTES: usize = 2 << 20;

/// Most memory beyond what was in use before. The largest body is a thousandth of it.
const MEMORY_BYTES: usize = 64 << 20;

/// Most time on a processor.
const TIME: Duration = Duration::from_secs(1);

/// Runs `work` on a thread of its own; panics where it does, or where it costs too much.
pub(crate) fn within_limits(work: impl FnOnce() + Send) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let running = thread.spawn_scoped(scope, || {
            let begun = Instant::now();
            work();
            let took = begun.elapsed();
            // What a busy machine adds is not ours.
            if took > TIME {
                let took = processor_time().unwrap_or(took);
                assert!(took <= TIME, "it took {took:?}");
            }
        });
        assert!(running.is_ok(), "no thread can be started: {:?}", running.err());
    });
    let used = MEMORY.peak_usage().saturating_sub(before);
    assert!(used <= MEMORY_BYTES, "it took {used} bytes of memory");
}

/// What this thread has had of a processor since it began.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
