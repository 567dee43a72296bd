//! The etcd that the servers of a cluster share: its data on this server, and this server among its members.
//!
//! k3s decides by what is on the disk (docs/facts/k3s.md, "The life of etcd"): with the data of a member it goes on as that
//! member; without, it joins where its settings name a server, and otherwise begins a new cluster without asking anybody.
//! So a server that was flashed again must be told whom to join, and its old member must be removed first.

pub(crate) mod advice;
pub(crate) mod local;
pub(crate) mod members;
pub(crate) mod remove;
pub(crate) mod setting;
