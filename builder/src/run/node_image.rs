//! A node as its image says it is: what is rehearsed is what was built, whatever the cluster file says meanwhile.

use std::path::{Path, PathBuf};

use hc_firstboot::seed::{Role, SEED_PATH, Seed};

use crate::board::Board;
use crate::fs::ImagePath;
use crate::os::Access;

use super::kernel::KernelError;
use super::machine::open;
use super::vm::VmError;

/// The largest seed in bytes.
const LARGEST: u64 = 16 << 20;

/// An image of a node, and what hcimage has put into it for the first boot.
#[derive(Debug, Clone)]
pub struct NodeImage {
    /// The image.
    pub path: PathBuf,
    /// The board that it was built for.
    pub board: Board,
    /// What the node is.
    pub seed: Seed,
}

impl NodeImage {
    /// Reads the seed of an image.
    ///
    /// # Errors
    /// Where it is no image for that board, or hcimage did not build it.
    pub fn read(path: &Path, board: &Board) -> Result<Self, VmError> {
        let unbuilt = |why: String| VmError::NotBuilt { image: path.to_owned(), why };
        let image = open(board, path)?;
        let tree = image.tree(Access::Read)?;
        let at = ImagePath::parse(SEED_PATH).map_err(|bad| unbuilt(bad.to_string()))?;
        if !tree.exists(&at).map_err(KernelError::Fs)? {
            return Err(unbuilt(format!("it has no {SEED_PATH}")));
        }
        let bytes = tree.read(&at, LARGEST).map_err(KernelError::Fs)?;
        let text = String::from_utf8(bytes).map_err(|bad| unbuilt(format!("{SEED_PATH}: {bad}")))?;
        let seed = Seed::parse(&text).map_err(|bad| unbuilt(bad.to_string()))?;
        Ok(Self { path: path.to_owned(), board: board.clone(), seed })
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        self.seed.node.hostname.as_str()
    }

    /// Whether it is a server, which has the API.
    pub fn is_server(&self) -> bool {
        !matches!(self.seed.role, Role::Agent(_))
    }
}
