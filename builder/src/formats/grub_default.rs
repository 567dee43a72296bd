//! `/etc/default/grub.d/90-hcimage.cfg`: the arguments that update-grub adds to every entry when it runs on the node.

use super::kernel_args::KernelArg;

/// The path of the file. Files there are read after `/etc/default/grub`, in order of their names, and those of cloud
/// images (`10_cloud.cfg`, `50-cloudimg-settings.cfg`) overwrite the variable, so ours comes later.
pub const PATH: &str = "/etc/default/grub.d/90-hcimage.cfg";

/// The file: shell code that appends `words` to the variable.
pub fn render(words: &[KernelArg]) -> String {
    let words: Vec<&str> = words.iter().map(|word| word.text).collect();
    format!(
        "# Written by hcimage: k3s needs these words in every boot entry.\n\
         GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {}\"\n",
        words.join(" ")
    )
}
