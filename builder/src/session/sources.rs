//! From sources to inputs: resolved, locked, fetched, verified and probed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::board::{Board, Boards};
use crate::charts::{self, PackedChart};
use crate::cluster::{self, Cluster, ImageSource, Node, RegistryAuth, check_base};
use crate::images::{
    self, Credentials, ImageBundle, Login, Mirror, NameRewrites, RegistryAccess, RegistryHosts,
};
use crate::packages::{self, AptBase, BoardPackages, PackageError, PackageRequest, PackageSet};
use crate::payload;
use crate::pipeline::Base;
use crate::plan::{Plan, ReadFolder, Request};
use crate::progress::Progress;
use crate::source::base::{self, BaseSource, UnpackedBase};
use crate::source::k3s_release::{self, K3sBundle, K3sSource};
use crate::source::k3s_version::{K3sVersion, K3sVersionReq};
use crate::source::lock::Lock;
use crate::source::url::SourceUrl;
use crate::value::BootstrapRole;

use super::folders;
use super::project::{ProjectSecrets, clock};
use super::{Project, Session, SessionError};

/// Where the inputs come from, besides what the cluster file and the board profiles say.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The base image of every board for which the cluster file names none.
    pub base: Option<PathBuf>,
    /// The k3s release; none takes the cluster's.
    pub k3s: Option<K3sChoice>,
    /// The lock file: what was resolved is kept there.
    pub lock: PathBuf,
    /// Whether the lock must have everything already.
    pub locked: bool,
    /// The k3s releases, or a mirror with their layout.
    pub k3s_releases: SourceUrl,
    /// The k3s channel server, or a mirror.
    pub k3s_channels: SourceUrl,
    /// The build time in seconds since 1970; none takes that of the last write of each base image.
    pub build_time: Option<i64>,
}

/// A k3s release that takes the place of the cluster's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum K3sChoice {
    /// A directory with the files of a release.
    Dir {
        /// The directory.
        path: PathBuf,
        /// The version; none takes it from the directory's name.
        version: Option<K3sVersion>,
    },
    /// A version or channel.
    Release(K3sVersionReq),
}

/// A board's inputs, on this machine and verified.
pub(super) struct BoardInputs {
    pub(super) base: Base,
    pub(super) k3s: K3sBundle,
    /// The images of its nodes, by where they come from.
    images: BTreeMap<Vec<ImageSource>, ImageBundle>,
    /// What nodes get of the base's distribution, by what was asked for.
    packages: BTreeMap<Vec<PackageRequest>, PackageSet>,
    firstboot: &'static [u8],
    /// The build time in seconds since 1970.
    pub(super) time: i64,
    /// What the base says of it.
    written: i64,
    /// The image as it was obtained. One that must not be kept is removed with this.
    pub(super) unpacked: UnpackedBase,
}

impl BoardInputs {
    /// The user's container images that the node gets.
    pub(super) fn images_of(&self, cluster: &Cluster, node: &Node) -> Option<&ImageBundle> {
        self.images.get(&cluster.image_sources(node))
    }

    /// What the node gets of the base's distribution.
    pub(super) fn packages_of(&self, cluster: &Cluster, node: &Node) -> &PackageSet {
        static NONE: PackageSet = PackageSet(Vec::new());
        self.packages.get(&cluster.package_requests(node)).unwrap_or(&NONE)
    }
}

/// A project with the inputs of all its boards, by the board's name.
pub(super) struct Prepared<'a> {
    pub(super) project: &'a Project,
    pub(super) boards: BTreeMap<&'a str, BoardInputs>,
    /// In the order of the cluster's.
    pub(super) charts: Vec<PackedChart>,
    /// Folders of the user's that overlays put onto nodes.
    pub(super) folders: Vec<ReadFolder>,
}

/// A node's plan, and what it was made from.
pub(super) struct PlannedNode<'a> {
    pub(super) inputs: &'a BoardInputs,
    pub(super) plan: Plan,
    pub(super) warnings: Vec<String>,
}

