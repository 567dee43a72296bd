//! Paths inside an image.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An absolute path inside an image: `/`-separated, without empty, `.` or `..` components.
///
/// It is a type of its own so that a path of the host and a path of the image cannot be mixed up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImagePath(String);

/// Why a text is not a path inside an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a path inside an image: {problem}")]
pub struct BadImagePath {
    text: String,
    problem: &'static str,
}

impl ImagePath {
    /// The root.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Reads an absolute path; doubled slashes, a slash at the end and `.` are dropped, `..` is refused.
    pub fn parse(text: &str) -> Result<Self, BadImagePath> {
        let bad = |problem| Err(BadImagePath { text: text.to_owned(), problem });
        if !text.starts_with('/') {
            return bad("it must begin with /");
        }
        if text.contains('\0') {
            return bad("it has a NUL");
        }
        let mut path = String::with_capacity(text.len());
        for component in text.split('/').filter(|c| !c.is_empty() && *c != ".") {
            if component == ".." {
                return bad("`..` is not allowed");
            }
            if component.len() > 255 {
                return bad("a name has more than 255 bytes");
            }
            path.push('/');
            path.push_str(component);
        }
        Ok(if path.is_empty() { Self::root() } else { Self(path) })
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components from the root downwards.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|c| !c.is_empty())
    }

    /// The directory above; none above the root.
    pub fn parent(&self) -> Option<Self> {
        let (dir, name) = self.0.rsplit_once('/')?;
        if name.is_empty() {
            return None;
        }
        Some(if dir.is_empty() { Self::root() } else { Self(dir.to_owned()) })
    }

    /// The last component; none for the root.
    pub fn name(&self) -> Option<&str> {
        self.components().next_back()
    }

    /// The path with `relative` below it, under the rules of [`ImagePath::parse`].
    pub fn join(&self, relative: &str) -> Result<Self, BadImagePath> {
        Self::parse(&format!("{}/{relative}", self.0))
    }

    /// What is left of the path below `dir`, without a leading slash; none if it is not below.
    pub fn below(&self, dir: &Self) -> Option<&str> {
        if dir.0 == "/" {
            return self.0.strip_prefix('/').filter(|rest| !rest.is_empty());
        }
        self.0.strip_prefix(dir.0.as_str())?.strip_prefix('/')
    }
}

impl TryFrom<String> for ImagePath {
    type Error = BadImagePath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ImagePath> for String {
    fn from(path: ImagePath) -> Self {
        path.0
    }
}

impl fmt::Display for ImagePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_to_a_normal_form_or_refuses() {
        for (text, want) in
            [("/", "/"), ("//a//b/", "/a/b"), ("/a/./b", "/a/b"), ("/boot/firmware", "/boot/firmware")]
        {
            assert_eq!(ImagePath::parse(text).unwrap().as_str(), want);
        }
        for text in ["", "a", "./a", "/a/../b", "/..", "/a\0b"] {
            assert!(ImagePath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn parent_name_and_below_agree() {
        let path = ImagePath::parse("/boot/firmware/cmdline.txt").unwrap();
        let dir = path.parent().unwrap();
        assert_eq!(dir.as_str(), "/boot/firmware");
        assert_eq!(path.name(), Some("cmdline.txt"));
        assert_eq!(path.below(&dir), Some("cmdline.txt"));
        assert_eq!(path.below(&ImagePath::root()), Some("boot/firmware/cmdline.txt"));
        assert_eq!(path.below(&ImagePath::parse("/boot/firm").unwrap()), None);
        assert_eq!(ImagePath::root().parent(), None);
        assert_eq!(ImagePath::root().name(), None);
        assert_eq!(ImagePath::root().below(&ImagePath::root()), None);
    }
}
