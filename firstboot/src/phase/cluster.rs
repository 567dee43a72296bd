//! The cluster's API, as this node may use it.

use std::path::Path;
use std::time::Duration;

use crate::context::Context;
use crate::kube::{Access, Client, KubeError};

/// The kubeconfig of the administrator, on every server.
const SERVER_CONFIG: &str = "/etc/rancher/k3s/k3s.yaml";

/// The kubeconfig of an agent's kubelet, which may read its own Node. It names the load balancer on 127.0.0.1.
const AGENT_CONFIG: &str = "/var/lib/rancher/k3s/agent/kubelet.kubeconfig";

/// The longest pause between two looks at the cluster while it sets itself up.
pub(super) const PAUSE: Duration = Duration::from_secs(15);

/// A client with the credentials of this node, for the rest of the phase.
pub(super) fn client<'a>(cx: &Context<'a>) -> Result<Client<'a>, KubeError> {
    let config = if cx.seed.role.is_agent() { AGENT_CONFIG } else { SERVER_CONFIG };
    Ok(Client::new(cx.sys, Access::load(cx.sys, Path::new(config))?, cx.deadline))
}
