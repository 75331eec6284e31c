#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| dondoc_fuzz::configuration(bytes));
