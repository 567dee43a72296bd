//! Inputs from a local HTTP server with faults, and from local files packed by the real packers.

#![cfg(test)]

mod base;
mod desk;
mod fetch;
mod k3s;
mod unpack;
