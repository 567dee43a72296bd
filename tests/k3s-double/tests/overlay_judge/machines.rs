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
    pub(crate) fn start() -> Self {
        let mut plane = ControlPlane::new();
        plane.start_with(&[]);
        let file = |name: &str| plane.path(name).display().to_string();
        let [kwok_port] = ports();
        let kubeconfig = ("kubeconfig", plane.kubeconfig().display().to_string());
        let served = [
            kubeconfig.clone(),
            ("authentication-kubeconfig", kubeconfig.1.clone()),
            ("authorization-kubeconfig", kubeconfig.1.clone()),
            ("leader-elect", "false".to_owned()),
            ("secure-port", "0".to_owned()),
        ];
        let mut controllers = served.to_vec();
        controllers.extend([
            ("service-account-private-key-file", file("sa.key")),
            ("root-ca-file", file("server-ca.crt")),
            ("use-service-account-credentials", "false".to_owned()),
        ]);
        let kwok = [
            kubeconfig,
            ("config", program("HCIMAGE_KWOK_STAGES").display().to_string()),
            ("manage-all-nodes", "true".to_owned()),
            ("node-lease-duration-seconds", "40".to_owned()),
            ("server-address", format!("127.0.0.1:{kwok_port}")),
        ];
        let others = vec![
            plane.spawn("HCIMAGE_KUBE_CONTROLLER_MANAGER", "controllers.log", &controllers),
            plane.spawn("HCIMAGE_KUBE_SCHEDULER", "scheduler.log", &served),
            plane.spawn("HCIMAGE_KWOK", "kwok.log", &kwok),
        ];
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
