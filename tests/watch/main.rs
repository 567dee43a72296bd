//! `hcimage watch`: nodes are played, by small HTTP servers on loopback and on machines in network namespaces.

#![cfg(test)]

mod discovered;
mod played;
mod shown;