impl Session {
    /// Obtains what each board is built from. Bases first: one that cannot be used is found before k3s is fetched.
    pub(super) fn prepare<'a>(
        &self,
        project: &'a Project,
        sources: &Sources,
    ) -> Result<Prepared<'a>, SessionError> {
        let mut lock = Lock::load(&sources.lock)?.frozen(sources.locked);
        self.prepare_with(project, sources, &mut lock)
    }

    /// The same with a lock that is read already.
    pub(super) fn prepare_with<'a>(
        &self,
        project: &'a Project,
        sources: &Sources,
        lock: &mut Lock,
    ) -> Result<Prepared<'a>, SessionError> {
        let cx = self.cx();
        // What cannot be cleared away is no reason not to build.
        let _ = cx.cache.clear_leftovers(cx.progress);
        // Somebody's own takes the place of one that is compiled in.
        for active in &project.cluster.overlays {
            if let Some(dir) = &active.overlay.dir {
                cx.progress.message(&format!("overlay {} from {dir}", active.name()));
            }
        }
        let mut wanted = Vec::new();
        for (name, choice) in &project.cluster.boards {
            wanted.push((name, &choice.profile, sources.base_of(&choice.profile, choice.base.as_ref())?));
        }
        let mut bases = Vec::new();
        for (name, board, source) in wanted {
            self.tell_foreign_host(name, &source);
            // The keys of the profile are for the image that it names.
            let default = board.base.as_ref().filter(|base| source == BaseSource::Url(base.url.clone()));
            let keys = default.and_then(|base| base.signed_by.as_ref());
            let obtained = base::obtain(&cx, &source, keys, &format!("base.{name}"), lock)?;
            let shown = match &source {
                BaseSource::File(path) => path.display().to_string(),
                BaseSource::Url(_) => obtained.name.clone(),
            };
            bases.push((board, Base::probe(obtained.image.clone(), shown)?, obtained));
        }
        let folders = folders::read(&cx, &project.cluster)?;
        let k3s = sources.k3s_of(&project.cluster);
        let hosts = registry_hosts(&project.cluster, cx.progress);
        let mut charts = Vec::new();
        for chart in &project.cluster.charts {
            charts.push(charts::obtain(&cx, lock, &hosts, chart.release.as_str(), &chart.place)?);
        }
        let mut by_arch: BTreeMap<&'static str, (K3sBundle, BTreeMap<_, _>)> = BTreeMap::new();
        let mut boards = BTreeMap::new();
        for (board, base, unpacked) in bases {
            let arch = board.architecture;
            let (k3s, images) = match by_arch.get(arch.debian()) {
                Some(obtained) => obtained.clone(),
                None => {
                    let k3s = k3s_release::obtain(&cx, &k3s, arch, lock)?;
                    let sets = image_sets(&project.cluster, board);
                    let images = images::bundles(&cx, lock, &hosts, &sets, arch)?;
                    by_arch.insert(arch.debian(), (k3s.clone(), images.clone()));
                    (k3s, images)
                }
            };
            check_base(&k3s.version, base.facts())?;
            let written = sources.build_time.unwrap_or(base.facts().written);
            let time = match sources.build_time {
                Some(time) => time,
                None => self.plausible_time(&board.name, written)?,
            };
            let firstboot = payload::firstboot(arch)?;
            let packages = self.packages(project, board, &base, lock)?;
            boards.insert(
                board.name.as_str(),
                BoardInputs { base, unpacked, k3s, images, packages, firstboot, time, written },
            );
        }
        Ok(Prepared { project, boards, charts, folders })
    }

    /// Packages for the nodes with this board.
    fn packages(
        &self,
        project: &Project,
        board: &Board,
        base: &Base,
        lock: &mut Lock,
    ) -> Result<BTreeMap<Vec<PackageRequest>, PackageSet>, SessionError> {
        let cluster = &project.cluster;
        let nodes = cluster.nodes.iter().filter(|node| node.board == board.name);
        let mut requests: BTreeSet<Vec<PackageRequest>> =
            nodes.map(|node| cluster.package_requests(node)).collect();
        requests.remove(&Vec::new());
        if requests.is_empty() {
            return Ok(BTreeMap::new());
        }
        let invalid = |problem| PackageError::Invalid { board: board.name.clone(), problem };
        let apt = AptBase::read(&base.tree()?, board.architecture.debian()).map_err(invalid)?;
        let now = clock(0)?.now;
        let of = BoardPackages { board: &board.name, base: &apt, now };
        Ok(packages::obtain(&self.cx(), lock, &of, &requests)?)
    }

    /// Names a server that the cluster file or a profile of the user's names for a base, and hcimage does not know.
    fn tell_foreign_host(&self, board: &str, source: &BaseSource) {
        let BaseSource::Url(url) = source else { return };
        let host = url.host();
        if !Boards::names_host(&host) {
            let message = format!(
                "warning: the base for {board} comes from {host}, which is no publisher that hcimage knows; its own \
                 checksum file is all that vouches for it"
            );
            self.cx().progress.message(&message);
        }
    }

    /// The time of the newest file in a base, which becomes that of the image's files and the earliest that its clock may
    /// show. A base from the future would set the clocks of nodes wrong for good: then it is the time of this machine.
    fn plausible_time(&self, board: &str, written: i64) -> Result<i64, SessionError> {
        const DAY: i64 = 24 * 3600;
        let now = clock(written)?.now;
        if written <= now.saturating_add(DAY) {
            return Ok(written);
        }
        let message = format!(
            "warning: the base for {board} says it was written {} days from now: the time of this machine is taken for \
             its files and as the earliest time of the node's clock; check that time, or set SOURCE_DATE_EPOCH",
            written.saturating_sub(now) / DAY
        );
        self.cx().progress.message(&message);
        Ok(now)
    }
}

impl Sources {
    /// The cluster file's base, else the one given here, else the profile's.
    fn base_of(&self, board: &Board, chosen: Option<&cluster::Base>) -> Result<BaseSource, SessionError> {
        match (chosen, &self.base, &board.base) {
            (Some(cluster::Base::File(path)), _, _) | (None, Some(path), _) => {
                Ok(BaseSource::File(path.clone()))
            }
            (Some(cluster::Base::Url(url)), _, _) => Ok(BaseSource::Url(url.clone())),
            (None, None, Some(base)) => Ok(BaseSource::Url(base.url.clone())),
            (None, None, None) => Err(SessionError::NoBase { board: board.name.clone() }),
        }
    }

