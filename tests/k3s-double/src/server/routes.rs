//! The paths the server answers, and who may ask for them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use super::auth::{Caller, Passwords};
use super::join::{self, BOOTSTRAP};
use super::objects::{self, Resource};
use super::state::State;
use crate::client::Client;
use crate::etcd;
use crate::faults::Faults;
use crate::http::{Request, Response};
use crate::manifests::Addons;
use crate::pki::{Ca, Subject};
use crate::workload::Workload;
use crate::{log, names};

const REJECTED: &str = "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' \
    may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag";

/// All that a request can see or change.
pub(super) struct Api {
    /// What `/cacerts` serves.
    pub(super) cacerts: String,
    /// Signs the certificates of kubelets.
    pub(super) client_ca: Ca,
    /// Who may join.
    pub(super) passwords: Passwords,
    /// The name of the server's own node, which no fault keeps out.
    pub(super) own_node: String,
    /// What is to go wrong.
    pub(super) faults: Faults,
    /// False while the apiserver "starts".
    pub(super) ready: AtomicBool,
    /// The datastore.
    pub(super) state: Mutex<State>,
    /// The manifests seen so far.
    pub(super) addons: Mutex<Addons>,
    /// What would run.
    pub(super) workload: Mutex<Workload>,
    /// `server/tls`
    pub(super) tls: PathBuf,
    /// On a further server: the way to the first one, which has the datastore.
    pub(super) first: Option<Client>,
}

