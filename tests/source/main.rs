//! Inputs from a local HTTP server with faults, and from local files compressed by the real tools.

#![cfg(test)]

mod base;
mod fetch;
mod k3s;
mod unpack;
