//! `k3s server`.

mod auth;
mod join;
mod routes;
mod run;
mod state;

pub(crate) use run::run;
