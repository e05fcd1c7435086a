//! libFuzzer's way into [`xylem_fuzz::packages`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| xylem_fuzz::packages(input));
