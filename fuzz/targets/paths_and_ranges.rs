//! libFuzzer's way into [`xylem_fuzz::paths_and_ranges`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| xylem_fuzz::paths_and_ranges(input));
