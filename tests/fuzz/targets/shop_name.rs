//! See `fuzz::shop_name`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::shop_name(data));
