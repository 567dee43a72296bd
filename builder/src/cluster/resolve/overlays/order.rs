//! Which overlays are wanted: those that the file names, and those that these need.

use std::collections::BTreeMap;

use serde_spanned::Spanned;

use crate::cluster::field::{Entries, Field, Span};
use crate::cluster::field_type::{FileName, SecretSource};
use crate::cluster::file::{GivenValue, OverlayTable};
use crate::cluster::overlay_schema::MOST;
use crate::cluster::resolve::read::Reader;
use crate::overlays::{Overlay, ParameterType, ParameterValue};
use crate::value::{DnsLabel, Secret};

/// The file's tables, by the name of their overlay.
pub(in crate::cluster::resolve) type Tables = Entries<DnsLabel, Spanned<OverlayTable>>;

/// An overlay that is wanted, and why.
pub(super) struct Wanted {
    pub(super) overlay: Overlay,
    pub(super) values: BTreeMap<String, ParameterValue>,
    pub(super) secrets: BTreeMap<String, Secret>,
    /// The overlay that needs it, where the file does not name it.
    pub(super) asked_by: Option<DnsLabel>,
    /// Where the file names it, or the one that needs it.
    pub(super) span: Span,
}

/// All overlays, those first that others need.
pub(super) fn wanted(
    tables: Tables,
    loaded: Vec<Overlay>,
    reader: &mut Reader<'_, '_>,
) -> Option<Vec<Wanted>> {
    let mut known: BTreeMap<DnsLabel, Overlay> =
        loaded.into_iter().map(|overlay| (overlay.name.clone(), overlay)).collect();
    let mut given = BTreeMap::new();
    for (key, table) in tables.0 {
        let Some(overlay) = known.get(&key.value) else { continue };
        let (values, secrets) = split(overlay, table.into_inner(), reader);
        given.insert(key.value, (values, secrets, key.span));
    }
    let mut order = Vec::new();
    let roots: Vec<(DnsLabel, Span)> =
        given.iter().map(|(name, (.., span))| (name.clone(), span.clone())).collect();
    let mut state = BTreeMap::new();
    for (name, span) in &roots {
        visit(name, None, span, &mut known, &mut state, &mut order, reader)?;
    }
    let mut wanted = Vec::new();
    for (name, asked_by, span) in order {
        let Some(overlay) = known.remove(&name) else { continue };
        let (values, secrets, span) = given.remove(&name).unwrap_or((BTreeMap::new(), BTreeMap::new(), span));
        let asked_by = asked_by.filter(|_| !roots.iter().any(|(root, _)| *root == name));
        if let Some(asker) = &asked_by
            && let Some(missing) = required(&overlay)
        {
            let message = format!("the overlay {asker} needs {name}, which needs `{missing}`");
            reader.problems.error(&span, message, format!("add a table [overlays.{name}] with {missing}"));
            continue;
        }
        wanted.push(Wanted { overlay, values, secrets, asked_by, span });
    }
    Some(wanted)
}

