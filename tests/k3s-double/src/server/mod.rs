//! `k3s server`.

mod auth;
mod join;
mod objects;
mod routes;
mod run;
mod state;

pub(crate) use run::run;
