//! The node: etcd, API server, controllers, scheduler, kubelet, containerd, kube-proxy, and kube-router for network policies, which
//! k3s has built in. Debian's containerd and runc are older than those of k3s.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked;
use serde_json::{Value, json};

use crate::api::Api;
use crate::apply;
use crate::card::Card;
use crate::control_plane::{self, ControlPlane, end};
use crate::lan::NODE;
use crate::objects::File;
use crate::{LIMIT, built, images, programs, wait};

/// Below it are the control groups of the pods, in each hierarchy.
const GROUPS: &str = "hcimage-node-judge";

/// What stands for k3s' packaged components.
const COMPONENTS: &str = include_str!("components.yaml");

/// The kubelet's own: nothing else is in this network.
const HEALTH: u16 = 10248;

pub(crate) const NAME: &str = "lab-1";

pub(crate) struct Node {
    plane: ControlPlane,
    pub(crate) api: Api,
    dir: PathBuf,
    /// The API's clients, which stay.
    others: Vec<Child>,
    /// What a reboot ends.
    of_the_machine: Vec<Child>,
}

impl Drop for Node {
    fn drop(&mut self) {
        for child in self.of_the_machine.drain(..).chain(self.others.drain(..)) {
            end(Some(child));
        }
    }
}

impl Node {
    pub(crate) fn start(scratch: &Path, card: &Card) -> Self {
        let dir = scratch.join("node");
        for name in ["logs", "cni", "cni-state", "kubelet", "srv"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        own_mounts(&dir);
        for (path, value) in [
            ("net/ipv4/ip_forward", "1"),
            ("net/bridge/bridge-nf-call-iptables", "1"),
            ("net/ipv4/conf/all/route_localnet", "1"),
        ] {
            fs::write(Path::new("/proc/sys").join(path), value).unwrap();
        }
        make_directories(card);
        let mut plane = ControlPlane::new();
        let file = |plane: &ControlPlane, name: &str| plane.path(name).display().to_string();
        plane.start_with(&[
            ("bind-address", "0.0.0.0".into()),
            ("advertise-address", NODE.into()),
            ("kubelet-preferred-address-types", "InternalIP".into()),
            ("kubelet-client-certificate", file(&plane, "admin.crt")),
            ("kubelet-client-key", file(&plane, "admin.key")),
        ]);
        let others = plane
            .start_controllers(&[
                ("allocate-node-cidrs", "true".into()),
                ("cluster-cidr", "10.42.0.0/16".into()),
            ])
            .into();
        let api = Api::new(&plane);
        let mut node = Self { plane, api, dir, others, of_the_machine: Vec::new() };
        node.write_configuration();
        node.boot();
        for archive in &card.archives {
            run(node.ctr().args(["images", "import"]).arg(archive));
        }
        node.ready();
        node.serve_charts(card);
        node
    }

    /// Starts what the machine runs, as its boot does.
    fn boot(&mut self) {
        let path = self.search_path();
        let containerd = programs().join("usr/bin/containerd");
        self.spawn(
            "containerd",
            Command::new(containerd).arg("--config").arg(self.dir.join("containerd.toml")).env("PATH", &path),
        );
        wait("containerd", LIMIT, || {
            let said = outcome(self.ctr().arg("version"));
            if said.status.success() { Ok(()) } else { Err(self.log("containerd")) }
        });
        self.start_kubelet(&path);
        let kubeconfig = self.plane.path("kubeconfig");
        let kubeconfig = kubeconfig.display();
        self.spawn(
            "kube-proxy",
            Command::new(control_plane::program("HCIMAGE_KUBE_PROXY"))
                .args([format!("--kubeconfig={kubeconfig}"), format!("--hostname-override={NAME}")])
                .args(["--cluster-cidr=10.42.0.0/16", "--proxy-mode=iptables", "--conntrack-max-per-core=0"]),
        );
        // It ends where the node is not there yet.
        wait("the node to be there", LIMIT, || {
            self.api.get(&format!("/api/v1/nodes/{NAME}")).map(|_| ()).ok_or_else(|| self.log("kubelet"))
        });
        self.spawn(
            "kube-router",
            Command::new(built("kube-router"))
                .args([format!("--kubeconfig={kubeconfig}"), format!("--hostname-override={NAME}")])
                .args([
                    "--run-firewall=true",
                    "--run-router=false",
                    "--run-service-proxy=false",
                    "--run-loadbalancer=false",
                ])
                .args([
                    "--service-cluster-ip-range=10.43.0.0/16",
                    "--health-port=0",
                    "--metrics-port=0",
                    "--v=1",
                ])
                .env("PATH", &path)
                .env("LD_LIBRARY_PATH", unpacked::libraries(&programs())),
        );
    }

    /// As a service that is started again: it ends where containerd answers already and its part for the kubelet does not.
    fn start_kubelet(&mut self, path: &str) {
        wait("the kubelet", LIMIT, || {
            let mut command = Command::new(control_plane::program("HCIMAGE_KUBELET"));
            command
                .args([format!("--hostname-override={NAME}"), format!("--node-ip={NODE}")])
                .arg(format!("--kubeconfig={}", self.plane.path("kubeconfig").display()))
                .arg(format!("--config={}", self.dir.join("kubelet.yaml").display()))
                .arg(format!("--root-dir={}", self.dir.join("kubelet").display()))
                .env("PATH", path);
            self.spawn("kubelet", &mut command);
            let health = format!("http://127.0.0.1:{HEALTH}/healthz");
            loop {
                let asked =
                    outcome(Command::new("curl").args(["--silent", "--fail", "--max-time", "5", &health]));
                if asked.status.success() {
                    return Ok(());
                }
                // The last one that was started.
                let ended = self.of_the_machine.last_mut().and_then(|kubelet| kubelet.try_wait().unwrap());
                if ended.is_some() {
                    self.of_the_machine.pop();
                    return Err(self.log("kubelet"));
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        });
    }

    fn ready(&self) {
        wait("the node to be Ready", LIMIT, || {
            let node = self.api.get(&format!("/api/v1/nodes/{NAME}")).unwrap_or_default();
            if is_true(&node, "Ready") { Ok(()) } else { Err(self.log("kubelet")) }
        });
    }

    /// Everything on the machine ends at once, with its pods, and starts again; the API, which other servers would have, stays.
    pub(crate) fn reboot(&mut self) {
        let began = now(&self.api);
        for child in self.of_the_machine.drain(..) {
            end(Some(child));
        }
        // The shims, and the pods below them, are children of the first process here.
        end_all("containerd-shim");
        wait("the pods to end", LIMIT, || {
            let groups = Path::new("/sys/fs/cgroup/memory").join(GROUPS);
            let processes = processes_in(&groups);
            for id in &processes {
                let _ = outcome(Command::new("kill").args(["-9", id]));
            }
            if processes.is_empty() { Ok(()) } else { Err(format!("{processes:?}")) }
        });
        for mount in mounts_below(&self.dir.join("state")) {
            let _ = outcome(Command::new("umount").arg(mount));
        }
        // It is on a tmpfs of a real machine.
        let _ = fs::remove_dir_all(self.dir.join("state"));
        self.boot();
        wait("the kubelet to report again", LIMIT, || {
            let node = self.api.get(&format!("/api/v1/nodes/{NAME}")).unwrap_or_default();
            let beat = node["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|condition| condition["type"] == "Ready")
                .and_then(|ready| ready["lastHeartbeatTime"].as_str())
                .unwrap_or_default()
                .to_owned();
            if is_true(&node, "Ready") && beat > began { Ok(()) } else { Err(self.log("kubelet")) }
        });
    }

    fn spawn(&mut self, name: &str, command: &mut Command) {
        let log =
            fs::File::options().create(true).append(true).open(self.dir.join(format!("{name}.log"))).unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.of_the_machine.push(child);
    }

    /// The end of a program's log.
    fn log(&self, name: &str) -> String {
        let text = fs::read_to_string(self.dir.join(format!("{name}.log"))).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn search_path(&self) -> String {
        let root = programs();
        let own = ["usr/bin", "usr/sbin", "sbin"].map(|part| root.join(part).display().to_string());
        format!("{}:{}", own.join(":"), std::env::var("PATH").unwrap())
    }

    pub(crate) fn ctr(&self) -> Command {
        let mut command = Command::new(programs().join("usr/bin/ctr"));
        command.arg("--address").arg(self.dir.join("containerd.sock")).args(["--namespace", "k8s.io"]);
        command
    }

    fn write_configuration(&self) {
        let of = |name: &str| self.dir.join(name).display().to_string();
        let pause = images::beside_overlays().find(|name| name.contains("pause")).unwrap();
        // Control groups of the first version, and no right to raise a process' priority: as machines of tests have it.
        fs::write(
            self.dir.join("containerd.toml"),
            format!(
                "version = 2\nroot = {:?}\nstate = {:?}\n[grpc]\n  address = {:?}\n[ttrpc]\n  address = {:?}\n\
                 [plugins.\"io.containerd.grpc.v1.cri\"]\n  sandbox_image = {pause:?}\n  restrict_oom_score_adj = true\n  \
                 netns_mounts_under_state_dir = true\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".cni]\n  bin_dir = {:?}\n  conf_dir = {:?}\n",
                of("root"),
                of("state"),
                of("containerd.sock"),
                of("containerd.ttrpc"),
                programs().join("usr/lib/cni"),
                of("cni"),
            ),
        )
        .unwrap();
        let network = json!({"cniVersion": "0.4.0", "name": "pods", "plugins": [{
            "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
            "ipam": {
                "type": "host-local", "dataDir": of("cni-state"),
                "ranges": [[{"subnet": "10.42.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}],
            },
        }]});
        fs::write(self.dir.join("cni/10-pods.conflist"), network.to_string()).unwrap();
        let kubelet = json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs", "cgroupRoot": format!("/{GROUPS}"), "failCgroupV1": false,
            "enforceNodeAllocatable": [], "localStorageCapacityIsolation": false, "failSwapOn": false,
            "containerRuntimeEndpoint": format!("unix://{}", of("containerd.sock")),
            "clusterDNS": ["10.43.0.10"], "clusterDomain": "cluster.local",
            "healthzPort": HEALTH, "nodeStatusUpdateFrequency": "4s", "podLogsDir": of("logs"),
            "cpuManagerPolicy": "none", "syncFrequency": "10s", "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.inodesFree": "1%"},
        });
        fs::write(self.dir.join("kubelet.yaml"), kubelet.to_string()).unwrap();
        for group in fs::read_dir("/sys/fs/cgroup").unwrap() {
            // Which of them the kubelet wants depends on the machine.
            let _ = fs::create_dir(group.unwrap().path().join(GROUPS));
        }
        let cpuset = Path::new("/sys/fs/cgroup/cpuset").join(GROUPS);
        for key in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(all) = fs::read(Path::new("/sys/fs/cgroup/cpuset").join(key)) {
                let _ = fs::write(cpuset.join(key), all);
            }
        }
    }

    /// Plays the part of k3s' API that serves the charts of the card.
    fn serve_charts(&mut self, card: &Card) {
        let folder = card.k3s.join("server");
        let busybox = crate::pods::root().join("bin/busybox");
        self.others.push(
            Command::new(busybox)
                .args(["httpd", "-f", "-p", &format!("{NODE}:8088"), "-h"])
                .arg(folder)
                .spawn()
                .unwrap(),
        );
        let mut controller = Command::new(built("helm-controller"));
        let log = fs::File::create(self.dir.join("helm-controller.log")).unwrap();
        let job = images::beside_overlays().find(|name| name.contains("klipper")).unwrap();
        controller.arg("--kubeconfig").arg(self.plane.path("kubeconfig")).args(["--default-job-image", &job]);
        controller.args(["--node-name", NAME]).stdout(log.try_clone().unwrap()).stderr(log);
        self.others.push(controller.spawn().unwrap());
    }

    /// CoreDNS, local-path-provisioner and Traefik, as this test runs them.
    pub(crate) fn start_components(&mut self) {
        let traefik = built("traefik-crds.yaml");
        let definitions =
            fs::read_to_string(&traefik).unwrap_or_else(|error| panic!("{}: {error}", traefik.display()));
        let files = [("traefik-crds.yaml", definitions.as_str()), ("components.yaml", COMPONENTS)];
        apply::files(self, &files.map(|(name, text)| File::new(name, text)));
        let address = json!({"status": {"loadBalancer": {"ingress": [{"ip": NODE}]}}});
        let path = "/api/v1/namespaces/kube-system/services/traefik/status";
        let said = self.api.ask("PATCH", path, "application/merge-patch+json", &address.to_string());
        assert!(said.is_good(), "{}", said.message());
        for name in ["coredns", "local-path-provisioner", "traefik"] {
            self.deployment("kube-system", name);
        }
    }

    /// Makes an object, which the API must take.
    #[track_caller]
    pub(crate) fn make(&self, list: &str, object: &Value) {
        let made = self.api.ask("POST", list, "application/json", &object.to_string());
        assert!(made.is_good(), "{list}: {}", made.message());
    }

    /// Waits until a deployment is Available: its probes have passed.
    #[track_caller]
    pub(crate) fn deployment(&self, namespace: &str, name: &str) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        wait(&format!("the deployment {namespace}/{name}"), LIMIT, || {
            let object = self.api.get(&path).ok_or("it is not there")?;
            let (wanted, seen) = (&object["metadata"]["generation"], &object["status"]["observedGeneration"]);
            let status = &object["status"];
            let all = status["updatedReplicas"] == object["spec"]["replicas"]
                && status["availableReplicas"] == object["spec"]["replicas"]
                && status["replicas"] == object["spec"]["replicas"];
            if wanted == seen && is_true(&object, "Available") && all {
                Ok(())
            } else {
                Err(self.why(namespace))
            }
        });
    }

    /// What keeps pods from running.
    pub(crate) fn why(&self, namespace: &str) -> String {
        let pods = self.api.list(&format!("/api/v1/namespaces/{namespace}/pods"));
        let mut told: Vec<String> = Vec::new();
        for pod in &pods {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            told.push(format!("{name}: {} {}", pod["status"]["phase"], pod["status"]["containerStatuses"]));
            for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
                let log = self.pod_log(namespace, name, container["name"].as_str().unwrap_or_default());
                told.push(
                    log.lines()
                        .rev()
                        .take(8)
                        .collect::<Vec<_>>()
                        .into_iter()
                        .rev()
                        .collect::<Vec<_>>()
                        .join("\n"),
                );
            }
        }
        let events = self.api.list(&format!("/api/v1/namespaces/{namespace}/events"));
        let warnings = events.iter().filter(|event| event["type"] == "Warning");
        told.extend(
            warnings.map(|event| format!("{}: {}", event["involvedObject"]["name"], event["message"])),
        );
        told.join("\n")
    }

    pub(crate) fn pod_log(&self, namespace: &str, pod: &str, container: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}");
        match self.api.ask("GET", &path, "", "").body {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

fn now(api: &Api) -> String {
    // The API's own clock, in the form of its timestamps.
    let node = api.get(&format!("/api/v1/nodes/{NAME}")).unwrap();
    let ready = node["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == "Ready");
    ready.unwrap()["lastHeartbeatTime"].as_str().unwrap().to_owned()
}

/// Whether a condition is True.
pub(crate) fn is_true(object: &Value, kind: &str) -> bool {
    let all = object["status"]["conditions"].as_array();
    all.into_iter().flatten().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// Mounts that end with this test: the data of pods, the name server of the other host, and a log folder of its own.
fn own_mounts(dir: &Path) {
    run(Command::new("mount").arg("--bind").arg(dir.join("srv")).arg("/srv"));
    run(Command::new("mount").arg("--make-rshared").arg("/"));
    fs::write(dir.join("resolv.conf"), format!("nameserver {}\n", crate::lan::ADDRESS)).unwrap();
    run(Command::new("mount").arg("--bind").arg(dir.join("resolv.conf")).arg("/etc/resolv.conf"));
    run(Command::new("mount").args(["-t", "tmpfs", "logs", "/var/log"]));
}

/// As hc-firstboot makes them.
fn make_directories(card: &Card) {
    for active in &card.checked.cluster.overlays {
        for directory in &active.needs.dirs {
            let path = PathBuf::from("/srv/k8s-data").join(&directory.path);
            fs::create_dir_all(&path).unwrap();
            std::os::unix::fs::chown(&path, Some(directory.uid), Some(directory.gid)).unwrap();
            run(Command::new("chmod").arg(directory.mode.to_string()).arg(&path));
        }
    }
}

pub(crate) fn end_all(name: &str) {
    for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if command.trim().starts_with(&name[..name.len().min(15)]) {
            let _ = outcome(Command::new("kill").arg("-9").arg(entry.file_name()));
        }
    }
}

fn processes_in(folder: &Path) -> Vec<String> {
    let mut found: Vec<String> = fs::read_to_string(folder.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.path().is_dir() {
            found.extend(processes_in(&entry.path()));
        }
    }
    found
}

fn mounts_below(dir: &Path) -> Vec<String> {
    let all = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut found: Vec<String> = all
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|path| Path::new(path).starts_with(dir))
        .map(str::to_owned)
        .collect();
    found.reverse();
    found
}

/// The control groups outlive their processes.
pub(crate) fn remove_groups() {
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().filter_map(Result::ok) {
        remove_group(&hierarchy.path().join(GROUPS));
    }
}

fn remove_group(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        if entry.path().is_dir() {
            remove_group(&entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
    std::thread::sleep(Duration::from_millis(1));
}
