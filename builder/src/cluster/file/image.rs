//! `[[images]]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::field_type::FileName;
use crate::value::{Hostname, ImageReference, Role};

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
    /// The role of the nodes that have it. The default is both.
    #[schemars(extend("examples" = ["agent"]))]
    pub(in crate::cluster) role: Option<Field<Role>>,
    /// The nodes that have it. The default is all. Containers that ask for it may run on these only: their pods need a
    /// `nodeSelector`, or the other nodes a taint.
    #[schemars(extend("examples" = [["home-2"]], "default" = []))]
    pub(in crate::cluster) nodes: Vec<Field<Hostname>>,
}
