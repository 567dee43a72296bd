//! `[report]`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::cluster::field::Field;
use crate::cluster::model::StatusPage;

/// How a node tells how its first boot stands, besides the card and the console.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(in crate::cluster) struct ReportTable {
    /// Whether each node has a page at port 8680, without a password and without secrets, for the local network only:
    /// `http://<address>:8680/`.
    #[schemars(extend("default" = true, "examples" = [false]))]
    pub(in crate::cluster) http: Option<Field<bool>>,
    /// How many minutes the page stays once the node is Ready. After a failure it stays as long as the node runs.
    #[schemars(extend("default" = StatusPage::DEFAULT_MINUTES, "minimum" = 1, "maximum" = 1440, "examples" = [10]))]
    pub(in crate::cluster) minutes_after_ready: Option<Field<u32>>,
}
