# shellcheck shell=bash
# What the benches share. A bench is in the root of the project, has set `rounds`, and sources this.

# shellcheck disable=SC2034 # for the benches
hcimage=$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}/release/hcimage")
work=$(realpath "$(mktemp -d "${BENCH_DIR:-target}/bench-XXXXXX")")
trap 'rm -rf "$work"' EXIT

say() { printf '%s\n' "$*" >&2; }

# measure NAME COMMAND...: appends seconds and KiB of peak memory to a file of that name.
measure() {
    local name=$1
    shift
    sync "$work"
    /usr/bin/time --append --output "$work/$name" --format '%e %M' "$@" >/dev/null 2>"$work/log" ||
        { cat "$work/log" >&2; exit 1; }
}

# The seconds of NAME.
median() { cut -d' ' -f1 "$work/$1" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }
# Its peak memory in MiB.
peak() { cut -d' ' -f2 "$work/$1" | sort -n | tail -n 1 | awk '{ printf "%d", $1 / 1024 }'; }
# One number by another.
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