impl Api {
    /// Answers one request.
    pub(super) fn answer(&self, request: &Request, certificate: Option<&CertificateDer<'_>>) -> Response {
        let caller = Caller::of(request, certificate, &self.passwords);
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/ping") => Response::text(200, "pong"),
            ("GET", "/cacerts") => Response::text(200, self.cacerts.clone()),
            (_, path) if path.starts_with("/v1-k3s/") => self.supervisor(request, &caller),
            _ if self.first.is_some() && self.is_ready() => self.ask_first(request, &caller),
            // As in k3s nobody is told apart before there is an apiserver to ask.
            _ if !self.is_ready() => Response::text(503, "apiserver not ready\n"),
            ("GET", etcd::INFO) if self.has_etcd() => self.members(&caller),
            ("POST", etcd::ADD) if self.has_etcd() => self.add_member(request, &caller),
            _ if caller == Caller::Nobody => status(401, "Unauthorized", "Unauthorized"),
            _ => self.apiserver(request, &caller),
        }
    }

    fn has_etcd(&self) -> bool {
        lock(&self.state).etcd().is_some()
    }

    fn members(&self, caller: &Caller) -> Response {
        match lock(&self.state).etcd().map(etcd::Client::members) {
            _ if *caller != Caller::Server => Response::text(401, "Unauthorized\n"),
            Some(Ok(all)) => {
                let all: Vec<Value> = all.iter().map(etcd::Member::json).collect();
                Response::json(200, &json!({"members": all}))
            }
            Some(Err(error)) => internal(error),
            None => Response::text(404, "there is no etcd\n"),
        }
    }

    /// For another stand-in.
    fn add_member(&self, request: &Request, caller: &Caller) -> Response {
        let client = lock(&self.state).etcd();
        match client.map(|client| etcd::add(client, &request.body)) {
            _ if *caller != Caller::Server => Response::text(401, "Unauthorized\n"),
            Some(Ok(())) => Response::text(200, "added\n"),
            Some(Err(error)) => Response::text(500, format!("{error:#}\n")),
            None => Response::text(404, "there is no etcd\n"),
        }
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn supervisor(&self, request: &Request, caller: &Caller) -> Response {
        let may_join = matches!(caller, Caller::Joiner | Caller::Server);
        match (request.method.as_str(), request.path.as_str()) {
            _ if !may_join => Response::text(401, "Unauthorized\n"),
            ("GET" | "POST", "/v1-k3s/readyz" | "/v1-k3s/client-kubelet.crt") if !self.is_ready() => {
                Response::text(503, "runtime core not ready\n")
            }
            // For agents only, as are their certificates.
            (_, "/v1-k3s/readyz" | "/v1-k3s/client-kubelet.crt") if *caller != Caller::Joiner => {
                Response::text(403, "not authorized\n")
            }
            ("GET", "/v1-k3s/readyz") => Response::text(200, "ok"),
            ("GET", BOOTSTRAP) if *caller != Caller::Server => Response::text(403, "not authorized\n"),
            ("GET", BOOTSTRAP) => {
                join::bootstrap(&self.tls).map_or_else(internal, |all| Response::json(200, &all))
            }
            _ if self.first.is_some() => self.ask_first(request, caller),
            ("POST", "/v1-k3s/client-kubelet.crt") => self.client_kubelet(request).unwrap_or_else(internal),
            _ => Response::text(404, "not part of the stand-in\n"),
        }
    }

    fn ask_first(&self, request: &Request, caller: &Caller) -> Response {
        let Some(first) = &self.first else { return Response::text(404, "there is no other server\n") };
        join::pass_on(first, request, caller).unwrap_or_else(|error| {
            log::error(&format!("asking the first server: {error:#}"));
            Response::text(503, "the first server does not answer\n")
        })
    }

    /// Signs a kubelet's request once the password of its node is the known one.
    fn client_kubelet(&self, request: &Request) -> Result<Response> {
        let header = |name| request.headers.get(name).filter(|value| !value.is_empty());
        let (Some(node), Some(password)) = (header("k3s-Node-Name"), header("k3s-Node-Password")) else {
            return Ok(Response::text(400, "node name or password not set\n"));
        };
        if !names::is_subdomain(node) {
            return Ok(Response::text(400, "the node's name is not one of RFC 1123\n"));
        }
        let kept_out = self.faults.reject_node_password && node != self.own_node;
        if kept_out || !lock(&self.state).admit(node, password)? {
            log::error(&format!("unable to verify password for node {node}: hash does not match"));
            return Ok(Response::text(403, format!("{REJECTED}\n")));
        }
        let name = format!("system:node:{node}");
        let subject = Subject { name: &name, organization: "system:nodes" };
        Ok(match self.client_ca.sign_request(&request.body, &subject) {
            Ok(chain) => Response::text(200, chain),
            Err(error) => Response::text(400, format!("{error:#}\n")),
        })
    }

    fn apiserver(&self, request: &Request, caller: &Caller) -> Response {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/readyz") => match lock(&self.state).nodes() {
                Ok(_) => Response::text(200, "ok"),
                Err(error) => internal(error),
            },
            ("GET", "/livez" | "/healthz") => Response::text(200, "ok"),
            ("GET", "/version") => Response::json(200, &version()),
            ("GET", "/api") => Response::json(200, &json!({"kind": "APIVersions", "versions": ["v1"]})),
            ("GET", "/apis") => Response::json(200, &groups()),
            ("GET", "/api/v1") => Response::json(200, &resources("v1", "nodes", "Node", false)),
            ("GET", "/apis/k3s.cattle.io/v1") => {
                Response::json(200, &resources("k3s.cattle.io/v1", "addons", "Addon", true))
            }
            (method, path) if path.starts_with("/api/v1/namespaces/") && path.contains("/configmaps") => {
                self.admin_only(caller, || self.config_maps(method, path, &request.body))
            }
            (method, path) => match (path.strip_prefix("/api/v1/nodes"), Resource::parse(path)) {
                (Some(rest), _) => self.nodes(method, rest, request, caller),
                (None, Some(resource)) if method == "GET" => self.objects(&resource, request, caller),
                // As the real one answers for what no part of it serves.
                _ => Response::text(404, "404 page not found\n"),
            },
        }
    }

    /// Objects of all other kinds: one by its name, or a list.
    fn objects(&self, resource: &Resource<'_>, request: &Request, caller: &Caller) -> Response {
        // Who may not ask is not told what there is. Kubelets may see Services.
        let may_see = *caller == Caller::Admin
            || (matches!(caller, Caller::Kubelet(_))
                && (resource.version, resource.plural) == ("v1", "services"));
        if !may_see {
            return objects::forbidden(caller, resource);
        }
        let Some((kind, items)) = self.items(resource) else { return objects::no_such_kind(resource) };
        match resource.name {
            Some(name) => match items.into_iter().find(|item| objects::name(item) == name) {
                Some(item) => Response::json(200, &item),
                None => objects::not_found(resource.plural, resource.group(), name),
            },
            None => objects::page(resource.version, kind, items, &request.query),
        }
    }

    fn items(&self, resource: &Resource<'_>) -> Option<(&'static str, Vec<Value>)> {
        let workload = lock(&self.workload);
        let namespace = resource.namespace;
        Some(match (resource.version, resource.plural) {
            ("k3s.cattle.io/v1", "addons") => {
                let seen = lock(&self.addons).items(namespace, &workload);
                ("Addon", lock(&self.state).with_kept_addons(namespace, seen).unwrap_or_default())
            }
            ("helm.cattle.io/v1", "helmcharts") => ("HelmChart", workload.charts(namespace)),
            ("batch/v1", "jobs") => ("Job", workload.jobs(namespace)),
            ("apps/v1", "deployments") => ("Deployment", workload.deployments(namespace)),
            ("apps/v1", "statefulsets") => ("StatefulSet", workload.stateful_sets(namespace)),
            ("apps/v1", "daemonsets") => ("DaemonSet", workload.daemon_sets(namespace)),
            ("v1", "events") => ("Event", lock(&self.addons).events(namespace)),
            ("v1", "pods") => ("Pod", workload.pods(namespace, &self.own_node)),
            ("cert-manager.io/v1", "certificates") => ("Certificate", workload.certificates(namespace)),
            ("v1", "services") => ("Service", workload.services(namespace)),
            _ => return None,
        })
    }

    fn admin_only(&self, caller: &Caller, answer: impl FnOnce() -> Result<Response>) -> Response {
        match caller {
            Caller::Admin => answer().unwrap_or_else(internal),
            _ => status(403, "Forbidden", "this is for administrators"),
        }
    }

    /// ConfigMaps: objects that a test creates and finds again.
    fn config_maps(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let mut state = lock(&self.state);
        Ok(match method {
            "POST" => {
                let object: Value = serde_json::from_slice(body)?;
                let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
                if !names::is_subdomain(name) {
                    return Ok(status(422, "Invalid", "metadata.name is missing or invalid"));
                }
                state.put_object(&format!("{path}/{name}"), object.clone())?;
                Response::json(201, &object)
            }
            "GET" => match state.object(path)? {
                Some(object) => Response::json(200, &object),
                None => status(404, "NotFound", "there is no such ConfigMap"),
            },
            _ => status(405, "MethodNotAllowed", "the stand-in does not do this"),
        })
    }

    /// Nodes. A kubelet may see and change its own and no other, as the node authorizer rules.
    fn nodes(&self, method: &str, rest: &str, request: &Request, caller: &Caller) -> Response {
        let name = rest.strip_prefix('/');
        let body = &request.body;
        match (method, name) {
            ("GET", None) if *caller == Caller::Admin || lists_own(caller, &request.query) => {
                objects::page("v1", "Node", lock(&self.state).nodes().unwrap_or_default(), &request.query)
            }
            ("GET", Some(name)) if *caller == Caller::Admin || is_own(caller, name) => {
                match lock(&self.state).node(name) {
                    Err(error) => internal(error),
                    Ok(Some(node)) => Response::json(200, &node),
                    Ok(None) => objects::not_found("nodes", "", name),
                }
            }
            ("POST", None) => self.put_node(None, body, caller).unwrap_or_else(internal),
            ("PUT", Some(name)) => {
                self.put_node(name.strip_suffix("/status"), body, caller).unwrap_or_else(internal)
            }
            ("DELETE", Some(name)) => self.admin_only(caller, || self.delete_node(name)),
            ("GET", name) => objects::forbidden(caller, &Resource::node(name)),
            _ => status(405, "MethodNotAllowed", "the stand-in does not do this"),
        }
    }

    /// The Node stays as long as its member of etcd cannot be removed.
    fn delete_node(&self, name: &str) -> Result<Response> {
        Ok(match lock(&self.state).delete_node(name)? {
            true => Response::json(200, &json!({"apiVersion": "v1", "kind": "Status", "status": "Success"})),
            false => objects::not_found("nodes", "", name),
        })
    }

    /// `named` is the name in the path, where there is one.
    fn put_node(&self, named: Option<&str>, body: &[u8], caller: &Caller) -> Result<Response> {
        let Ok(object) = serde_json::from_slice::<Value>(body) else {
            return Ok(status(400, "BadRequest", "the body is not JSON"));
        };
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !is_own(caller, &name) || named.is_some_and(|named| named != name) {
            return Ok(objects::forbidden(caller, &Resource::node(Some(&name))));
        }
        lock(&self.state).put_node(&name, object.clone())?;
        Ok(Response::json(if named.is_some() { 200 } else { 201 }, &object))
    }
}

