#!/usr/bin/env bash
# Runs the fuzz targets; needs a nightly Rust, a C++ compiler and `cargo install cargo-fuzz --locked`.
#
#   fuzz.sh run SECONDS [TARGET...]    each for so long, one after the other; stops at the first finding
#   fuzz.sh minimise [TARGET...]       puts what reaches new code into the corpus that is kept
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/fuzz
# The program that goes onto the card is compiled in where it exists; none of the targets uses it.
export HCIMAGE_CARD_PROGRAMS=${HCIMAGE_CARD_PROGRAMS:-$root/target/card}
# Scratch images live where nothing is ever written to a disk.
[ -d /dev/shm ] && export TMPDIR=/dev/shm
MEMORY_MB=512
SECONDS_PER_INPUT=25

usage() {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

# targets [TARGET...]: those, or all.
targets() {
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; else ls "$here/corpus"; fi
}

# build TARGET: without a sanitizer, since nothing here is unsafe and speed finds more.
build() {
    cargo +nightly fuzz build --fuzz-dir "$here/targets" --target-dir "$work/build" \
        --sanitizer none --no-trace-compares "$1"
}

# program TARGET: its path, when it is built.
program() {
    echo "$work/build/$(rustc +nightly -vV | sed -n 's/^host: //p')/release/$1"
}

run() {
    local seconds=$1 target
    shift
    for target in $(targets "$@"); do
        build "$target"
        mkdir -p "$work/corpus/$target" "$work/findings/$target"
        nice -n 19 "$(program "$target")" "$work/corpus/$target" "$here/corpus/$target" \
            -artifact_prefix="$work/findings/$target/" -max_total_time="$seconds" -print_final_stats=1 \
            -timeout=$SECONDS_PER_INPUT -rss_limit_mb=$MEMORY_MB -malloc_limit_mb=$((MEMORY_MB / 2)) \
            -max_len="$(longest "$target")" -len_control=30
    done
}

# longest TARGET: bytes of an input at most. Scripts of changes are short; texts may be longer.
longest() {
    case $1 in seed | editors) echo 2048 ;; *) echo 300 ;; esac
}

minimise() {
    local target fresh
    for target in $(targets "$@"); do
        build "$target"
        fresh=$(mktemp -d "$work/minimised.XXXXXX")
        mkdir -p "$work/corpus/$target"
        "$(program "$target")" -merge=1 -set_cover_merge=1 -use_counters=0 -use_cmp=0 \
            "$fresh" "$here/corpus/$target" "$work/corpus/$target"
        rm -rf "$here/corpus/$target"
        mv "$fresh" "$here/corpus/$target"
        chmod 755 "$here/corpus/$target"
    done
}

[ $# -ge 1 ] || usage
case $1 in
run) [ $# -ge 2 ] || usage && shift && run "$@" ;;
minimise) shift && minimise "$@" ;;
*) usage ;;
esac
