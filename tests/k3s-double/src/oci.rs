//! Whether an OCI layout in an archive has what containerd would import: every blob with its digest, and for the platform of this
//! machine a manifest with configuration and layers. Blobs of other platforms may be missing (`images.FilterPlatforms`).

use std::collections::BTreeMap;
use std::io::Read;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The longest document that is kept.
const DOCUMENT_LIMIT: usize = 4 << 20;

/// The names of an image, best first.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// The blobs of an archive; the small ones with their bytes.
#[derive(Default)]
pub(crate) struct Blobs(BTreeMap<String, Option<Vec<u8>>>);

impl Blobs {
    /// Reads a blob, whose digest must be the one in its name.
    pub(crate) fn add(&mut self, name: &str, mut data: impl Read) -> Result<()> {
        let (mut hasher, mut kept, mut piece) = (Sha256::new(), Some(Vec::new()), vec![0; 64 << 10]);
        loop {
            let n = data.read(&mut piece).context("reading a blob")?;
            let Some(bytes) = piece.get(..n).filter(|bytes| !bytes.is_empty()) else { break };
            hasher.update(bytes);
            kept = kept.filter(|kept: &Vec<u8>| kept.len() + n <= DOCUMENT_LIMIT);
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
        }
        let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        ensure!(digest == name, "unexpected commit digest sha256:{digest}, expected sha256:{name}");
        self.0.insert(format!("sha256:{digest}"), kept);
        Ok(())
    }

    /// The names of all images that an index lists.
    pub(crate) fn images(&self, index: &Value) -> Result<Vec<String>> {
        let entries =
            index.get("manifests").and_then(Value::as_array).context("index.json has no manifests")?;
        let mut names = Vec::new();
        for entry in entries {
            let annotations = entry.get("annotations");
            let name = NAMES.iter().find_map(|key| annotations?.get(key)?.as_str());
            let name = name.context("an image in it has no tag")?;
            self.check(entry, 0).with_context(|| format!("image {name}"))?;
            names.push(name.to_owned());
        }
        Ok(names)
    }

    fn document(&self, descriptor: &Value) -> Result<Value> {
        let digest =
            descriptor.get("digest").and_then(Value::as_str).context("a descriptor without a digest")?;
        let bytes = self.0.get(digest).with_context(|| format!("content digest {digest}: not found"))?;
        let bytes = bytes.as_ref().with_context(|| format!("{digest} is no document"))?;
        serde_json::from_slice(bytes).with_context(|| format!("reading {digest}"))
    }

    fn check(&self, descriptor: &Value, depth: usize) -> Result<()> {
        ensure!(depth < 4, "an index in an index in an index");
        let document = self.document(descriptor)?;
        if let Some(manifests) = document.get("manifests").and_then(Value::as_array) {
            let ours = manifests.iter().filter(|entry| is_ours(&entry["platform"]));
            // The first that is there: the best variant comes first in our archives.
            let mut found = ours.filter(|entry| self.document(entry).is_ok());
            return match found.next() {
                Some(entry) => self.check(entry, depth + 1),
                None => bail!("no match for platform in manifest: not found"),
            };
        }
        let config = document.get("config").context("a manifest without a configuration")?;
        let config = self.document(config)?;
        ensure!(is_ours(&config), "no match for platform linux/{}: not found", go());
        let layers = document.get("layers").and_then(Value::as_array).context("a manifest without layers")?;
        for layer in layers {
            let digest = layer.get("digest").and_then(Value::as_str).unwrap_or_default();
            ensure!(self.0.contains_key(digest), "content digest {digest}: not found");
        }
        Ok(())
    }
}

/// Whether a platform, or what a configuration says of one, is that of this machine.
fn is_ours(platform: &Value) -> bool {
    platform["os"] == "linux" && platform["architecture"] == go()
}

fn go() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "amd64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::sha256_hex;
    use serde_json::json;

    fn put(blobs: &mut Blobs, document: &Value) -> Value {
        let text = document.to_string();
        let digest = sha256_hex(text.as_bytes());
        blobs.add(&digest, text.as_bytes()).unwrap();
        json!({"digest": format!("sha256:{digest}"), "size": text.len()})
    }

    /// An image of one layer for a platform.
    fn image(blobs: &mut Blobs, architecture: &str) -> Value {
        let config = put(blobs, &json!({"os": "linux", "architecture": architecture}));
        let layer = put(blobs, &json!("a layer"));
        let mut entry = put(blobs, &json!({"config": config, "layers": [layer]}));
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        entry
    }

    fn named(mut entry: Value) -> Value {
        entry["annotations"] = json!({NAMES[0]: "a.example/b:1"});
        json!({"manifests": [entry]})
    }

    #[test]
    fn an_index_with_the_blobs_of_this_platform_alone_is_imported() {
        let mut blobs = Blobs::default();
        let ours = image(&mut blobs, go());
        let other = json!({"digest": "sha256:0", "platform": {"os": "linux", "architecture": "s390x"}});
        let index = put(&mut blobs, &json!({"manifests": [other, ours]}));
        assert_eq!(blobs.images(&named(index)).unwrap(), ["a.example/b:1"]);
    }

    #[test]
    fn what_is_missing_or_for_another_platform_is_an_error() {
        let mut blobs = Blobs::default();
        let other = image(&mut blobs, "s390x");
        let said = |blobs: &Blobs, entry: Value| format!("{:#}", blobs.images(&named(entry)).unwrap_err());
        assert!(said(&blobs, other.clone()).contains("no match for platform"));
        let index = put(&mut blobs, &json!({"manifests": [other]}));
        assert!(said(&blobs, index).contains("no match for platform"));
        assert!(said(&blobs, json!({"digest": "sha256:1"})).contains("not found"));
        let ours = image(&mut blobs, go());
        let layer = sha256_hex(json!("a layer").to_string().as_bytes());
        blobs.0.remove(&format!("sha256:{layer}"));
        assert!(said(&blobs, ours).contains("not found"));
        assert!(blobs.add(&layer, &b"other bytes"[..]).is_err());
    }
}
