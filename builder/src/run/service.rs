//! What is reached of the nodes of a run.

use super::node_image::NodeImage;

/// What a node offers on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// A shell.
    Ssh,
    /// The API of the cluster.
    Api,
    /// What Traefik serves.
    Http,
    /// The same by TLS.
    Https,
}

impl Service {
    /// Where a node listens for it.
    pub fn port(self) -> u16 {
        match self {
            Self::Ssh => 22,
            Self::Api => 6443,
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// What is reached of each node: a shell of all, the API of the first server, and what Traefik serves of the first agent,
/// since servers may be kept free of pods; of the first server where there is no agent.
pub(super) fn services(images: &[NodeImage]) -> Vec<Vec<Service>> {
    let server = images.iter().position(NodeImage::is_server);
    let web = images.iter().position(|node| !node.is_server()).or(server);
    let of = |number: usize| {
        let mut services = vec![Service::Ssh];
        if server == Some(number) {
            services.push(Service::Api);
        }
        if web == Some(number) {
            services.extend([Service::Http, Service::Https]);
        }
        services
    };
    (0..images.len()).map(of).collect()
}
