#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| hcimage_fuzz::journal::run(input));
