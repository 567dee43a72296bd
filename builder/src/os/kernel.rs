//! The kernels of an image, and those that a board would boot.

use crate::formats::kernel_modules::KernelModules;

use super::facts::{Bootloader, Facts};

/// A kernel with modules in the image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Kernel {
    /// Its release as in `uname -r`, which is also the name of its directory in `/lib/modules`.
    pub release: String,
    /// Its modules.
    pub modules: KernelModules,
}

/// The kernel on a Raspberry Pi's FAT partition that the firmware loads by default (Raspberry Pi documentation,
/// `kernel`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub enum PiKernel {
    /// For the 32-bit boards with ARMv7. A Pi 2 of revision 1.2 has a 64-bit processor, so with `arm_64bit=1` in
    /// `config.txt`, as in Raspberry Pi OS since bookworm, it loads `kernel8.img`, even with 32-bit programs.
    #[serde(rename = "kernel7.img")]
    Kernel7,
    /// For all 64-bit boards up to the Pi 4's processor.
    #[serde(rename = "kernel8.img")]
    Kernel8,
    /// With 16 KiB pages, for the Pi 5's processor, which loads `kernel8.img` if this one is missing.
    #[serde(rename = "kernel_2712.img")]
    Kernel2712,
}

impl PiKernel {
    /// The suffixes of Raspberry Pi's kernel releases for it: `6.12.25+rpt-rpi-v8`, `6.1.21-v8+`.
    fn flavors(self) -> &'static [&'static str] {
        match self {
            Self::Kernel7 => &["-v7", "-v7+", "-v8", "-v8+"],
            Self::Kernel8 => &["-v8", "-v8+"],
            Self::Kernel2712 => &["-2712", "-v8-16k+"],
        }
    }
}

impl Facts {
    /// The kernels that the board may boot: the one in the boot loader's configuration, otherwise those of the board's
    /// flavor, otherwise all.
    pub fn boot_kernels(&self, pi: Option<PiKernel>) -> Vec<&Kernel> {
        let named = match &self.bootloader {
            Bootloader::Grub { .. } => grub_release(self.arguments()),
            Bootloader::PiFirmware { kernels, .. } => match kernels.as_slice() {
                [only] => release(only),
                _ => None,
            },
        };
        select(&self.kernels, named, pi)
    }
}

fn select<'k>(kernels: &'k [Kernel], named: Option<&str>, pi: Option<PiKernel>) -> Vec<&'k Kernel> {
    let named: Vec<_> = kernels.iter().filter(|kernel| named == Some(kernel.release.as_str())).collect();
    if !named.is_empty() {
        return named;
    }
    let flavors = pi.map(PiKernel::flavors).unwrap_or_default();
    let of_board = |kernel: &&Kernel| flavors.iter().any(|end| kernel.release.ends_with(end));
    let matching: Vec<_> = kernels.iter().filter(of_board).collect();
    if matching.is_empty() { kernels.iter().collect() } else { matching }
}

/// The kernel of the first entry of a `grub.cfg`, which is the default.
fn grub_release(config: &str) -> Option<&str> {
    let mut lines = config.lines().map(str::split_whitespace);
    let mut words = lines.find_map(|mut words| (words.next() == Some("linux")).then_some(words))?;
    release(words.next()?)
}

/// The release in a path such as `vmlinuz-6.1.0-30-arm64`, in any directory.
fn release(path: &str) -> Option<&str> {
    path.rsplit('/').next()?.strip_prefix("vmlinuz-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels(releases: &[&str]) -> Vec<Kernel> {
        let kernel =
            |release: &&str| Kernel { release: (*release).to_owned(), modules: KernelModules::default() };
        releases.iter().map(kernel).collect()
    }

    #[test]
    fn a_board_boots_the_named_kernel_or_those_of_its_flavor() {
        let pi_os = kernels(&["6.12.75+rpt-rpi-2712", "6.12.75+rpt-rpi-v8"]);
        let debian = kernels(&["6.1.0-29-arm64", "6.1.0-30-arm64"]);
        let pi_os_32 = kernels(&[
            "6.12.25+rpt-rpi-v6",
            "6.12.25+rpt-rpi-v7",
            "6.12.25+rpt-rpi-v7l",
            "6.12.25+rpt-rpi-v8",
        ]);
        let bullseye_32 = kernels(&["6.1.21+", "6.1.21-v7+", "6.1.21-v7l+", "6.1.21-v8+"]);
        let v7 = Some(PiKernel::Kernel7);
        let v8 = Some(PiKernel::Kernel8);
        let bcm2712 = Some(PiKernel::Kernel2712);
        for (all, named, pi, want) in [
            (&pi_os, None, v8, &["6.12.75+rpt-rpi-v8"][..]),
            (&pi_os, None, bcm2712, &["6.12.75+rpt-rpi-2712"]),
            (&kernels(&["6.1.21-v8+"]), None, bcm2712, &["6.1.21-v8+"]),
            // Each revision of a Pi 2 has its own kernel; v6 and v7l are those of a Pi 1 and a Pi 4.
            (&pi_os_32, None, v7, &["6.12.25+rpt-rpi-v7", "6.12.25+rpt-rpi-v8"]),
            (&bullseye_32, None, v7, &["6.1.21-v7+", "6.1.21-v8+"]),
            (&pi_os_32, None, v8, &["6.12.25+rpt-rpi-v8"]),
            (&debian, Some("6.1.0-30-arm64"), v8, &["6.1.0-30-arm64"]),
            (&debian, None, v8, &["6.1.0-29-arm64", "6.1.0-30-arm64"]),
            (&debian, Some("5.0"), None, &["6.1.0-29-arm64", "6.1.0-30-arm64"]),
        ] {
            let found: Vec<_> = select(all, named, pi).iter().map(|k| k.release.as_str()).collect();
            assert_eq!(found, want, "{named:?} {pi:?}");
        }
    }

    #[test]
    fn grub_boots_its_first_entry() {
        let config =
            "menuentry 'a' {\n\tlinux\t/vmlinuz-6.8.0-60-generic root=LABEL=x ro\n}\nlinux /vmlinuz-5 ro\n";
        assert_eq!(grub_release(config), Some("6.8.0-60-generic"));
        assert_eq!(grub_release("linux /boot/vmlinuz-6.1.0-30-amd64"), Some("6.1.0-30-amd64"));
        assert_eq!(grub_release("# nothing"), None);
    }
}
