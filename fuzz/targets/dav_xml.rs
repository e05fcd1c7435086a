//! libFuzzer's way into [`xylem_fuzz::dav_xml`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| xylem_fuzz::dav_xml(input));
