//! Objects of a cluster by kind and name.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hc_firstboot::kube::{Access, Apply, Client, KubeError, Selector, encoded};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::interrupt::{Interrupt, Interrupted};
use crate::overlays::record::{MANAGER, RecordedObject};

use super::line::ThisMachine;

/// The time limit of a request.
const LIMIT: Duration = Duration::from_secs(60);

/// Steps of a pause, after each of which Ctrl-C is seen.
const STEP: Duration = Duration::from_millis(100);

/// A cluster's API, and the user who may stop asking it.
pub struct Api {
    access: Access,
    machine: ThisMachine,
    interrupt: Interrupt,
    /// What is known of each group and version.
    known: RefCell<BTreeMap<String, Vec<Resource>>>,
}

/// A kind as the API has it.
#[derive(Debug, Clone, Deserialize)]
struct Resource {
    name: String,
    kind: String,
    #[serde(default)]
    namespaced: bool,
}

#[derive(Deserialize)]
struct Resources {
    #[serde(default)]
    resources: Vec<Resource>,
}

impl Api {
    /// The API that a kubeconfig names.
    pub fn new(access: Access, interrupt: Interrupt) -> Self {
        let machine = ThisMachine(Instant::now());
        Self { access, machine, interrupt, known: RefCell::default() }
    }

    /// Whether it is verified by a CA of this text, PEM: by that of another cluster it is not.
    pub fn is_verified_by(&self, authorities: &str) -> bool {
        let known = pem::parse_many(authorities).unwrap_or_default();
        known.iter().any(|one| self.access.roots().iter().any(|root| root == one.contents()))
    }

    /// How long this has been in use.
    pub(super) fn uptime(&self) -> Duration {
        self.machine.0.elapsed()
    }

    /// Waits, unless the user asks to stop.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Interrupted> {
        let end = self.uptime().saturating_add(time);
        while self.uptime() < end {
            self.interrupt.check()?;
            sleep(STEP);
        }
        self.interrupt.check()
    }

    /// A client for what is asked from now on.
    pub(super) fn client(&self) -> Client<'static> {
        let end = self.uptime().saturating_add(LIMIT);
        Client::over(Box::new(self.machine), "hcimage", self.access.clone(), end)
    }

    /// An object or list at a path; none where there is none, or no such kind.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, KubeError> {
        found(self.client().get(path))
    }

    /// All objects at a path; none where there is no such kind.
    pub(super) fn list<T: DeserializeOwned>(&self, path: &str, labels: &str) -> Result<Vec<T>, KubeError> {
        let only = Selector { labels, ..Selector::default() };
        Ok(found(self.client().list(path, only))?.unwrap_or_default())
    }

    /// The path of an object; none while the cluster does not know its kind.
    pub(super) fn path(&self, object: &RecordedObject) -> Result<Option<String>, KubeError> {
        let Some(resource) = self.resource(&object.api_version, &object.kind)? else { return Ok(None) };
        let root = root(&object.api_version);
        let namespace = match object.namespace.as_str() {
            "" => "default",
            namespace => namespace,
        };
        let place = match resource.namespaced {
            true => format!("namespaces/{}/", encoded(namespace)),
            false => String::new(),
        };
        Ok(Some(format!("{root}/{place}{}/{}", resource.name, encoded(&object.name))))
    }

    fn resource(&self, api_version: &str, kind: &str) -> Result<Option<Resource>, KubeError> {
        let of = |all: &[Resource]| {
            // `deployments/status` has the kind, too.
            all.iter().find(|one| one.kind == kind && !one.name.contains('/')).cloned()
        };
        if let Some(known) = self.known.borrow().get(api_version).and_then(|all| of(all)) {
            return Ok(Some(known));
        }
        let Some(Resources { resources }) = self.get(&root(api_version))? else { return Ok(None) };
        let resource = of(&resources);
        self.known.borrow_mut().insert(api_version.to_owned(), resources);
        Ok(resource)
    }

    /// Writes an object; a trial is not kept. Returns what the cluster makes of it.
    pub(super) fn apply(&self, path: &str, text: &str, force: bool, trial: bool) -> Result<Value, KubeError> {
        self.client().apply(path, text, Apply { manager: MANAGER, force, trial })
    }

    /// Deletes an object and all that belongs to it; says whether it was there.
    pub(super) fn delete(&self, path: &str) -> Result<bool, KubeError> {
        let path = format!("{path}?propagationPolicy=Background");
        Ok(found(self.client().delete(&path))?.is_some())
    }
}

/// `v1` is at `/api`, all groups are at `/apis`.
fn root(api_version: &str) -> String {
    let words: Vec<String> = api_version.split('/').map(encoded).collect();
    let front = if words.len() > 1 { "apis" } else { "api" };
    format!("/{front}/{}", words.join("/"))
}

fn found<T>(answer: Result<T, KubeError>) -> Result<Option<T>, KubeError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
