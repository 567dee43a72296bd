//! A chart rendered by the user's Helm, to see which container images it asks for.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::interrupt::Interrupt;
use crate::source::k3s_version::K3sVersion;
use crate::source::{SourceError, file_name};

use super::PackedChart;
use super::error::{ChartError, Result};

/// What Helm may print, in bytes: what is longer is read by nobody.
const OUTPUT_LIMIT: u64 = 32 << 20;
/// How long it may take. A chart without network takes seconds.
const TIME: Duration = Duration::from_secs(120);

/// What a release is rendered with.
#[derive(Debug, Clone, Copy)]
pub struct Rendering<'a> {
    /// The name of the release.
    pub release: &'a str,
    /// The chart.
    pub chart: &'a PackedChart,
    /// The namespace of its objects.
    pub namespace: &'a str,
    /// Values in YAML, the last ones win.
    pub values: &'a [&'a str],
    /// The Kubernetes that it is rendered for.
    pub k3s: &'a K3sVersion,
}

/// The objects of a chart, as YAML. Helm sees neither a cluster nor the user's own settings.
///
/// # Errors
/// When there is no `helm` on the PATH, or it refuses the chart or its values.
pub fn render(rendering: &Rendering<'_>, interrupt: &Interrupt) -> Result<String> {
    let Rendering { release, chart, namespace, values, k3s } = *rendering;
    let fail = |problem: String| ChartError::invalid(release, problem);
    let failed = |what: &str, source: std::io::Error| {
        ChartError::of(release)(SourceError::Io { what: what.to_owned(), source })
    };
    // Values may be secret: the directory is the user's alone, and goes away.
    let home = tempfile::tempdir().map_err(|error| failed("making a directory for Helm", error))?;
    let mut command = Command::new("helm");
    command.args(["template", release]).arg(&chart.archive.path);
    command.args(["--namespace", namespace, "--include-crds", "--kube-version", &kube_version(k3s)]);
    for (number, text) in values.iter().enumerate() {
        let path = home.path().join(format!("values-{number}.yaml"));
        fs::write(&path, text).map_err(|error| failed("writing values for Helm", error))?;
        command.arg("--values").arg(path);
    }
    isolate(&mut command, home.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(
        |error| match error.kind() {
            std::io::ErrorKind::NotFound => fail(
                "its container images are not known without Helm: install helm (version 3 or 4), or leave --check out".into(),
            ),
            _ => failed("running helm", error),
        },
    )?;
    let (out, said) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let text = wait(&out, &mut child, interrupt).map_err(|error| ChartError::of(release)(error))?;
    let status = child.wait().map_err(|error| failed("running helm", error))?;
    let text = text.ok_or_else(|| fail(format!("helm gave no answer within {} seconds", TIME.as_secs())))?;
    if !status.success() {
        let said = said.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let path = file_name(&chart.archive.path);
        return Err(fail(format!("helm refuses {path} with these values: {}", said.trim())));
    }
    String::from_utf8(text).map_err(|_| fail("what helm renders is not UTF-8 text".into()))
}

/// As Helm's job on the node has it: without candidates and without what k3s adds.
fn kube_version(k3s: &K3sVersion) -> String {
    let [major, minor, patch] = k3s.kubernetes();
    format!("v{major}.{minor}.{patch}")
}

/// Neither plugins nor repositories nor the cluster of the user.
fn isolate(command: &mut Command, home: &Path) {
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"] {
        command.env(name, home.join("helm"));
    }
    command.env("KUBECONFIG", home.join("none"));
}

fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    if let Some(stream) = stream {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = stream.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
            // Nobody waits where the deadline is over.
            let _ = sender.send(bytes);
        });
    }
    receiver
}

/// What the program printed; none where it took too long. Then, and when the user interrupts, it is ended.
fn wait(
    out: &Receiver<Vec<u8>>,
    child: &mut Child,
    interrupt: &Interrupt,
) -> std::result::Result<Option<Vec<u8>>, SourceError> {
    let end = Instant::now() + TIME;
    loop {
        match out.recv_timeout(Duration::from_millis(100)) {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(RecvTimeoutError::Timeout) if Instant::now() < end && interrupt.check().is_ok() => {}
            Err(_) => {
                let _ = child.kill();
                interrupt.check()?;
                return Ok(None);
            }
        }
    }
}
