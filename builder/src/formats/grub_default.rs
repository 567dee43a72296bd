//! `/etc/default/grub.d/90-hcimage.cfg`: what update-grub adds to every entry when it runs on the node.

use super::kernel_args::KernelArg;

/// Where the file lies. Files there are read after `/etc/default/grub`, in the order of their names, and those of cloud
/// images (`10_cloud.cfg`, `50-cloudimg-settings.cfg`) set the variable anew, so ours comes later.
pub const PATH: &str = "/etc/default/grub.d/90-hcimage.cfg";

/// The file: shell that adds `words` to what is there already.
pub fn render(words: &[KernelArg]) -> String {
    let words: Vec<&str> = words.iter().map(|word| word.text).collect();
    format!(
        "# Written by hcimage: k3s needs these words in every boot entry.\n\
         GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {}\"\n",
        words.join(" ")
    )
}
