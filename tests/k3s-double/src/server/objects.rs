//! Objects by path, lists in pages, and refusals, in the form of the real API server (`tests/kube_api` compares them).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::auth::Caller;
use super::routes::status;
use crate::http::Response;

/// A path below `/api` or `/apis`: a list of a kind or one object of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource<'a> {
    /// Group and version, as in `apiVersion`.
    pub(super) version: &'a str,
    /// None means all namespaces.
    pub(super) namespace: Option<&'a str>,
    /// The kind as in paths.
    pub(super) plural: &'a str,
    /// None means all.
    pub(super) name: Option<&'a str>,
}

impl<'a> Resource<'a> {
    /// Takes a path apart; `None` for one of another form.
    pub(super) fn parse(path: &'a str) -> Option<Self> {
        let (version, rest) = match path.strip_prefix("/apis/") {
            Some(rest) => rest.match_indices('/').nth(1).and_then(|(at, _)| rest.split_at_checked(at))?,
            None => ("v1", path.strip_prefix("/api/v1")?),
        };
        let words: Vec<&str> = rest.strip_prefix('/')?.split('/').collect();
        let (namespace, plural, name) = match *words.as_slice() {
            ["namespaces", namespace, plural] => (Some(namespace), plural, None),
            ["namespaces", namespace, plural, name] => (Some(namespace), plural, Some(name)),
            [plural] => (None, plural, None),
            _ => return None,
        };
        Some(Self { version, namespace, plural, name })
    }

    /// A Node, or all of them.
    pub(super) fn node(name: Option<&'a str>) -> Self {
        Self { version: "v1", namespace: None, plural: "nodes", name }
    }

    /// The group; empty for the core.
    pub(super) fn group(&self) -> &'a str {
        self.version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// The name of an object.
pub(super) fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

/// The value of a parameter of the query, decoded.
pub(super) fn parameter(query: &str, key: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key))?.1;
    let mut bytes = Vec::new();
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let two = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&two).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok()
}

/// A list: the objects that the field selector asks for, `limit` of them from where `continue` says.
pub(super) fn page(version: &str, kind: &str, items: Vec<Value>, query: &str) -> Response {
    let selector = parameter(query, "fieldSelector").unwrap_or_default();
    let items: Vec<Value> = items.into_iter().filter(|item| is_selected(item, &selector)).collect();
    let limit =
        parameter(query, "limit").and_then(|limit| limit.parse::<usize>().ok()).filter(|limit| *limit > 0);
    let from = match parameter(query, "continue").map(|token| URL_SAFE_NO_PAD.decode(token)) {
        None => 0,
        Some(token) => {
            match token.ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse::<usize>().ok()) {
                Some(from) => from,
                None => {
                    return status(400, "BadRequest", "invalid continue token: continue key is not valid");
                }
            }
        }
    };
    let until = from.saturating_add(limit.unwrap_or(items.len())).min(items.len());
    let mut metadata = json!({"resourceVersion": "1"});
    if let Some(metadata) = metadata.as_object_mut().filter(|_| until < items.len()) {
        metadata.insert("continue".into(), json!(URL_SAFE_NO_PAD.encode(until.to_string())));
        metadata.insert("remainingItemCount".into(), json!(items.len() - until));
    }
    let mut shown: Vec<Value> = items.into_iter().take(until).skip(from).collect();
    // Only the objects of custom resources say in a list what they are.
    if !version.contains(".cattle.io/") {
        for object in shown.iter_mut().filter_map(Value::as_object_mut) {
            object.remove("apiVersion");
            object.remove("kind");
        }
    }
    let kind = format!("{kind}List");
    Response::json(200, &json!({"apiVersion": version, "kind": kind, "metadata": metadata, "items": shown}))
}

/// Whether an object has all fields of a selector `a.b=c,d=e`.
fn is_selected(object: &Value, selector: &str) -> bool {
    selector.split(',').filter_map(|part| part.split_once('=')).all(|(field, value)| {
        let pointer = format!("/{}", field.replace('.', "/"));
        object.pointer(&pointer).and_then(Value::as_str) == Some(value)
    })
}

fn group_suffix(group: &str) -> String {
    if group.is_empty() { String::new() } else { format!(".{group}") }
}

