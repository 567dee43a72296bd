//! `manifest.json`: everything that a build changed, for people who want to check and for `hcimage diff`.

use std::io::{self, Write};

use serde::Serialize;

use crate::apply::ChangeRecord;
use crate::os::System;

/// What is written beside each image.
#[derive(Debug, Serialize)]
pub struct Manifest<'a> {
    /// What the base is.
    pub base: &'a System,
    /// The build time in seconds since 1970.
    pub time: i64,
    /// What was changed of the partition table itself, besides its growth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_table: Option<&'a str>,
    /// What was changed, in order.
    pub changes: &'a [ChangeRecord],
}

impl Manifest<'_> {
    /// Writes it as indented JSON with a newline at the end.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Versioned<'a> {
            schema: u32,
            hcimage: &'static str,
            #[serde(flatten)]
            manifest: &'a Manifest<'a>,
        }
        let manifest = Versioned { schema: 1, hcimage: env!("CARGO_PKG_VERSION"), manifest: self };
        serde_json::to_writer_pretty(&mut out, &manifest)?;
        writeln!(out)
    }
}
