//! Which API is asked, and as whom: a kubeconfig with a CA and a client certificate, as `hcimage build` writes it, `hcimage run` and
//! k3s.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hc_firstboot::kube::{Access, endpoint};
use hc_firstboot::sys::Identity;
use yaml_rust2::Yaml;

use crate::formats::yaml_load;
use crate::local_file;

use super::LiveError;

/// The most that is read of one.
const LONGEST: u64 = 1 << 20;

/// What the current context of a kubeconfig says.
///
/// # Errors
/// [`LiveError::Kubeconfig`] when the file cannot be read, or says something that this client cannot do.
pub fn read_access(path: &Path) -> Result<Access, LiveError> {
    let failed = |problem: String| LiveError::Kubeconfig { path: path.to_owned(), problem };
    let text = local_file::read_text(path, LONGEST).map_err(|error| {
        failed(format!("{error}; `hcimage build` writes one, or name another with --kubeconfig"))
    })?;
    access(&text, path.parent().unwrap_or(Path::new("."))).map_err(failed)
}

/// Files that are named lie in `dir`, unless their paths are absolute.
fn access(text: &str, dir: &Path) -> Result<Access, String> {
    let documents = yaml_load::load(text).map_err(|error| error.to_string())?;
    let [config] = documents.as_slice() else { return Err("expected one YAML document".to_owned()) };
    let current = config["current-context"].as_str().unwrap_or_default();
    let context = &named(config, "contexts", current).ok_or("`current-context` names no context")?["context"];
    let of = |list: &str, key: &str| {
        let name = context[key].as_str().unwrap_or_default();
        named(config, list, name).ok_or_else(|| format!("the context {current} names no {key}"))
    };
    let cluster = &of("clusters", "cluster")?["cluster"];
    let user = &of("users", "user")?["user"];
    let url = cluster["server"].as_str().unwrap_or_default();
    let server =
        endpoint(url).ok_or_else(|| format!("expected `server: https://host:port`, found {url:?}"))?;
    if cluster["insecure-skip-tls-verify"].as_bool() == Some(true) {
        return Err("it has `insecure-skip-tls-verify`: what is sent has secrets; name the CA".to_owned());
    }
    let identity =
        Identity { certificates: pem(user, "client-certificate", dir)?, key: pem(user, "client-key", dir)? };
    let access = Access::new(server, &pem(cluster, "certificate-authority", dir)?, identity)
        .map_err(|error| error.to_string())?;
    Ok(match cluster["tls-server-name"].as_str() {
        Some(name) => access.named(name.to_owned()),
        None => access,
    })
}

fn named<'y>(config: &'y Yaml, list: &str, name: &str) -> Option<&'y Yaml> {
    config[list].as_vec()?.iter().find(|entry| entry["name"].as_str() == Some(name))
}

/// The PEM text that `<key>-data` has as base64, or that is in the file named by `key`.
fn pem(yaml: &Yaml, key: &str, dir: &Path) -> Result<Vec<u8>, String> {
    let data = format!("{key}-data");
    if let Some(base64) = yaml[data.as_str()].as_str() {
        return STANDARD.decode(base64.trim()).map_err(|_| format!("`{data}` is not base64"));
    }
    let Some(file) = yaml[key].as_str() else {
        return Err(format!(
            "neither `{key}` nor `{data}` is there: certificates are what hcimage knows to use"
        ));
    };
    let path: PathBuf = dir.join(file);
    local_file::read(&path, LONGEST).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Secrets;

    #[test]
    fn the_current_context_is_taken() {
        let secrets = Secrets::make("home", &[], 1_800_000_000).unwrap();
        let own = secrets.kubeconfig("https://192.0.2.1:6443").expose().to_owned();
        assert!(access(&own, Path::new("/nowhere")).is_ok());
        let two =
            own.replace("clusters:\n", "clusters:\n  - name: other\n    cluster: {server: \"http://x\"}\n");
        assert!(access(&two, Path::new("/nowhere")).is_ok());
        let moved = own.replace(
            "      certificate-authority-data:",
            "      tls-server-name: hc-1\n      certificate-authority-data:",
        );
        assert!(access(&moved, Path::new("/nowhere")).is_ok());
        for (from, to, says) in [
            ("current-context: \"home\"", "current-context: nobody", "names no context"),
            ("https://192.0.2.1:6443", "http://192.0.2.1:6443", "expected `server: https://host:port`"),
            ("      server:", "      insecure-skip-tls-verify: true\n      server:", "name the CA"),
            ("      client-key-data:", "      token:", "neither `client-key` nor `client-key-data`"),
            ("certificate-authority-data: ", "certificate-authority-data: #", "certificate-authority"),
            ("certificate-authority-data: ", "certificate-authority: nothing.pem #", "/nowhere/nothing.pem"),
        ] {
            let text = own.replace(from, to);
            assert_ne!(text, own, "{from}");
            let error = access(&text, Path::new("/nowhere")).err().unwrap_or_default();
            assert!(error.contains(says), "{says}: {error}");
        }
    }
}