    fn k3s_of(&self, cluster: &Cluster) -> K3sSource {
        let wanted = match &self.k3s {
            Some(K3sChoice::Dir { path, version }) => {
                return K3sSource::Dir { path: path.clone(), version: version.clone() };
            }
            Some(K3sChoice::Release(wanted)) => wanted.clone(),
            None => cluster.k3s.version.clone(),
        };
        let (releases_url, channels_url) = (self.k3s_releases.clone(), self.k3s_channels.clone());
        K3sSource::Release { wanted, releases_url, channels_url }
    }
}

/// The different sets of images that nodes with the processor of this board get.
fn image_sets(cluster: &Cluster, board: &Board) -> BTreeSet<Vec<ImageSource>> {
    let has_it = |node: &&Node| {
        cluster
            .boards
            .get(&node.board)
            .is_some_and(|choice| choice.profile.architecture == board.architecture)
    };
    cluster.nodes.iter().filter(has_it).map(|node| cluster.image_sources(node)).collect()
}

/// What the cluster file says of registries, for fetching from them.
pub(super) fn registry_hosts(cluster: &Cluster, progress: &dyn Progress) -> RegistryHosts {
    let mut hosts = RegistryHosts::default();
    let Some(registries) = &cluster.registries else { return hosts };
    for (name, mirror) in &registries.mirrors {
        let rewrites = mirror.rewrite.iter().map(|(pattern, to)| (pattern.as_str(), to.as_str()));
        // Patterns that cannot be used were told of when the file was read, and so were addresses without TLS.
        let mirrors = NameRewrites::new(rewrites).map_or_else(
            |_| Vec::new(),
            |rewrites| {
                mirror.endpoints.iter().filter_map(|url| Mirror::new(url, rewrites.clone()).ok()).collect()
            },
        );
        hosts.mirrors.insert(name.to_string(), mirrors);
    }
    for (name, access) in &registries.access {
        let credentials = access.auth.as_ref().map(|auth| match auth {
            RegistryAuth::Password { username, password } => {
                Credentials::Password(Login { username: username.clone(), password: password.clone() })
            }
            RegistryAuth::Token(token) => Credentials::IdentityToken(token.clone()),
        });
        if access.insecure_skip_verify {
            progress.message(&format!(
                "warning: the certificate of {name} is verified while building: what is locked goes onto every node"
            ));
        }
        hosts.access.insert(name.to_string(), RegistryAccess { credentials, ca: access.ca.clone() });
    }
    hosts
}

impl Prepared<'_> {
    /// The node's plan, the inputs of its board, and what the user should know of them.
    pub(super) fn plan(
        &self,
        node: &Node,
        secrets: Option<&ProjectSecrets>,
    ) -> Result<PlannedNode<'_>, SessionError> {
        let found = self.boards.get(node.board.as_str()).zip(self.project.cluster.boards.get(&node.board));
        let (inputs, choice) = found.ok_or_else(|| SessionError::NoInputs { board: node.board.clone() })?;
        let clock_floor = self.clock_floor(secrets);
        // The others get nothing of them.
        let is_first = node.bootstrap_role == BootstrapRole::InitServer;
        let filled = secrets.filter(|_| is_first).map(|secrets| secrets.fill(&self.project.cluster));
        let overlays = filled.transpose()?.unwrap_or_default();
        let secrets = secrets.map(|secrets| secrets.of_node(&self.project.cluster, node)).transpose()?;
        let request = Request {
            cluster: &self.project.cluster,
            node,
            board: &choice.profile,
            secrets: secrets.as_ref(),
            k3s: &inputs.k3s,
            images: inputs.images_of(&self.project.cluster, node),
            charts: &self.charts,
            overlays: &overlays,
            folders: &self.folders,
            packages: inputs.packages_of(&self.project.cluster, node),
            firstboot: inputs.firstboot,
            time: inputs.time,
            clock_floor,
        };
        let failed = |error| SessionError::Node { node: node.name.clone(), source: Box::new(error) };
        let plan = inputs.base.plan(&request).map_err(failed)?;
        Ok(PlannedNode { inputs, plan, warnings: inputs.base.warnings(&request) })
    }

    /// The floor of the clock, for all nodes of the cluster the same: what the first server signs at its floor is then valid on
    /// every node. It is the latest time of which the inputs say that it is over, so a rebuild has the same.
    fn clock_floor(&self, secrets: Option<&ProjectSecrets>) -> i64 {
        let bases = self.boards.values().map(|board| board.time).max();
        bases.max(secrets.and_then(ProjectSecrets::made_at)).unwrap_or_default()
    }

    /// The earliest build time of all boards: the certificates must be valid by then.
    pub(super) fn earliest(&self) -> i64 {
        self.boards.values().map(|board| board.written).min().unwrap_or_default()
    }
}
