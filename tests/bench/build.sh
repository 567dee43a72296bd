#!/usr/bin/env bash
# `hcimage build` against a copy of the same bytes: `cp --sparse=always` of the base and `cp` of the bundle.
#
# All inputs lie in the file cache, and both ways take turns, so that what else the machine does meets both. The
# copy is measured with and without a sync at its end; hcimage always syncs. Prints medians and ratios; asserts
# nothing, since a busy machine is no defect.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${ROUNDS:-7}
binary_bytes=75000000
images_bytes=200000000
source tests/bench/lib.sh

say "preparing: base image, and a k3s release of real size around the stand-in"
base=$(tests/bases/make.sh debian-pi-arm64)
release=$work/v1.36.2+k3s1
tests/k3s-double/make-release.sh "$release" \
    --bin-aarch64 target/card/aarch64/k3s-double --bin-armv7 target/card/armv7/hc-firstboot \
    --bin-x86_64 target/card/x86_64/k3s-double \
    --pad-binary $binary_bytes --pad-images $images_bytes >&2
bundle=("$release/k3s-arm64" "$release/k3s-airgap-images-arm64.tar.zst")
cat "$base" "${bundle[@]}" >/dev/null

# into_empty NAME COMMAND...: measures a command with an empty folder for what it writes.
into_empty() {
    rm -rf "$work/out"
    mkdir "$work/out"
    measure "$@"
}

build() {
    into_empty hcimage "$hcimage" build --board cm4 --base "$base" --k3s "$release" \
        --output "$work/out/image.img" --lock "$work/out/lock"
}
plain() {
    into_empty "$1" bash -c 'base=$1 work=$2; shift 2; cp --sparse=always "$base" "$work/out/image"
        cp "$@" "$work/out/"; [ "$0" = copy ] || sync "$work"/out/*' "$1" "$base" "$work" "${bundle[@]}"
}

for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    build
    plain copy
    plain copy_and_sync
done

cat <<END
$(stat --format=%s "$base" | numfmt --to=iec-i --suffix=B) base with $(du --block-size=1 "$base" | cut -f1 | numfmt --to=iec-i --suffix=B) of data, $(numfmt --to=iec-i --suffix=B $((binary_bytes + images_bytes))) bundle, median of $rounds rounds
  hcimage build                        $(median hcimage) s
  copy of the same bytes               $(median copy) s   ratio $(ratio "$(median hcimage)" "$(median copy)")
  copy of the same bytes, and sync     $(median copy_and_sync) s   ratio $(ratio "$(median hcimage)" "$(median copy_and_sync)")   goal: at most 1.2
  peak memory of hcimage               $(peak hcimage) MiB   goal: at most 64 MiB
END
