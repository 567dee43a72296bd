//! Overlays: the engine on folders of the tests' own, and those that are compiled in, as clusters of one node and of four get them.

#![cfg(test)]

mod backup;
mod built_in;
mod clusters;
mod cockroachdb;
mod drupal;
mod dyndns;
mod engine;
mod folders;
mod monitoring;
mod mosquitto;
mod nextcloud;
mod nfs_server;
mod object_store;
mod operation;
mod owntracks;
mod postgresql;
mod programs;
mod real_charts;
mod refusals;
mod schemas;
mod smtp_relay;
mod static_site;
mod subsonic;
mod wordpress;

use clusters::{FOUR, ONE, load, table};
use hcimage_testkit::servers;
