//! The kernel mounts what was grown, and writes into it.

use super::*;

/// Detaches the loop device and unmounts, whatever happens.
struct Mounted {
    device: String,
    on: PathBuf,
}

impl Mounted {
    fn new(image: &Image) -> Self {
        let on = image.dir.path().join("mounted");
        fs::create_dir_all(&on).unwrap();
        let device = must("losetup", &["--find", "--show", image.path()]).trim().to_owned();
        must("mount", &["-t", "ext4", &device, on.to_str().unwrap()]);
        Self { device, on }
    }

    fn unmount(self) {
        must("umount", &[self.on.to_str().unwrap()]);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = run("umount", &[self.on.to_str().unwrap()]);
        let _ = run("losetup", &["--detach", &self.device]);
    }
}

/// Block size and options of mke2fs.
const CASES: &[(u32, &str)] = &[
    (1024, ""),
    (1024, "-O ^64bit,^flex_bg"),
    (1024, "-O ^metadata_csum,uninit_bg"),
    (1024, "-O ^metadata_csum,^has_journal"),
    (2048, "-O orphan_file,metadata_csum_seed"),
    (4096, ""),
    (4096, "-I 128 -O ^flex_bg"),
];

fn grown(block_size: u32, options: &str) -> (Image, Grown) {
    let image = Image::make(block_size, &format!("-g 4096 {options}"), 10_000);
    let grown = image.grow(300_000, block_size).unwrap();
    (image, grown)
}

#[test]
#[ignore = "needs root and loop devices"]
fn the_kernel_mounts_and_fills_it() {
    for &(block_size, options) in CASES {
        let (image, grown) = grown(block_size, options);
        let mounted = Mounted::new(&image);
        let content = vec![0x42; 4 << 20];
        let files = grown.new_blocks * u64::from(block_size) * 7 / 10 / (4 << 20);
        for index in 0..files {
            fs::write(mounted.on.join(format!("kernel-{index}")), &content).unwrap();
        }
        for dir in 0..100 {
            fs::create_dir(mounted.on.join(format!("directory-{dir}"))).unwrap();
            fs::write(mounted.on.join(format!("directory-{dir}/x")), b"x").unwrap();
        }
        fs::remove_file(mounted.on.join("kernel-0")).unwrap();
        mounted.unmount();
        image.check(&format!("{options} {block_size}: after the kernel has filled it"));
        image.check_files();
    }
}

/// The kernel's own growth goes on from ours, through the reserve that we have kept.
#[test]
#[ignore = "needs root, loop devices and CAP_SYS_RESOURCE, which containers often lack"]
fn the_kernel_grows_it_further() {
    for &(block_size, options) in CASES {
        let (image, _) = grown(block_size, options);
        image.lengthen(400_000 * u64::from(block_size));
        let mounted = Mounted::new(&image);
        must("resize2fs", &[&mounted.device, "400000"]);
        mounted.unmount();
        image.check(&format!("{options} {block_size}: after the kernel has grown it further"));
        image.check_files();
    }
}
