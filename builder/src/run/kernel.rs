//! Which kernel, initial RAM disk and arguments an image would boot with.

use hc_common::text::decode;

use crate::board::{Board, BootMethod};
use crate::formats::config_txt;
use crate::fs::{FsError, ImagePath};
use crate::os::{PiKernel, Tree};

/// What the boot loader would load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFiles {
    /// The kernel.
    pub kernel: ImagePath,
    /// The initial RAM disk.
    pub initrd: Option<ImagePath>,
    /// The kernel's arguments.
    pub arguments: String,
}

impl BootFiles {
    /// A file in the kernel's directory, where the firmware of a Raspberry Pi looks for the device tree too.
    pub(super) fn beside(&self, name: &str) -> Result<ImagePath, KernelError> {
        let path = self.kernel.as_str();
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        parse(&format!("{dir}/{name}"))
    }
}

/// Why an image's kernel cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// A file cannot be read.
    #[error("reading the boot configuration")]
    Fs(#[from] FsError),
    /// The configuration names no kernel.
    #[error("{path} names no kernel")]
    None {
        /// The configuration.
        path: String,
    },
}

/// What the image's own boot loader configuration says.
pub fn boot_files(tree: &Tree, board: &Board, boot_dir: &ImagePath) -> Result<BootFiles, KernelError> {
    match board.boot {
        BootMethod::RaspberryPi => pi(tree, board, boot_dir),
        BootMethod::Grub => grub(tree),
    }
}

/// The arguments with every `console=` replaced by the one given, at the place of the first.
pub fn with_console(arguments: &str, console: &str) -> String {
    let ours = format!("console={console}");
    let mut words: Vec<&str> = arguments.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("console=")).unwrap_or(words.len());
    words.retain(|word| !word.starts_with("console="));
    words.insert(at.min(words.len()), &ours);
    words.join(" ")
}

/// What the firmware puts before the names of kernel, initial RAM disk and arguments: `os_prefix`.
fn pi(tree: &Tree, board: &Board, dir: &ImagePath) -> Result<BootFiles, KernelError> {
    let config = text(tree, &below(dir, "config.txt")?)?;
    let read =
        config_txt::settings(&config, &|_| None).and_then(|settings| config_txt::boot_files(&settings));
    let read = read.map_err(|bad| unusable(dir, &bad.to_string()))?;
    let (prefix, cmdline) = (read.prefix, read.cmdline);
    // The stand-in for a Pi 5's processor takes the kernel with small pages as well.
    let default = if board.kernel == Some(PiKernel::Kernel7) { "kernel7.img" } else { "kernel8.img" };
    let kernel = setting(&config, "kernel").unwrap_or(default);
    // "initramfs FILE ADDRESS" is the one setting without an equals sign.
    let initrd = config.lines().filter_map(|line| line.trim().strip_prefix("initramfs ")).next_back();
    let initrd = initrd.and_then(|rest| rest.split_whitespace().next().map(str::to_owned));
    let initrd = initrd.or_else(|| beside_kernel(&config, kernel));
    Ok(BootFiles {
        kernel: below(dir, &format!("{prefix}{kernel}"))?,
        initrd: initrd.map(|name| below(dir, &format!("{prefix}{name}"))).transpose()?,
        arguments: text(tree, &below(dir, &format!("{prefix}{cmdline}"))?)?.trim().to_owned(),
    })
}

/// `auto_initramfs=1`: `initramfs8` for `kernel8.img`, `initramfs_2712` for `kernel_2712.img`.
fn beside_kernel(config: &str, kernel: &str) -> Option<String> {
    let is_on = setting(config, "auto_initramfs") == Some("1");
    let suffix = kernel.strip_prefix("kernel")?.strip_suffix(".img")?;
    is_on.then(|| format!("initramfs{suffix}"))
}

/// The last `key=value` wins, as in the firmware; filters such as `[pi4]` are not followed.
fn setting<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    config
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .filter(|(name, _)| name.trim() == key)
        .map(|(_, value)| value.trim())
        .next_back()
}

