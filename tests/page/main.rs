//! The page of a node: hostile clients on loopback, the schema of its JSON, and a real browser (`make page-test`).
#![cfg(test)]

mod browser;
mod hostile;
mod schema;
mod server;
mod views;
mod webdriver;
