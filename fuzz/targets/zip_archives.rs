//! libFuzzer's way into [`xylem_fuzz::zip_archives`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| xylem_fuzz::zip_archives(input));
