//! `k3s server`.

mod auth;
mod datastore;
mod join;
mod objects;
mod routes;
mod run;
mod state;
mod store;

pub(crate) use run::run;
