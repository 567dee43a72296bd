//! The overlays of a project for a cluster that runs: the same texts as in an image, and charts by what the API can give.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::charts::{self, ChartRepo, PackedChart};
use crate::cluster::{Chart, ChartOverlay};
use crate::formats::helm_chart::{self, HelmChart, LONGEST_CONTENT, Source};
use crate::live::{LiveError, LiveOverlay, ManifestFile};
use crate::overlays::record::{Origin, Record};
use crate::overlays::{ActiveOverlay, NeededChart};
use crate::plan::FilledOverlay;
use crate::secrets::{NOT_BEFORE, store};
use crate::source::lock::Lock;
use crate::value::DnsLabel;

use super::project::{ProjectSecrets, clock};
use super::sources::registry_hosts;
use super::{Project, Session, SessionError};

impl Project {
    /// The CAs that verify the cluster's API, PEM, and the secrets file that they are kept in.
    ///
    /// # Errors
    /// When there is no secrets file, as before the first build.
    pub fn authority(&self) -> Result<(String, PathBuf), SessionError> {
        let file = self.built_secrets()?;
        let secrets = store::peek(&file, self.wanted(), &self.node_names(), clock(NOT_BEFORE)?)?;
        Ok((secrets.server_ca().to_owned(), file))
    }

    /// The secrets file, which a build has made: new secrets would be those of another cluster.
    fn built_secrets(&self) -> Result<PathBuf, SessionError> {
        let file = self.secrets_file().ok_or(SessionError::NoSecrets)?;
        if file.exists() && self.cluster.join.is_none() {
            return Ok(file);
        }
        let problem = format!(
            "there is no {}: `hcimage build` makes it, and it has the secrets of the cluster that was built with it",
            file.display()
        );
        Err(LiveError::Unknown(problem).into())
    }
}

impl Session {
    /// The overlays with these names, or all, with the charts that `lock` has or gets. Passwords that are not there yet are made: in memory only, unless `keep`.
    ///
    /// # Errors
    /// When there is no secrets file, as before the first build, or a chart cannot be had.
    pub fn live_overlays(
        &self,
        project: &Project,
        lock: &Path,
        only: &[DnsLabel],
        keep: bool,
    ) -> Result<Vec<LiveOverlay>, SessionError> {
        let secrets_file = project.built_secrets()?;
        let (nodes, clock) = (project.node_names(), clock(NOT_BEFORE)?);
        let secrets = match keep {
            true => store::open(&secrets_file, project.wanted(), &nodes, clock)?.secrets,
            false => store::peek(&secrets_file, project.wanted(), &nodes, clock)?,
        };
        let filled = ProjectSecrets::Own(Box::new(secrets)).fill(&project.cluster)?;
        let mut lock = Lock::load(lock)?;
        let hosts = registry_hosts(&project.cluster, self.cx().progress);
        let mut overlays = Vec::new();
        for (active, filled) in project.cluster.overlays.iter().zip(&filled) {
            if !only.is_empty() && !only.contains(active.name()) {
                continue;
            }
            let mut packed = Vec::new();
            for needed in &active.needs.charts {
                let of = project.cluster.charts.iter().find(|chart| is_of(chart, active, needed));
                let Some(chart) = of else { continue };
                let got =
                    charts::obtain(&self.cx(), &mut lock, &hosts, chart.release.as_str(), &chart.place)?;
                packed.push((chart, needed, got));
            }
            overlays.push(overlay(active, filled, &packed, project.cluster.online)?);
        }
        Ok(overlays)
    }
}

fn is_of(chart: &Chart, active: &ActiveOverlay, needed: &NeededChart) -> bool {
    let is_ours = |overlay: &ChartOverlay| overlay.name == *active.name();
    chart.release == needed.release && chart.overlay.as_ref().is_some_and(is_ours)
}

fn overlay(
    active: &ActiveOverlay,
    filled: &FilledOverlay,
    charts: &[(&Chart, &NeededChart, PackedChart)],
    may_pull: bool,
) -> Result<LiveOverlay, SessionError> {
    let mut on_disk: Vec<(String, String)> =
        filled.texts.files.iter().map(|file| (file.name.clone(), file.text.clone())).collect();
    let mut by_api = on_disk.clone();
    let (mut chart_sources, mut lacking) = (Vec::new(), Vec::new());
    for (chart, needed, packed) in charts {
        let name = format!("{}.yaml", chart.addon());
        let object = |source| {
            let secret = needed.secret_values.as_ref().and_then(|file| filled.texts.values.get(file));
            helm_chart::render(&HelmChart {
                release: chart.release.as_str(),
                source,
                namespace: chart.namespace.as_str(),
                values: chart.values.as_deref(),
                secret_values: secret.map(String::as_str),
                failure_policy: chart.failure_policy,
                bootstrap: chart.bootstrap,
            })
        };
        on_disk.push((name.clone(), object(Source::Served(&packed.archive.name))));
        let path = &packed.archive.path;
        let bytes = fs::read(path)
            .map_err(|error| LiveError::Unknown(format!("reading {}: {error}", path.display())))?;
        let content = STANDARD.encode(bytes);
        let shown = format!("chart {} {}", chart.release, packed.version);
        let size = packed.archive.size.div_ceil(1024);
        if content.len() <= LONGEST_CONTENT {
            by_api.push((name, object(Source::Content(&content))));
            chart_sources.push(format!("{shown}: packed, {size} KiB, in its object"));
        } else {
            let version = needed.version.as_str();
            let (text, place) = match &needed.repo {
                ChartRepo::Http(url) => {
                    let (repo, chart) = (url.to_string(), needed.chart.as_str());
                    (object(Source::Repository { repo: &repo, chart, version }), repo)
                }
                ChartRepo::Oci(prefix) => {
                    let place = format!("oci://{prefix}/{}", needed.chart.as_str());
                    (object(Source::Registry { chart: &place, version }), place)
                }
            };
            if !may_pull {
                lacking.push(format!(
                    "{shown} on the disks of the servers: it has {size} KiB, too much for an object, and nodes may not fetch it \
                     (`online = true` lets them)"
                ));
            }
            by_api.push((name, text));
            chart_sources.push(format!(
                "{shown}: {size} KiB, too much for an object; the cluster fetches it from {place}"
            ));
        }
    }
    on_disk.sort();
    by_api.sort();
    let files =
        by_api.iter().map(|(name, text)| ManifestFile::new(name, text)).collect::<Result<_, LiveError>>()?;
    let release = |chart: &NeededChart| format!("{}/{}", helm_chart::NAMESPACE, chart.release).parse().ok();
    Ok(LiveOverlay {
        name: active.name().clone(),
        files,
        on_disk,
        record: Record::of(active, Origin::Api),
        promises: active.promises(),
        charts: active.needs.charts.iter().filter_map(release).collect(),
        images: active.needs.images.iter().map(|image| image.name.clone()).collect(),
        chart_sources,
        lacking,
    })
}
