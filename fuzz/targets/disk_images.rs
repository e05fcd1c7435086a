//! libFuzzer's way into [`xylem_fuzz::disk_images`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| xylem_fuzz::disk_images(input));
