#!/usr/bin/env bash
# A packed base, unpacked and verified by hcimage, against `xz -dT0 | sha256sum` of the same file.
#
# The file is packed as Raspberry Pi's are: blocks of 24 MiB, a dictionary of 8 MiB. `hcimage ls` digests it, unpacks it into
# the cache and lists the root of the image; the last is what the same command takes once the image is in the cache, and is
# shown beside. Both ways take turns, and the file lies in the file cache. Prints medians and a ratio; asserts nothing, since
# a busy machine is no defect.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-5}
source tests/bench/lib.sh

say "preparing: a base of real size, and packing it"
base=$(tests/bases/make.sh debian-pi-arm64)
packed=$work/base.img.xz
# What follows the partitions of an image is nobody's: the same bytes once more make the size of a real one.
cat "$base" "$base" | xz -T0 --lzma2=preset=1,dict=8MiB --block-size=24MiB >"$packed"
cat "$packed" >/dev/null

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    rm -rf "$work/cache"
    HCIMAGE_CACHE=$work/cache measure hcimage "$hcimage" ls "$packed:/"
    HCIMAGE_CACHE=$work/cache measure again "$hcimage" ls "$packed:/"
    measure xz bash -c 'xz -dT0 <"$0" | sha256sum' "$packed"
done

cat <<END
$(xz --robot --list "$packed" | awk '$1 == "totals" { print $5 }' | numfmt --to=iec-i --suffix=B) image, packed $(stat --format=%s "$packed" | numfmt --to=iec-i --suffix=B), median of $rounds rounds, $(nproc) processors
  hcimage ls of the packed image       $(median hcimage) s   the same with the image in the cache: $(median again) s
  xz -dT0 | sha256sum                  $(median xz) s   ratio $(ratio "$(median hcimage)" "$(median xz)")   goal: at most 1.1
  peak memory of hcimage               $(peak hcimage) MiB   goal: at most 64 MiB (that of xz: $(peak xz) MiB)
END
