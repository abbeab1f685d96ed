//! See `fuzz::callback`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::callback(data));
