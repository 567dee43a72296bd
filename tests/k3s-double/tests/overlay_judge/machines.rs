//! The processes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok, which plays the nodes.

use std::process::Child;

use crate::control_plane::{ControlPlane, end, ports, program};

/// What a node has: memory as it is built, and what k3s leaves of it to pods.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) capacity: &'static str,
    pub(crate) allocatable: &'static str,
}

/// All processes; they end with the test.
pub(crate) struct Machines {
    pub(crate) plane: ControlPlane,
    others: Vec<Child>,
}

impl Machines {
    #[allow(dead_code, reason = "one of two tests uses it")]
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// The same with other files than those of the control plane, which `prepare` writes.
    pub(crate) fn start_with(prepare: impl FnOnce(&ControlPlane)) -> Self {
        let mut plane = ControlPlane::new();
        prepare(&plane);
        plane.start_with(&[]);
        let [kwok_port] = ports();
        let kwok = [
            ("kubeconfig", plane.kubeconfig().display().to_string()),
            ("config", program("HCIMAGE_KWOK_STAGES").display().to_string()),
            ("manage-all-nodes", "true".to_owned()),
            ("node-lease-duration-seconds", "40".to_owned()),
            ("server-address", format!("127.0.0.1:{kwok_port}")),
        ];
        let mut others = Vec::from(plane.start_controllers(&[]));
        others.push(plane.spawn("HCIMAGE_KWOK", "kwok.log", &kwok));
        Self { plane, others }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for child in self.others.drain(..).rev() {
            end(Some(child));
        }
    }
}
