//! `IMAGE:/path`, a path inside an image.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;

use crate::fs::ImagePath;
use crate::os::{Access, OsImage, Tree};

use super::unpacked;

/// A path inside an image.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) image: PathBuf,
    pub(super) path: ImagePath,
}

impl FromStr for Place {
    type Err = String;

    /// The last `:/` separates, since an image's own name may hold one (`C:/images/pi.img:/etc`).
    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.rfind(":/").filter(|at| *at > 0);
        let (image, path) = split
            .and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?)))
            .ok_or("it must be an image and an absolute path inside of it, such as pi.img:/etc/fstab")?;
        let path = ImagePath::parse(path).map_err(|bad| bad.to_string())?;
        Ok(Self { image: PathBuf::from(image), path })
    }
}

impl Place {
    /// Opens the image for reading; a packed one is unpacked. What is opened stays readable, though a copy that must not be
    /// kept has no name any more.
    pub(super) fn open(&self) -> anyhow::Result<Tree> {
        tree(&self.image)
    }
}

/// The files of an image, for reading.
pub(super) fn tree(image: &Path) -> anyhow::Result<Tree> {
    let context = || format!("opening {}", image.display());
    let image = unpacked(image).with_context(context)?;
    OsImage::open(&image.path).and_then(|image| image.tree(Access::Read)).with_context(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_last_colon_and_slash() {
        for (text, image, path) in [
            ("pi.img:/etc/fstab", "pi.img", "/etc/fstab"),
            ("C:/images/pi.img:/", "C:/images/pi.img", "/"),
            ("dir:x/pi.img:/a:b", "dir:x/pi.img", "/a:b"),
        ] {
            let place: Place = text.parse().unwrap();
            assert_eq!((place.image.to_str().unwrap(), place.path.as_str()), (image, path));
        }
        for text in ["pi.img", "pi.img:etc", ":/etc", "pi.img:/a/../b"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
