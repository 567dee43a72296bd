//! The list of images that Raspberry Pi Imager shows: its users choose a node and write it by a click.
//!
//! The format is that of Imager's `os-list-schema.json`, as of 2.0.11: a member `os_list` of entries. A file whose name ends in
//! `.rpi-imager-manifest` opens with Imager; `rpi-imager --repo` takes the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::arch::Arch;
use crate::board::Board;
use crate::cluster::Node;
use crate::output::Output;
use crate::pipeline::BuiltImage;
use crate::source::digest::Sha256Digest;
use crate::source::file_name;
use crate::source::url::SourceUrl;

use super::build::Destination;
use super::checksums::write;
use super::{Project, SessionError};

/// Where Imager finds the images.
#[derive(Debug, Clone)]
pub enum Served {
    /// As files of this machine, where they are.
    Here,
    /// Below an address.
    At(SourceUrl),
}

/// Devices as Imager names them, by the beginning of a board's device tree.
const DEVICES: [(&str, &str); 5] =
    [("bcm2709", "pi2"), ("bcm2710", "pi3"), ("bcm2711", "pi4"), ("bcm2712", "pi5"), ("bcm2837", "pi3")];

/// Imager has it with its own icons.
const ICON: &str = "icons/cat_other_specific_purpose_operating_systems.png";

impl Destination {
    /// Where the list goes, where it is wanted.
    pub(super) fn imager_list(&self, project: &Project) -> Option<Output> {
        self.imager.as_ref()?;
        let path = self.dir().join(format!("{}.rpi-imager-manifest", project.cluster.name));
        Some(Output { path, overwrite: self.overwrite })
    }

    /// Writes the list of these images, with their digests; `time` is that of the build, in seconds since 1970.
    pub(super) fn write_imager_list(
        &self,
        output: &Output,
        project: &Project,
        images: &[(&BuiltImage, Sha256Digest)],
        time: i64,
    ) -> Result<PathBuf, SessionError> {
        let boards: BTreeMap<&str, &Board> = project
            .cluster
            .boards
            .values()
            .map(|choice| (choice.profile.name.as_str(), &choice.profile))
            .collect();
        let mut list = Vec::new();
        for (image, digest) in images {
            let (Some(node), Some(board)) =
                (project.cluster.nodes.get(image.node.as_str()), boards.get(image.board.as_str()))
            else {
                continue;
            };
            list.push(self.entry(project, node, board, image, *digest, time));
        }
        let text = format!("{:#}\n", json!({ "os_list": list }));
        write(output, &text)?;
        Ok(output.path.clone())
    }

    fn entry(
        &self,
        project: &Project,
        node: &Node,
        board: &Board,
        image: &BuiltImage,
        digest: Sha256Digest,
        time: i64,
    ) -> Value {
        let address =
            node.network.static_address().map_or_else(|| "DHCP".to_owned(), |address| address.to_string());
        json!({
            "name": format!("{} ({})", node.name, project.cluster.name),
            "description": format!("k3s {}, {address}, for {}", node.bootstrap_role.role(), board.title),
            "icon": ICON,
            "url": self.url(&image.path),
            "extract_size": image.size.0,
            "extract_sha256": digest.to_string(),
            "image_download_size": image.size.0,
            "image_download_sha256": digest.to_string(),
            "release_date": date(time),
            "devices": devices(board),
            // What Imager would write into it is there already.
            "init_format": "none",
        })
    }

    fn url(&self, path: &Path) -> String {
        match &self.imager {
            Some(Served::At(base)) => base.below(&file_name(path)).to_string(),
            _ => {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
                reqwest::Url::from_file_path(&path).map(String::from).unwrap_or_default()
            }
        }
    }
}

/// What Imager calls the boards that an image starts on; none for one that is no Raspberry Pi.
fn devices(board: &Board) -> Vec<String> {
    let bits = if board.architecture == Arch::Armv7 { "32bit" } else { "64bit" };
    let mut found: Vec<String> = DEVICES
        .iter()
        .filter(|(tree, _)| board.device_trees.iter().any(|of| of.starts_with(tree)))
        .map(|(_, name)| format!("{name}-{bits}"))
        .collect();
    found.dedup();
    found
}

/// `2026-11-28`.
fn date(time: i64) -> String {
    let date = time::OffsetDateTime::from_unix_timestamp(time).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Boards;

    #[test]
    fn boards_have_the_names_that_imager_has() {
        let boards = Boards::load(None).unwrap();
        for (board, names) in [
            ("turing-pi-2-cm4", vec!["pi4-64bit"]),
            ("pi5", vec!["pi5-64bit"]),
            ("pi3", vec!["pi3-64bit"]),
            ("zero2w", vec!["pi3-64bit"]),
            ("pc", vec![]),
        ] {
            assert_eq!(devices(boards.get(board).unwrap()), names, "{board}");
        }
        assert_eq!(date(1_764_288_000), "2025-11-28");
    }
}