/// 404 for an object.
pub(super) fn not_found(plural: &str, group: &str, name: &str) -> Response {
    status(404, "NotFound", &format!("{plural}{} \"{name}\" not found", group_suffix(group)))
}

fn user(caller: &Caller) -> String {
    match caller {
        Caller::Kubelet(name) => format!("system:node:{name}"),
        Caller::Admin => "system:admin".into(),
        Caller::Joiner => "node".into(),
        Caller::Server => "server".into(),
        Caller::Nobody => "system:anonymous".into(),
    }
}

/// 403 for a list or for an object. After the words of RBAC the node authorizer adds its own, which depend on the kind.
pub(super) fn forbidden(caller: &Caller, what: &Resource<'_>) -> Response {
    let Resource { plural, name, .. } = *what;
    let group = what.group();
    let why = match (caller, plural, name) {
        (Caller::Kubelet(own), "nodes", None) => {
            format!(": node '{own}' cannot read all nodes, only its own Node object")
        }
        (Caller::Kubelet(own), "nodes", Some(name)) => {
            format!(": node '{own}' cannot read '{name}', only its own Node object")
        }
        (Caller::Kubelet(_), "pods", None) => {
            ": can only list/watch pods with spec.nodeName field selector".to_owned()
        }
        (Caller::Kubelet(own), "pods", Some(_)) => {
            format!(": no relationship found between node '{own}' and this object")
        }
        _ => String::new(),
    };
    let verb = if name.is_some() { "get" } else { "list" };
    let place = what
        .namespace
        .map_or_else(|| "at the cluster scope".into(), |name| format!("in the namespace {name:?}"));
    let (user, name) = (user(caller), name.map(|name| format!(" {name:?}")).unwrap_or_default());
    let message = format!(
        "{plural}{}{name} is forbidden: User {user:?} cannot {verb} resource {plural:?} in API group {group:?} {place}{why}",
        group_suffix(group)
    );
    status(403, "Forbidden", &message)
}

/// 404 for a kind: in its own groups the real server knows better.
pub(super) fn no_such_kind(what: &Resource<'_>) -> Response {
    if what.group().is_empty() {
        return status(404, "NotFound", "the server could not find the requested resource");
    }
    Response::text(404, "404 page not found\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(answer: &Response) -> (Vec<String>, Option<String>) {
        let list: Value = serde_json::from_slice(&answer.body).unwrap();
        let names = list["items"].as_array().unwrap().iter().map(|item| name(item).to_owned()).collect();
        (names, list["metadata"]["continue"].as_str().map(str::to_owned))
    }

    #[test]
    fn paths_are_taken_apart() {
        let parse = |path| Resource::parse(path).map(|r| (r.version, r.namespace, r.plural, r.name));
        assert_eq!(parse("/api/v1/pods"), Some(("v1", None, "pods", None)));
        assert_eq!(
            parse("/apis/apps/v1/namespaces/a/deployments/b"),
            Some(("apps/v1", Some("a"), "deployments", Some("b")))
        );
        assert_eq!(Resource::parse("/apis/apps/v1/deployments").unwrap().group(), "apps");
        for bad in ["/apis/apps/v1", "/api/v1", "/apis/apps", "/x", "/api/v1/namespaces/a/b/c/d"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_list_comes_in_pages_and_by_fields() {
        let items: Vec<Value> = ["a", "b", "c"]
            .map(|n| json!({"metadata": {"name": n}, "type": if n == "b" { "x" } else { "y" }}))
            .to_vec();
        let (names, next) = listed(&page("v1", "Node", items.clone(), "limit=2"));
        assert_eq!(names, ["a", "b"]);
        let (names, next) =
            listed(&page("v1", "Node", items.clone(), &format!("limit=2&continue={}", next.unwrap())));
        assert_eq!((names, next), (vec!["c".to_owned()], None));
        let only =
            listed(&page("v1", "Node", items.clone(), "limit=2&fieldSelector=type%3Dy%2Cmetadata.name%3Dc"));
        assert_eq!(only, (vec!["c".to_owned()], None));
        assert_eq!(page("v1", "Node", items, "continue=%%%").status, 200, "what is no parameter is none");
    }
}
