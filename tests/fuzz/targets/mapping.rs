//! See `fuzz::mapped`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mapped(data));
