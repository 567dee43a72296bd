//! Overlays: the engine on folders of the tests' own, and those that are compiled in, as clusters of one node and of four get them.

#![cfg(test)]

mod backup;
mod built_in;
mod clusters;
mod dyndns;
mod engine;
mod nextcloud;
mod real_charts;
mod schemas;
mod servers;
mod smtp_relay;

use clusters::{FOUR, ONE, load, table};