fn grub(tree: &Tree) -> Result<BootFiles, KernelError> {
    const PATH: &str = "/boot/grub/grub.cfg";
    let config = text(tree, &parse(PATH)?)?;
    // The first menu entry is the default one.
    let (kernel, arguments) = first_command(&config, "linux")
        .and_then(|rest| rest.split_once(char::is_whitespace))
        .ok_or(KernelError::None { path: PATH.to_owned() })?;
    let initrd = first_command(&config, "initrd").and_then(|rest| rest.split_whitespace().next());
    // GRUB's paths begin at the file system that holds them: the root, or one of its own at /boot.
    let find = |path: &str| {
        let at_boot = tree.resolve(&parse(&format!("/boot{path}"))?)?;
        if tree.exists(&at_boot)? { Ok(at_boot) } else { Ok::<_, KernelError>(tree.resolve(&parse(path)?)?) }
    };
    Ok(BootFiles {
        kernel: find(kernel)?,
        initrd: initrd.map(find).transpose()?,
        arguments: arguments.trim().to_owned(),
    })
}

fn first_command<'a>(config: &'a str, command: &str) -> Option<&'a str> {
    config.lines().find_map(|line| {
        let (word, rest) = line.trim().split_once(char::is_whitespace)?;
        (word == command).then_some(rest.trim_start())
    })
}

fn unusable(dir: &ImagePath, problem: &str) -> KernelError {
    let path = format!("{dir}/config.txt");
    KernelError::Fs(FsError::BadPath { path, problem: problem.to_owned() })
}

fn text(tree: &Tree, path: &ImagePath) -> Result<String, KernelError> {
    let bytes = tree.read(&tree.resolve(path)?, 1 << 20)?;
    decode(&bytes).map(str::to_owned).map_err(|problem| {
        KernelError::Fs(FsError::BadPath { path: path.to_string(), problem: problem.to_string() })
    })
}

fn below(dir: &ImagePath, name: &str) -> Result<ImagePath, KernelError> {
    parse(&format!("{dir}/{name}"))
}

fn parse(path: &str) -> Result<ImagePath, KernelError> {
    ImagePath::parse(path)
        .map_err(|bad| KernelError::Fs(FsError::BadPath { path: path.to_owned(), problem: bad.to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initramfs_is_found_by_the_kernels_name() {
        for (kernel, want) in [
            ("kernel8.img", Some("initramfs8")),
            ("kernel_2712.img", Some("initramfs_2712")),
            ("kernel.img", Some("initramfs")),
            ("vmlinuz", None),
        ] {
            assert_eq!(beside_kernel("auto_initramfs=1\n", kernel).as_deref(), want);
            assert_eq!(beside_kernel("auto_initramfs=0\n", kernel), None);
        }
    }

    #[test]
    fn only_the_console_is_replaced() {
        let pi = "console=tty0 console=ttyS1,115200 root=LABEL=RASPIROOT rw rootwait cgroup_enable=memory";
        assert_eq!(
            with_console(pi, "ttyAMA0"),
            "console=ttyAMA0 root=LABEL=RASPIROOT rw rootwait cgroup_enable=memory"
        );
        assert_eq!(with_console("root=/dev/vda1 ro", "ttyS0"), "root=/dev/vda1 ro console=ttyS0");
    }

    #[test]
    fn the_last_setting_wins() {
        assert_eq!(setting("kernel=a\n#kernel=x\n[all]\n kernel = b \n", "kernel"), Some("b"));
        assert_eq!(setting("kernel_address=1\n", "kernel"), None);
    }

    #[test]
    fn the_first_menu_entry_is_taken() {
        let config = "menuentry 'a' {\n\tlinux\t/boot/vmlinuz-6 root=UUID=1 ro\n\tinitrd\t/boot/initrd-6\n}\n\tlinux /b x\n";
        assert_eq!(first_command(config, "linux"), Some("/boot/vmlinuz-6 root=UUID=1 ro"));
        assert_eq!(first_command(config, "initrd"), Some("/boot/initrd-6"));
        assert_eq!(first_command(config, "module"), None);
    }
}
