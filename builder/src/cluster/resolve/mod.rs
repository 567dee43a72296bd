//! From the parsed file to a [`Cluster`].
//!
//! Each step returns `None` for a part that is missing or invalid: earlier checks have reported it. Files that the
//! cluster file names are read here, and their problems are reported in the same way.

mod access;
mod join;
mod memory;
mod nodes;
mod overlays;
mod read;

use std::collections::BTreeMap;
use std::path::Path;

use crate::overlays::Overlay;
use crate::secrets::OwnTokens;
use crate::source::k3s_version::K3sVersionReq;
use crate::source::url::SourceUrl;
use crate::value::{DomainName, Host};

use super::field::Field;
use super::field_type::DatastoreKind;
use super::file::{File, K3sTable, ReportTable};
use super::load::LoadContext;
use super::model::*;
use super::problem::{InvalidValue, Problems};

use overlays::OwnK3s;
use read::Reader;

/// The value without its position in the file.
fn bare<T>(field: Option<Field<T>>) -> Option<T> {
    field.map(|field| field.value)
}

fn all<T>(fields: Vec<Field<T>>) -> Vec<T> {
    fields.into_iter().map(|field| field.value).collect()
}

/// The cluster; always `Some` if no error was reported, before or here.
pub(super) fn cluster(
    mut file: File,
    loaded: Vec<Overlay>,
    context: &LoadContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Cluster> {
    let reader = &mut Reader::new(context, problems);
    let tables = std::mem::take(&mut file.overlays);
    let flannel_backend = file.k3s.flannel_backend.as_ref();
    let own = OwnK3s { flannel_backend: flannel_backend.map(|field| (field.value, field.span.clone())) };
    let joins = file.join.is_some();
    let nodes = nodes::nodes(&mut file, reader);
    let servers = nodes.as_ref().is_some_and(|nodes| nodes.servers().next().is_some());
    let existing = file.join.take().and_then(|table| join::existing(table, servers, reader));
    let tokens = join::own_tokens(file.k3s.token.take(), file.k3s.agent_token.take(), reader);
    let boards = boards(&mut file, nodes.as_ref(), reader);
    let datastore = datastore(&mut file, reader);
    let users = access::users(file.users, reader);
    let registries = file.registries.map(|table| access::registries(table, reader));
    let images =
        file.images.drain(..).filter_map(|table| access::image(table.into_inner(), reader)).collect();
    let charts =
        file.charts.drain(..).filter_map(|table| access::chart(table.into_inner(), reader)).collect();
    let packages = file.packages.drain(..).filter_map(access::package).collect();
    let manifests = file.manifests.iter().filter_map(|field| access::manifest(field, reader)).collect();

    let (nodes, api, domain) = (nodes?, bare(file.api), bare(file.network.domain));
    if joins && existing.is_none() {
        return None;
    }
    let api_host = match &existing {
        Some(existing) => existing.server.host().clone(),
        None => api_host(api.as_ref(), &nodes, domain.as_ref())?,
    };
    let mut cluster = Cluster {
        name: file.name?.value,
        join: existing,
        api_host,
        api,
        tls_san: all(file.tls_san),
        time_zone: bare(file.time_zone),
        k3s: k3s(file.k3s, tokens),
        datastore: datastore?,
        ntp: all(file.network.ntp),
        domain,
        nodes,
        boards,
        users,
        status_page: status_page(file.report),
        registries,
        manifests,
        images,
        charts,
        packages,
        overlays: Vec::new(),
        overlay_manifests: Vec::new(),
        modules: Vec::new(),
        sysctls: BTreeMap::new(),
        online: bare(file.online).unwrap_or(false),
    };
    overlays::add(&mut cluster, tables, loaded, &own, reader);
    Some(cluster)
}

fn status_page(table: ReportTable) -> Option<StatusPage> {
    let minutes = bare(table.minutes_after_ready).unwrap_or(StatusPage::DEFAULT_MINUTES);
    bare(table.http).unwrap_or(true).then_some(StatusPage { minutes_after_ready: minutes })
}

fn api_host(api: Option<&Host>, nodes: &Nodes, domain: Option<&DomainName>) -> Option<Host> {
    let first = nodes.init_server()?;
    let given = api.cloned().or_else(|| first.network.static_address().map(Host::Address));
    given.or_else(|| domain.unwrap_or(&DomainName::local()).host(&first.name).map(Host::Name))
}

fn k3s(table: K3sTable, tokens: OwnTokens) -> K3s {
    let settings = |entries: super::field::Entries<super::field_type::SettingKey, Field<Setting>>| {
        Settings(entries.0.into_iter().map(|(key, value)| (key.value.0, value.value)).collect())
    };
    let passed_on = [
        ("cluster-domain", bare(table.cluster_domain).map(|domain| Setting::Text(domain.to_string()))),
        ("secrets-encryption", bare(table.secrets_encryption).filter(|on| *on).map(Setting::Switch)),
    ];
    K3s {
        version: bare(table.version).unwrap_or(K3sVersionReq::Channel("stable".to_owned())),
        flannel_backend: bare(table.flannel_backend).unwrap_or(FlannelBackend::Vxlan),
        disable: all(table.disable),
        cluster_cidr: all(table.cluster_cidr),
        service_cidr: all(table.service_cidr),
        passed_on: passed_on.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        kubeconfig_mode: bare(table.kubeconfig_mode),
        tokens,
        server: settings(table.server),
        agent: settings(table.agent),
    }
}

fn datastore(file: &mut File, reader: &mut Reader<'_, '_>) -> Option<Datastore> {
    let kind = file.k3s.datastore.as_ref().map_or(DatastoreKind::Sqlite, |field| field.value);
    let external = file.external_datastore.take().and_then(|table| {
        let client = reader.client(table.cert_file.as_ref(), table.key_file.as_ref());
        let ca = table.ca_file.as_ref().and_then(|field| reader.certificate(field));
        let field = table.endpoint?;
        let span = field.span.clone();
        let endpoint = reader.secret(field)?;
        if table.ca_file.is_some() || table.cert_file.is_some() {
            endpoint.contradicts_files().into_iter().for_each(|error| reader.problems.invalid(&span, error));
        }
        if table.ca_file.is_none() && !endpoint.verifies() {
            reader.problems.warning(
                &span,
                "k3s does not verify this database: a machine in its place gets the password, and the Secrets of the cluster",
                "set `ca-file` to the CA that has signed the certificate of the database",
            );
        }
        Some(External { endpoint, ca, client })
    });
    Some(match kind {
        DatastoreKind::Sqlite => Datastore::Sqlite,
        DatastoreKind::Etcd => Datastore::Etcd,
        DatastoreKind::External => Datastore::External(Box::new(external?)),
    })
}

/// The boards of the nodes, each with its base image.
fn boards(
    file: &mut File,
    nodes: Option<&Nodes>,
    reader: &mut Reader<'_, '_>,
) -> BTreeMap<String, BoardChoice> {
    let mut bases: BTreeMap<String, Base> = BTreeMap::new();
    for (name, table) in std::mem::take(&mut file.boards.0) {
        let Some(field) = table.base else { continue };
        match base(&field.value.0, reader.context.dir) {
            Ok(base) => {
                bases.insert(name.value.0, base);
            }
            Err(refusal) => reader.problems.invalid(&field.span, refusal),
        }
    }
    let used = nodes.into_iter().flat_map(Nodes::iter).map(|node| &node.board);
    used.filter_map(|name| {
        let profile = reader.context.boards.get(name).ok()?.clone();
        Some((name.clone(), BoardChoice { profile, base: bases.get(name).cloned() }))
    })
    .collect()
}

fn base(text: &str, dir: &Path) -> Result<Base, InvalidValue> {
    if !text.contains("://") {
        return Ok(Base::File(dir.join(text)));
    }
    let url = text.parse::<SourceUrl>();
    url.map(Base::Url).map_err(|error| InvalidValue::new(error.to_string(), "use an https address or a file"))
}
