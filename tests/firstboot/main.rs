//! The first boot against a machine that is made of memory and loses its power at any step.

mod clock;
mod disk;
mod failures;
mod interrupted;
mod machine;
mod normal;
mod programs;
mod scenario;
mod seed;
mod sntp;
mod state;
mod units;
