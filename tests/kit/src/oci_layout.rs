//! OCI layouts for the tests: images of a few files, for the platforms that a test needs.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use hcimage::source::digest::Sha256Digest;
use serde_json::{Value, json};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// How a layer is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packed {
    Not,
    Gzip,
    Zstd,
}

/// The folder of a layout.
pub struct Layout {
    pub dir: PathBuf,
    entries: Vec<Value>,
}

impl Layout {
    pub fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        Self { dir: dir.to_owned(), entries: Vec::new() }
    }

    /// Writes a blob; its descriptor.
    pub fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Sha256Digest::of(bytes);
        fs::write(self.blob_path(&digest.to_string()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    pub fn blob_path(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    /// A layer with files; its descriptor and the digest of what is packed in it.
    pub fn layer(&self, packed: Packed, files: &[(&str, &[u8])]) -> (Value, String) {
        self.layer_of(packed, tar(files))
    }

    /// A layer with a whole directory, links and modes as they are.
    pub fn layer_of_directory(&self, packed: Packed, dir: &Path) -> (Value, String) {
        let mut builder = tar::Builder::new(Vec::new());
        builder.follow_symlinks(false);
        builder.append_dir_all(".", dir).unwrap();
        self.layer_of(packed, builder.into_inner().unwrap())
    }

    fn layer_of(&self, packed: Packed, tar: Vec<u8>) -> (Value, String) {
        let diff_id = format!("sha256:{}", Sha256Digest::of(&tar));
        let (ending, bytes) = match packed {
            Packed::Not => ("", tar),
            Packed::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&tar).unwrap();
                ("+gzip", encoder.finish().unwrap())
            }
            Packed::Zstd => ("+zstd", zstd::encode_all(tar.as_slice(), 1).unwrap()),
        };
        (self.blob(&format!("application/vnd.oci.image.layer.v1.tar{ending}"), &bytes), diff_id)
    }

    /// An image of these layers; its descriptor, with its platform.
    pub fn image(&self, architecture: &str, layers: &[(Value, String)]) -> Value {
        self.image_with(architecture, layers, &json!({"Cmd": ["/bin/busybox", "echo", "it runs"]}))
    }

    /// The same with another `config`: what it runs, as whom.
    pub fn image_with(&self, architecture: &str, layers: &[(Value, String)], runs: &Value) -> Value {
        let (architecture, variant) = architecture.split_once('/').unwrap_or((architecture, ""));
        let diff_ids: Vec<&String> = layers.iter().map(|(_, diff_id)| diff_id).collect();
        let mut config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": runs,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let mut platform = json!({"architecture": architecture, "os": "linux"});
        if !variant.is_empty() {
            config["variant"] = json!(variant);
            platform["variant"] = json!(variant);
        }
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let layers: Vec<&Value> = layers.iter().map(|(layer, _)| layer).collect();
        self.manifest(
            &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers}),
            platform,
        )
    }

    /// A packed chart as Helm pushes it; its descriptor.
    pub fn chart(&self, packed: &[u8]) -> Value {
        let config = self.blob("application/vnd.cncf.helm.config.v1+json", b"{\"name\": \"shop\"}");
        let content = self.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", packed);
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [content]});
        self.blob(MANIFEST, manifest.to_string().as_bytes())
    }

    pub fn manifest(&self, manifest: &Value, platform: Value) -> Value {
        let mut descriptor = self.blob(MANIFEST, manifest.to_string().as_bytes());
        descriptor["platform"] = platform;
        descriptor
    }

    /// An index of images; its descriptor.
    pub fn index(&self, images: &[Value]) -> Value {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": images});
        self.blob(INDEX, index.to_string().as_bytes())
    }

    /// Puts an image or index into the list of the layout, under this name where there is one.
    pub fn add(&mut self, name: Option<&str>, mut descriptor: Value) {
        if let Some(name) = name {
            descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        }
        self.entries.push(descriptor);
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries});
        fs::write(self.dir.join("index.json"), index.to_string()).unwrap();
    }

    /// The layout as a tar.
    pub fn archive(&self, path: &Path) {
        let mut builder = tar::Builder::new(fs::File::create(path).unwrap());
        builder.append_dir_all(".", &self.dir).unwrap();
        builder.finish().unwrap();
    }
}

/// An image for these platforms in an index, as registries have most; with an attestation, as Docker's builder adds.
pub fn multi(layout: &Layout, platforms: &[&str], shared: &[(Value, String)]) -> Value {
    let mut images = Vec::new();
    for platform in platforms {
        let mut layers = shared.to_vec();
        layers.push(layout.layer(Packed::Gzip, &[("etc/platform", platform.as_bytes())]));
        images.push(layout.image(platform, &layers));
    }
    let statement = layout.blob("application/vnd.in-toto+json", b"{}");
    let empty = layout.blob(
        CONFIG,
        br#"{"architecture":"unknown","os":"unknown","rootfs":{"type":"layers","diff_ids":[]}}"#,
    );
    let attestation =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": empty, "layers": [statement]});
    images.push(layout.manifest(&attestation, json!({"architecture": "unknown", "os": "unknown"})));
    layout.index(&images)
}

pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}
