//! Kinds of ext4 that base images bring, as options of mke2fs.

/// `mke2fs.conf` of bullseye (1.46): 64bit and metadata_csum.
const BULLSEYE: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,\
    sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
/// Bookworm's (1.47.0) as released by Debian is the same; upstream's and trixie's (1.47.2) add two.
const TRIXIE: &str = "none,has_journal,ext_attr,resize_inode,dir_index,orphan_file,filetype,extent,64bit,flex_bg,\
    metadata_csum_seed,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum";
/// Images that were made with older tools: uninit_bg, and neither metadata_csum nor 64bit.
const OLDER: &str = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,flex_bg,\
    sparse_super,large_file,huge_file,uninit_bg,dir_nlink,extra_isize";

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    pub(super) options: Vec<String>,
    pub(super) block: u32,
    pub(super) inode: u32,
}

impl Profile {
    fn new(features: &str, less: &[&str], block: u32, inode: u32) -> Self {
        let features = less.iter().fold(features.to_owned(), |all, name| format!("{all},^{name}"));
        // Small groups, so that there are several, and a small journal.
        let group = if block == 4096 { "2048" } else { "4096" };
        let mut options = vec!["-b".to_owned(), block.to_string(), "-I".to_owned(), inode.to_string()];
        options.extend(["-O", &features, "-g", group, "-N", "2000"].map(str::to_owned));
        if !less.contains(&"has_journal") {
            options.extend(["-J", if block == 4096 { "size=4" } else { "size=2" }].map(str::to_owned));
        }
        Self { options, block, inode }
    }

    /// The options as mke2fs wants them.
    pub(super) fn options(&self) -> Vec<&str> {
        self.options.iter().map(String::as_str).collect()
    }
}

/// Every set of features with every size of blocks and inodes, and variants of single features.
pub(super) fn all() -> Vec<Profile> {
    let mut profiles = Vec::new();
    for inode in [256, 128] {
        for block in [1024, 2048, 4096] {
            profiles.extend([BULLSEYE, TRIXIE, OLDER].map(|set| Profile::new(set, &[], block, inode)));
        }
    }
    for less in [
        &["64bit"][..],
        &["flex_bg"],
        &["metadata_csum"],
        &["has_journal"],
        &["has_journal", "metadata_csum", "64bit", "flex_bg"],
        &["dir_index", "dir_nlink", "extra_isize", "huge_file", "resize_inode"],
        &["64bit", "huge_file"],
    ] {
        profiles.push(Profile::new(BULLSEYE, less, 1024, 256));
        profiles.push(Profile::new(BULLSEYE, less, 4096, 256));
    }
    profiles.push(Profile::new(TRIXIE, &["flex_bg", "64bit"], 1024, 128));
    profiles.push(Profile::new(TRIXIE, &["has_journal", "orphan_file"], 4096, 128));
    profiles
}
