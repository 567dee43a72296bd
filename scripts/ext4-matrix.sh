#!/bin/sh
# All tests of the ext4 layer; as root also those in which the kernel mounts and grows what was made.
set -eu
cd "$(dirname "$0")/.."

more=
if [ "$(id -u)" = 0 ]; then
    more=--include-ignored
    # CAP_SYS_RESOURCE is bit 24; the kernel grows a mounted file system only with it.
    capabilities=$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status)
    if [ $((0x$capabilities >> 24 & 1)) = 0 ]; then
        echo "ext4-matrix: NOT tested without CAP_SYS_RESOURCE: growth by the kernel while mounted" >&2
        more="$more --skip the_kernel_grows_it_further"
    fi
else
    echo "ext4-matrix: NOT tested without root: anything that the kernel would mount" >&2
fi
# shellcheck disable=SC2086 # several words
exec cargo test --locked --package hcimage --lib fs::ext4 -- $more
