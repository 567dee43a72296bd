//! How built images get onto the media of their boards: what a person does, and the writing itself.
//!
//! ```text
//! write       the image onto a disk, the head last
//! read_back   what was written, compared with the image
//! room        whether a disk has the room that it says
//! ```

mod read_back;
mod room;
mod write;

use std::path::Path;

pub use write::{FlashError, Flashed, Job, Mode};

use crate::board::Board;
use crate::pipeline::BuiltImage;

/// How an image gets onto a card where hcimage does not write to disks (docs/decisions/0031).
pub const ELSEWHERE: &str = "hcimage writes to disks on Linux only. Write the image with Raspberry Pi Imager (Choose OS, Use custom; no \
                             customisation), which reads it back too";

/// What a person does with the images, a line each: the notes of the boards, and the command that writes an image. It
/// names the image where there is only one.
pub fn instructions<'a>(images: &[&BuiltImage], boards: impl IntoIterator<Item = &'a Board>) -> Vec<String> {
    let notes = boards
        .into_iter()
        .filter_map(|board| board.flash.as_ref().map(|flash| format!("{}: {}", board.name, flash.notes)));
    let image = match images {
        [only] => shell_word(&only.path),
        _ => "IMAGE".to_owned(),
    };
    let write = match cfg!(target_os = "linux") {
        true => format!("flash it: sudo hcimage flash {image} /dev/sdX (`hcimage flash` lists the disks)"),
        false => ELSEWHERE.to_owned(),
    };
    notes.chain([write]).collect()
}

/// A path as a shell reads it back.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod instructions {
    use super::*;
    use crate::board::Boards;
    use crate::disk::ByteSize;

    fn image(path: &str) -> BuiltImage {
        BuiltImage {
            node: "hc-1".parse().unwrap(),
            board: "cm4".to_owned(),
            path: path.into(),
            manifest: format!("{path}.manifest.json").into(),
            sbom: format!("{path}.cdx.json").into(),
            bmap: format!("{path}.bmap").into(),
            size: ByteSize(1 << 20),
            grown: ByteSize(0),
            partition_table: None,
            changes: Vec::new(),
        }
    }

    #[test]
    fn one_image_is_named_and_quoted_for_the_shell() {
        let lines = instructions(&[&image("my images/it's.img")], []);
        assert_eq!(
            lines,
            [
                r"flash it: sudo hcimage flash 'my images/it'\''s.img' /dev/sdX (`hcimage flash` lists the disks)"
            ]
        );
    }

    #[test]
    fn several_images_have_one_command_and_each_boards_notes() {
        let boards = Boards::load(None).unwrap();
        let (cm4, pc) = (boards.get("cm4").unwrap(), boards.get("pc").unwrap());
        let lines = instructions(&[&image("a.img"), &image("b.img")], [cm4, pc]);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("cm4: ") && lines[1].starts_with("pc: "), "{lines:?}");
        assert!(lines[2].contains(" flash IMAGE "), "{lines:?}");
    }
}
