//! What runs once on a node that was flashed from an image made by hcimage, and the seed both agree on.

pub mod seed;
