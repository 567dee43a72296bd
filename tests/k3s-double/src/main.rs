//! k3s-double: a stand-in for k3s in tests, where the real binary cannot be had.
//!
//! It does for real what a first boot and a join depend on (configuration files, certificate authorities, TLS,
//! tokens, node passwords, sd_notify, the Node object) and nothing of Kubernetes. The README lists what a test
//! on it proves and what it hides.

mod agent;
mod balancer;
mod chart;
mod client;
mod clock;
mod config;
mod etcd;
mod faults;
mod files;
mod flags;
mod host;
mod http;
mod images;
mod kubeconfig;
mod kubectl;
mod log;
mod manifests;
mod names;
mod node;
mod notify;
mod oci;
mod pki;
mod secret;
mod server;
mod settings;
mod tls;
mod token;
mod url;
mod workload;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};

/// The release whose behaviour is stood in for. Its name is in one place of the program, where a test that needs a later one writes
/// another.
fn version() -> &'static str {
    std::hint::black_box("v1.36.2+k3s1")
}

const USAGE: &str = "k3s-double, a stand-in for k3s in tests: not Kubernetes

usage: k3s server|agent [--flag value ...]
       k3s kubectl get node[s] [NAME] [-o json] [--kubeconfig FILE]
       k3s kubectl get addons|helmcharts|jobs|deployments|events [-n NAMESPACE] [-o json]
       k3s kubectl get --raw PATH
       k3s kubectl version
       k3s ctr --namespace=k8s.io images list --quiet
       k3s check-config
       k3s --version
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::fatal(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<()> {
    let mut words =
        std::env::args_os().map(|word| word.into_string().map_err(|_| anyhow!("an argument is not UTF-8")));
    let program = words.next().context("the program was started without its name")??;
    if Path::new(&program).file_name().is_some_and(|name| name == "kubectl") {
        return kubectl::run(words.collect::<Result<_>>()?);
    }
    let Some(command) = words.next().transpose()? else { return print(USAGE) };
    let arguments = words.collect::<Result<Vec<String>>>()?;
    match command.as_str() {
        "server" => server::run(arguments),
        "agent" => agent::run(arguments),
        "kubectl" => kubectl::run(arguments),
        "ctr" if arguments == ["--namespace=k8s.io", "images", "list", "--quiet"] => {
            let data = std::env::var_os("K3S_DATA_DIR").unwrap_or_else(|| "/var/lib/rancher/k3s".into());
            print(&images::list(Path::new(&data))?)
        }
        "check-config" => print(
            "k3s-double: a stand-in for tests; it has checked nothing of this system\n\n\
             STATUS: nothing was checked (stand-in)\n",
        ),
        "--version" | "-v" => {
            print(&format!("k3s version {} (stand-in k3s-double for tests, not Kubernetes)\n", version()))
        }
        "--help" | "-h" | "help" => print(USAGE),
        other => bail!("the stand-in has no command {other:?}; --help lists what it has"),
    }
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("writing to standard output")
}
