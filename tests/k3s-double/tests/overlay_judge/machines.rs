//! The processes: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and kwok, which plays the nodes.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use hcimage::cluster::{Checked, Setting};

use crate::control_plane::{ControlPlane, end, ports, program};

/// What a node has: memory as it is built, and what k3s leaves of it to pods.
#[derive(Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) capacity: &'static str,
    pub(crate) allocatable: &'static str,
}

/// Who did what, as the API server writes it down.
pub(crate) const AUDIT_LOG: &str = "audit.log";

/// All processes; they end with the test.
pub(crate) struct Machines {
    pub(crate) plane: ControlPlane,
    others: Vec<Child>,
}

impl Machines {
    #[allow(dead_code, reason = "one of two tests uses it")]
    pub(crate) fn start() -> Self {
        Self::start_as(&[], &[], ControlPlane::new())
    }

    /// With the arguments and files that a cluster's overlays give to the API server and the controllers.
    pub(crate) fn start_hardened(checked: &Checked) -> Self {
        let plane = ControlPlane::new();
        let files = checked.cluster.overlays.iter().flat_map(|active| &active.needs.files);
        let mut there: Vec<(&str, PathBuf)> = Vec::new();
        for file in files {
            let path = plane.path(&file.path.replace('/', "-"));
            fs::write(&path, &file.text).unwrap();
            there.push((&file.path, path));
        }
        let arguments = |key: &str| -> Vec<(&str, String)> {
            let Some(Setting::List(items)) = checked.cluster.k3s.server.0.get(key) else {
                panic!("the overlays give no {key}")
            };
            let split = |item: &'_ String| {
                let (name, value) = item.split_once('=').unwrap();
                // Files of the node are in the directory of the test, and so is the log.
                let value = there.iter().find(|(path, _)| *path == value).map_or_else(
                    || match name {
                        "audit-log-path" => plane.path(AUDIT_LOG).display().to_string(),
                        _ => {
                            assert!(!value.starts_with('/'), "nothing makes {value} on the node");
                            value.to_owned()
                        }
                    },
                    |(_, path)| path.display().to_string(),
                );
                (String::leak(name.to_owned()) as &str, value)
            };
            items.iter().map(split).collect()
        };
        let (api, controllers) = (arguments("kube-apiserver-arg"), arguments("kube-controller-manager-arg"));
        Self::start_as(&api, &controllers, plane)
    }

    /// The same with other files than those of the control plane, which `prepare` writes.
    #[allow(dead_code, reason = "one of two tests uses it")]
    pub(crate) fn start_with(prepare: impl FnOnce(&ControlPlane)) -> Self {
        let plane = ControlPlane::new();
        prepare(&plane);
        Self::start_as(&[], &[], plane)
    }

    fn start_as(api: &[(&str, String)], controllers: &[(&str, String)], mut plane: ControlPlane) -> Self {
        plane.start_with(api);
        let [kwok_port] = ports();
        let kwok = [
            ("kubeconfig", plane.kubeconfig().display().to_string()),
            ("config", program("HCIMAGE_KWOK_STAGES").display().to_string()),
            ("manage-all-nodes", "true".to_owned()),
            ("node-lease-duration-seconds", "40".to_owned()),
            ("server-address", format!("127.0.0.1:{kwok_port}")),
        ];
        let mut others = Vec::from(plane.start_controllers(controllers));
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
