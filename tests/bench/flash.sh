#!/usr/bin/env bash
# `hcimage flash` against dd and bmaptool, on a loop device: an image of which a third is full.
#
# The three take turns, so that what else the machine does meets all. Needs root, for loop devices, and bmaptool. Prints medians and
# ratios; asserts nothing, since a busy machine is no defect.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-5}
size=${MIB:-1536}
source tests/bench/lib.sh

[ "$(id -u)" -eq 0 ] || { say "flash: SKIPPED: needs root, for loop devices"; exit 0; }
command -v bmaptool >/dev/null || { say "flash: SKIPPED: needs bmaptool (apt-get install bmap-tools)"; exit 0; }

say "preparing: an image of $size MiB, a third of it full"
mkdir "$work/files"
for ((i = 0; i < size / 3 / 16; i++)); do head -c $((16 << 20)) /dev/urandom >"$work/files/$i"; done
image=$work/image.img
truncate -s $((size << 20)) "$image"
echo '2048,' | sfdisk --quiet "$image"
mkfs.ext4 -q -F -E offset=$((1 << 20)) -d "$work/files" "$image" $(((size - 1) << 10))
rm -r "$work/files"
bmaptool --quiet create -o "$image.bmap" "$image" 2>/dev/null

truncate -s $(((size + 64) << 20)) "$work/disk"
fallocate --length $(((size + 64) << 20)) "$work/disk"
disk=$(losetup --find --show --direct-io=on "$work/disk")
trap 'losetup --detach "$disk"; rm -rf "$work"' EXIT

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    measure dd dd if="$image" of="$disk" bs=4M oflag=direct conv=fsync
    measure bmaptool bmaptool --quiet copy --bmap "$image.bmap" "$image" "$disk"
    measure flash "$hcimage" flash "$image" "$disk" --fixed --yes "$disk"
    # The progress has the time of the writing alone.
    sed -n 's/^writing: done, .* in \([0-9.]*\) s$/\1 0/p' "$work/log" >>"$work/written"
done

cat <<END
image of $size MiB, a third full, onto a loop device with direct input and output; median of $rounds rounds
  dd bs=4M oflag=direct      $(median dd) s
  bmaptool copy              $(median bmaptool) s
  hcimage flash, written     $(median written) s   of dd $(ratio "$(median written)" "$(median dd)"), goal: 0.33; of bmaptool $(ratio "$(median written)" "$(median bmaptool)"), goal: 1.0
  hcimage flash, verified    $(median flash) s   of its writing $(ratio "$(median flash)" "$(median written)"), goal: 2.0
END
