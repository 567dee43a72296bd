//! The embedded etcd of servers: a real etcd as a child process, and k3s's rules for its members
//! (`pkg/etcd/etcd.go`, `pkg/cluster/bootstrap.go`).

mod binary;
mod bootstrap;
mod client;
mod controller;
mod join;
mod member;
mod outside;
mod process;

pub(crate) use binary::find as binary;
pub(crate) use bootstrap::restore;
pub(crate) use client::{Client, Member};
pub(crate) use controller::{Controller, remove_of_node};
pub(crate) use join::{ADD, INFO, Joining, add};
pub(crate) use member::{Place, Start};
pub(crate) use outside::Outside;