/// A thread that panicked while it held the lock left nothing half-done: every change is one call.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a kubelet asks for the list of its own Node alone.
fn lists_own(caller: &Caller, query: &str) -> bool {
    let selector = objects::parameter(query, "fieldSelector").unwrap_or_default();
    selector.strip_prefix("metadata.name=").is_some_and(|name| is_own(caller, name))
}

fn is_own(caller: &Caller, name: &str) -> bool {
    matches!(caller, Caller::Kubelet(own) if own == name)
}

#[expect(clippy::needless_pass_by_value, reason = "the form unwrap_or_else wants")]
fn internal(error: anyhow::Error) -> Response {
    log::error(&format!("{error:#}"));
    status(500, "InternalError", "see the log of the stand-in")
}

/// `v1.Status`, from which clients take their message.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Response {
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
        "reason": reason, "message": message, "code": code,
    });
    Response::json(code, &body)
}

fn version() -> Value {
    json!({"major": "1", "minor": "36", "gitVersion": crate::version(), "platform": "k3s-double", "goVersion": "none"})
}

fn groups() -> Value {
    let version = json!({"groupVersion": "k3s.cattle.io/v1", "version": "v1"});
    let group = json!({"name": "k3s.cattle.io", "versions": [version], "preferredVersion": version});
    json!({"apiVersion": "v1", "kind": "APIGroupList", "groups": [group]})
}

fn resources(group: &str, name: &str, kind: &str, namespaced: bool) -> Value {
    let resource = json!({
        "name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"],
    });
    json!({"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": group, "resources": [resource]})
}
