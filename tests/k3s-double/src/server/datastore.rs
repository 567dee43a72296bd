//! The datastore of a server from its choice to the moment when it answers.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::join;
use super::routes::{Api, lock};
use super::state::State;
use crate::client::Client;
use crate::etcd::{self, Controller, Joining, Place, Start};
use crate::faults::Faults;
use crate::secret::Secret;
use crate::settings::ServerSettings;
use crate::{files, log};

/// What the start of a server needs of it.
pub(super) struct Datastore {
    /// The state, which an etcd may not answer for yet.
    pub(super) state: State,
    /// On a further server without etcd: the way to the first one.
    pub(super) first: Option<Client>,
    /// The member that is to start.
    pub(super) etcd: Option<Etcd>,
    /// Somebody else's etcd.
    pub(super) outside: Option<etcd::Client>,
}

/// A member of etcd that is to start.
pub(super) struct Etcd {
    pub(super) place: Place,
    start: Way,
}

/// How the member comes to its data.
enum Way {
    Again,
    New,
    Join(Client),
}

/// Chooses the datastore as k3s does, and has the CAs of the cluster in `server/tls` if there is one already.
///
/// # Errors
/// When the server to join refuses, or the datastore belongs to another token or other CAs.
pub(super) fn prepare(settings: &ServerSettings) -> Result<Datastore> {
    let data = &settings.node.data;
    let tls = data.join("server/tls");
    if let Some(outside) = &settings.outside {
        return elsewhere(settings, outside, &tls);
    }
    let has_member = Place::exists(data);
    let wanted = has_member || settings.cluster_init || settings.join.is_some();
    let program = if wanted { etcd::binary() } else { None };
    let Some(program) = program else {
        let first = match (&settings.join, &settings.token) {
            (Some(server), Some(token)) => Some(join::fetch(server, token, &tls)?),
            _ => None,
        };
        return Ok(Datastore { state: alone(settings)?, first, etcd: None, outside: None });
    };
    let place = Place::load(program, &settings.node)?;
    let password = settings.token.as_ref().map(|token| &token.password);
    if settings.cluster_reset {
        reset(settings, &place)?;
    }
    let start = match (&settings.join, password) {
        (_, Some(password)) if has_member => {
            place.reconcile(password, &tls)?;
            Way::Again
        }
        (Some(server), _) if !has_member => {
            let token = settings.token.as_ref().context("--token is required to join a cluster")?;
            Way::Join(join::fetch_once(server, token, &tls)?)
        }
        _ if has_member => Way::Again,
        _ => Way::New,
    };
    let state = State::shared(place.client());
    Ok(Datastore { state, first: None, etcd: Some(Etcd { place, start }), outside: None })
}

/// Servers that share an etcd of others find each other in it. CAs that are missing come from there.
fn elsewhere(settings: &ServerSettings, outside: &etcd::Outside, tls: &Path) -> Result<Datastore> {
    let token = settings.token.as_ref().context("--token is required with --datastore-endpoint here")?;
    let client = etcd::Client::Outside(Box::leak(Box::new(outside.clone())));
    let kept = client.kept_bootstrap(&token.password).context("failed to test data store connection")?;
    if let Some(files) = &kept {
        etcd::restore(files, tls)?;
    }
    Ok(Datastore { state: State::shared(client), first: None, etcd: None, outside: Some(client) })
}

/// The stand-in for SQLite. With a datastore of an earlier installation the missing CAs come from there.
fn alone(settings: &ServerSettings) -> Result<State> {
    let server = settings.node.data.join("server");
    let mut state = State::load(&server.join("db/state.db"))?;
    let Some(kept) = state.kept_bootstrap()? else { return Ok(state) };
    if let Some(token) = &settings.token {
        state.bind_token(&token.password)?;
    }
    for (name, text) in kept.as_object().into_iter().flatten() {
        let (path, text) =
            (server.join("tls").join(name), text.as_str().context("the bootstrap data is damaged")?);
        match files::read_optional(&path)? {
            None => files::write_atomic(&path, 0o600, text.as_bytes())?,
            Some(own) if own == text => {}
            Some(_) => bail!("{} newer than datastore and could cause a cluster outage", path.display()),
        }
    }
    Ok(state)
}

fn reset(settings: &ServerSettings, place: &Place) -> Result<()> {
    if settings.join.is_some() {
        bail!(
            "cannot perform cluster-reset while server URL is set - remove server from configuration before resetting"
        );
    }
    place.reset()?;
    log::info("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now.");
    std::process::exit(0);
}

/// Starts the member and waits until the datastore answers.
///
/// # Errors
/// When the cluster refuses the member, or the datastore is not that of the token.
pub(super) fn open(
    etcd: Option<Etcd>,
    outside: Option<etcd::Client>,
    api: &Api,
    token: &Secret,
    faults: &Faults,
) -> Result<()> {
    let tls = api.tls.clone();
    if let Some(client) = outside {
        if client.kept_bootstrap(token)?.is_none() {
            client.save_bootstrap(token, &join::plain(&tls)?)?;
        }
        return Ok(());
    }
    let Some(Etcd { place, start }) = etcd else {
        let mut state = lock(&api.state);
        state.bind_token(token)?;
        return state.bootstrap(|| join::plain(&tls));
    };
    let is_new = matches!(start, Way::New);
    let start = match start {
        Way::Again => Start::Again,
        Way::New => Start::New,
        Way::Join(server) => {
            faults.reach("before-add");
            let all = Joining { server: &server, place: &place }.run()?;
            faults.reach("after-add");
            Start::Joined(all)
        }
    };
    place.start(&start)?;
    let client = place.client();
    if start != Start::Again {
        wait_for_member(api, faults);
    }
    while let Err(error) = client.get("quorum") {
        log::info(&format!("Waiting for etcd: {error:#}"));
        thread::sleep(Duration::from_secs(1));
    }
    faults.reach("before-bootstrap");
    if is_new {
        client.save_bootstrap(token, &join::plain(&tls)?)?;
    }
    client.bootstrap(token)?;
    faults.reach("after-bootstrap");
    let faults = faults.clone();
    thread::spawn(move || Controller { client, faults }.run());
    Ok(())
}

/// A fault at this point finds etcd's files, and perhaps nothing in them.
fn wait_for_member(api: &Api, faults: &Faults) {
    if let Some(data) = api.tls.ancestors().nth(2) {
        while !Place::exists(data) {
            thread::sleep(Duration::from_millis(20));
        }
    }
    faults.reach("after-wal");
}
