//! The first boot on a simulated machine that loses power at any step.
#![cfg(test)]

mod announce;
mod api;
mod arp;
mod clock;
mod cluster;
mod data_disk;
mod disk;
mod doctor;
mod dpkg;
mod failures;
mod first_server;
mod host;
mod interrupted;
mod join;
mod machine;
mod network;
mod normal;
mod overrides;
mod program;
mod programs;
mod raw_disks;
mod report;
mod root;
mod scenario;
mod seed;
mod slow_server;
mod sntp;
mod state;
mod units;
