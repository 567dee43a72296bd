//! `[[images]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::field_type::FileName;
use crate::value::ImageReference;

/// Container images that the nodes have from the start. Manifests find them under their names, without a network.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct ImageTable {
    /// The name, with its tag or digest: the image is fetched from its registry, for the processors of the nodes. With
    /// `archive` or `layout`, which of the images in it is meant, or what the only one is called.
    #[schemars(extend("examples" = ["ghcr.io/navidrome/navidrome:0.63.2"]))]
    pub(in crate::cluster) name: Option<Field<ImageReference>>,
    /// An archive of `docker save`, `podman save` or `skopeo copy`, packed or not. Without `name` all images in it are taken.
    #[schemars(extend("examples" = ["shop.tar"]))]
    pub(in crate::cluster) archive: Option<Field<FileName>>,
    /// The folder of an OCI image layout. Without `name` all images in it are taken.
    #[schemars(extend("examples" = ["shop-oci"]))]
    pub(in crate::cluster) layout: Option<Field<FileName>>,
}
