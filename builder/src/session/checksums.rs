//! `SHA256SUMS` of what a build made, as `sha256sum --check` reads it.

use std::io::Write as _;
use std::path::PathBuf;

use crate::output::{Output, OutputError};
use crate::pipeline::BuiltImage;
use crate::source::digest::Sha256Digest;
use crate::source::{file_name, input};

use super::build::{BuiltNode, Destination};
use super::{Project, Session, SessionError};

impl Destination {
    /// Where the checksums go: `SHA256SUMS` beside a cluster's images, `<image>.sha256` beside that of one node alone. None
    /// where nobody wants them.
    pub(super) fn checksums(&self, project: &Project, outputs: &[Output]) -> Option<Output> {
        let overwrite = self.overwrite;
        match (self.sums, &project.file, outputs) {
            (false, ..) => None,
            (true, Some(_), _) => Some(Output { path: self.dir().join("SHA256SUMS"), overwrite }),
            (true, None, [only, ..]) => {
                let mut name = only.path.clone().into_os_string();
                name.push(".sha256");
                Some(Output { path: name.into(), overwrite })
            }
            (true, None, []) => None,
        }
    }
}

impl Session {
    /// Reads every image once more, for its digest.
    pub(super) fn digests<'n>(
        &self,
        nodes: &'n [BuiltNode],
    ) -> Result<Vec<(&'n BuiltImage, Sha256Digest)>, SessionError> {
        let images = nodes.iter().map(|node| &node.image);
        images.map(|image| Ok((image, input::digest_file(&self.cx(), &image.path)?))).collect()
    }

    /// Writes the digests of images, and those of the files beside them.
    pub(super) fn write_checksums(
        &self,
        output: &Output,
        images: &[(&BuiltImage, Sha256Digest)],
    ) -> Result<PathBuf, SessionError> {
        let mut text = String::new();
        for (image, digest) in images {
            text.push_str(&format!("{digest}  {}\n", file_name(&image.path)));
            for path in [&image.manifest, &image.sbom, &image.bmap] {
                let digest = input::digest_file(&self.cx(), path)?;
                text.push_str(&format!("{digest}  {}\n", file_name(path)));
            }
        }
        write(output, &text)?;
        Ok(output.path.clone())
    }
}

/// Writes a text file of the build.
pub(super) fn write(output: &Output, text: &str) -> Result<(), OutputError> {
    let failed = |source| output.failed(source);
    let mut temporary = output.temporary()?;
    temporary.write_all(text.as_bytes()).map_err(failed)?;
    temporary.as_file().sync_all().map_err(failed)?;
    output.name(temporary.into_temp_path(), &output.path)
}
