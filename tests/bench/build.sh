#!/usr/bin/env bash
# `hcimage build` against a copy of the same bytes: `cp --sparse=always` of the base and `cp` of the bundle.
#
# All inputs lie in the file cache, and both ways take turns, so that what else the machine does meets both. The
# copy is measured with and without a sync at its end; hcimage always syncs. Everything is measured twice: as the machine
# is, and beside as many busy loops as it has processors, which the bench starts and stops. Prints medians and ratios;
# asserts nothing, since a busy machine is no defect.
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

# The load is part of the name of a measurement.
build() {
    into_empty "$1-hcimage" "$hcimage" build --board cm4 --base "$base" --k3s "$release" \
        --output "$work/out/image.img" --lock "$work/out/lock"
}
plain() {
    into_empty "$1-$2" bash -c 'base=$1 work=$2; shift 2; cp --sparse=always "$base" "$work/out/image"
        cp "$@" "$work/out/"; [ "$0" = copy ] || sync "$work"/out/*' "$2" "$base" "$work" "${bundle[@]}"
}

loops=()
start_load() {
    for ((n = $(nproc); n > 0; n--)); do
        (trap - EXIT && while :; do :; done) &
        loops+=($!)
    done
}
stop_load() {
    [ ${#loops[@]} -eq 0 ] || kill "${loops[@]}"
    wait
    loops=()
}
trap 'stop_load; rm -rf "$work"' EXIT

for ((round = 1; round <= rounds; round++)); do
    for load in idle busy; do
        say "round $round of $rounds, $load"
        [ "$load" = idle ] || start_load
        build "$load"
        plain "$load" copy
        plain "$load" copy_and_sync
        stop_load 2>/dev/null
    done
done

report() {
    cat <<END
$2
  hcimage build                        $(median "$1-hcimage") s
  copy of the same bytes               $(median "$1-copy") s   ratio $(ratio "$(median "$1-hcimage")" "$(median "$1-copy")")
  copy of the same bytes, and sync     $(median "$1-copy_and_sync") s   ratio $(ratio "$(median "$1-hcimage")" "$(median "$1-copy_and_sync")")   goal: at most 1.2
END
}

cat <<END
$(stat --format=%s "$base" | numfmt --to=iec-i --suffix=B) base with $(du --block-size=1 "$base" | cut -f1 | numfmt --to=iec-i --suffix=B) of data, $(numfmt --to=iec-i --suffix=B $((binary_bytes + images_bytes))) bundle, median of $rounds rounds
END
report idle "as the machine is (load of the last minute: $(cut -d' ' -f1 /proc/loadavg))"
report busy "beside $(nproc) busy loops"
echo "  peak memory of hcimage               $(peak idle-hcimage) MiB   goal: at most 64 MiB"