/// Puts an overlay into the order behind all that it needs. `state` says of each that was met whether its needs are in the order.
fn visit(
    name: &DnsLabel,
    asker: Option<&DnsLabel>,
    span: &Span,
    known: &mut BTreeMap<DnsLabel, Overlay>,
    state: &mut BTreeMap<DnsLabel, bool>,
    order: &mut Vec<(DnsLabel, Option<DnsLabel>, Span)>,
    reader: &mut Reader<'_, '_>,
) -> Option<()> {
    match state.get(name) {
        Some(true) => return Some(()),
        Some(false) => {
            let open = state.iter().filter(|(_, done)| !**done).map(|(name, _)| name.as_str());
            let message =
                format!("overlays need each other in a circle: {}", open.collect::<Vec<_>>().join(", "));
            reader.problems.error(span, message, "take one out of the `needs` of another");
            return None;
        }
        None => {}
    }
    if state.len() >= MOST {
        let message = format!("more than {MOST} overlays, with those that others need");
        reader.problems.error(span, message, "a cluster has fewer");
        return None;
    }
    if !known.contains_key(name) {
        let asker = asker.map(ToString::to_string).unwrap_or_default();
        match reader.context.overlays.get(name) {
            Ok(Some(overlay)) => {
                known.insert(name.clone(), overlay);
            }
            Ok(None) => {
                let message = format!("the overlay {asker} needs the overlay {name}, which does not exist");
                reader.problems.error(
                    span,
                    message,
                    "add its folder beside the cluster file, or name another",
                );
                return None;
            }
            Err(error) => {
                let message = format!("the overlay {asker} needs {name}: {error}");
                reader.problems.error(span, message, "fix the overlay");
                return None;
            }
        }
    }
    state.insert(name.clone(), false);
    let needs = known.get(name).map(|overlay| overlay.needs.clone()).unwrap_or_default();
    for need in &needs {
        visit(need, Some(name), span, known, state, order, reader)?;
    }
    state.insert(name.clone(), true);
    order.push((name.clone(), asker.cloned(), span.clone()));
    Some(())
}

/// A parameter or secret that somebody must set.
fn required(overlay: &Overlay) -> Option<&str> {
    let parameters = overlay.parameters.iter().filter(|(_, of)| of.is_required());
    let secrets = overlay.secrets.iter().filter(|(_, of)| of.is_required());
    parameters.map(|(name, _)| name).chain(secrets.map(|(name, _)| name)).next().map(String::as_str)
}

/// What the file says, as parameters and secrets. Its types are those of the schema already.
fn split(
    overlay: &Overlay,
    table: OverlayTable,
    reader: &mut Reader<'_, '_>,
) -> (BTreeMap<String, ParameterValue>, BTreeMap<String, Secret>) {
    let (mut values, mut secrets) = (BTreeMap::new(), BTreeMap::new());
    let is_folder =
        |name: &str| overlay.parameters.get(name).is_some_and(|of| of.kind == ParameterType::Folder);
    for (key, Field { value, span }) in table.values.0 {
        let name = key.value.0;
        if let Some(of) = overlay.secrets.get(&name) {
            let source = match value {
                GivenValue::Text(text) => SecretSource::Here(Secret::new(text)),
                GivenValue::File(file) => SecretSource::File(file),
                GivenValue::Switch(_) | GivenValue::Number(_) | GivenValue::List(_) => continue,
            };
            let Some(secret) = reader.secret_or_key(Field { value: source, span: span.clone() }) else {
                // It was reported. With something in its place no template says that it is missing.
                secrets.insert(name, Secret::new("not readable"));
                continue;
            };
            if let Some(problem) = of.refuses(&secret) {
                let hint = match of.given {
                    true => "see the overlay's README",
                    false => "remove it, and the first build makes one; or set another",
                };
                reader.problems.error(&span, format!("`{name}`: {problem}"), hint);
            }
            secrets.insert(name, secret);
            continue;
        }
        let value = match value {
            GivenValue::Switch(on) => ParameterValue::Switch(on),
            GivenValue::Number(number) => ParameterValue::Number(number),
            GivenValue::Text(text) if is_folder(&name) => match reader.folder(&FileName(text), &span) {
                Some(folder) => ParameterValue::Folder(folder),
                None => continue,
            },
            GivenValue::Text(text) => ParameterValue::Text(text),
            GivenValue::List(items) => ParameterValue::List(items),
            GivenValue::File(_) => continue,
        };
        values.insert(name, value);
    }
    (values, secrets)
}

pub(super) fn with_defaults(
    overlay: &Overlay,
    mut values: BTreeMap<String, ParameterValue>,
) -> BTreeMap<String, ParameterValue> {
    for (name, parameter) in &overlay.parameters {
        let default = || parameter.default.clone().unwrap_or_else(|| parameter.kind.nothing());
        values.entry(name.clone()).or_insert_with(default);
    }
    values
}
