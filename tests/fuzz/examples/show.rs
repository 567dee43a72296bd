//! `show INPUT IMAGE`: says what an input of the ext4 targets does, and writes the changed image for other judges.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a tool for whoever looks at a finding")]

use std::env::args;
use std::fs;

fn main() {
    let [_, input, image] = args().collect::<Vec<_>>().try_into().expect("show INPUT IMAGE");
    let (script, bytes) = hcimage_fuzz::ext4::show(&fs::read(input).expect("the input")).expect("a script");
    fs::write(image, bytes).expect("the image");
    println!("{script}");
}
