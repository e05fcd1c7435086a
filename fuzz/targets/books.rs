//! libFuzzer's way into [`xylem_fuzz::books`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| xylem_fuzz::books(input));
