#!/usr/bin/env bash
# What is supported, from what the tests proved (tests/kit/src/proof.rs): board-profiles/proofs.tsv, which is compiled
# into hcimage, tests/overlays/proofs.tsv, and the two tables in the README.
#
#   support-table.sh           writes both
#   support-table.sh --check   fails where they say something else than the tests
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$0")/.." && pwd)
proofs=$root/target/proofs
tsv=$root/board-profiles/proofs.tsv
overlays_tsv=$root/tests/overlays/proofs.tsv
readme=$root/README.md

die() {
    printf 'support-table: %s\n' "$*" >&2
    exit 1
}

# Bases that `make boot-more` boots, which is no part of `make test`: what is written of them stands until it is run again.
seldom=(debian-pi-dhcpcd-arm64 debian-pi-hybrid-arm64)

standing() {
    local base board level
    while IFS=$'\t' read -r base board level; do
        [ "$level" = booted ] && [ ! -e "$proofs/booted/$base/$board" ] && [[ " ${seldom[*]} " == *" $base "* ]] &&
            printf '%s\t%s\tbooted\n' "$base" "$board"
    done <"$tsv"
    return 0
}

# Base, board, and the highest level that was reached.
lines() {
    local level path
    # shellcheck disable=SC2016 # backticks of Markdown
    printf '# base\tboard\twhat the tests proved: booted, edited or refused; written by `make support-table`\n'
    for level in booted edited refused; do
        [ -d "$proofs/$level" ] || die "nothing is proved to be $level here: run make test first"
        for path in "$proofs/$level"/*/*; do
            path=${path#"$proofs/$level/"}
            printf '%s\t%s\t%s\n' "${path%/*}" "${path#*/}" "$level"
        done
        [ "$level" != booted ] || standing
    done | sort --stable --unique --key=1,2
}

title() {
    case $1 in
    debian-pi-arm64) echo "Debian 12 for the Raspberry Pi (raspi-firmware), arm64" ;;
    debian-pi-dhcpcd-arm64) echo "the same with dhcpcd" ;;
    debian-pi-netplan-arm64) echo "the same with cloud-init and netplan" ;;
    debian-pi-hybrid-arm64) echo "the same with a hybrid MBR, as Debian 13's image has" ;;
    debian-pc-amd64) echo "Debian 12 for PCs, amd64" ;;
    debian-pi-trixie-like) echo "Debian 13 for the Raspberry Pi (raspi-firmware), arm64 (look-alike)" ;;
    debian-cloud-*-like) echo "Debian 13 cloud image, ${1:13:5} (look-alike)" ;;
    pi-os-bullseye-like) echo "Raspberry Pi OS Lite bullseye, arm64 (look-alike)" ;;
    pi-os-bookworm-like) echo "Raspberry Pi OS Lite bookworm, arm64 (look-alike)" ;;
    pi-os-bookworm-armhf-like) echo "Raspberry Pi OS Lite bookworm, armhf (look-alike)" ;;
    pi-os-trixie-like) echo "Raspberry Pi OS Lite trixie, arm64 (look-alike)" ;;
    ubuntu-cloud-*-like) echo "Ubuntu 24.04 cloud image, ${1:13:5} (look-alike)" ;;
    ubuntu-pi-*-like) echo "Ubuntu Server ${1:10:5} for the Raspberry Pi, arm64 (look-alike)" ;;
    *) die "there is no title for the base $1 in $0" ;;
    esac
}

table() {
    local base level cell
    echo '| base | boots in QEMU, its node Ready | image built and judged | refused, with the reason |'
    echo '|---|---|---|---|'
    grep -v '^#' "$1" | cut -f1 | sort -u | while read -r base; do
        printf '| %s |' "$(title "$base")"
        for level in booted edited refused; do
            cell=$(awk -F'\t' -v base="$base" -v level="$level" '
                $1 == base && $3 == level { list = list (list ? ", " : "") $2 } END { print list }' "$1")
            printf ' %s |' "${cell:-–}"
        done
        echo
    done
}

# What is proved of overlays, in the order of the table's columns. All but the first two are proved by targets that are no part of
# `make test`, or that are so in part: what is written of them stands until they are run again.
levels=(schemas programs booted control-plane charts node)
seldom_levels=' booted control-plane charts node '
seldom_programs=' object-store '

overlay_lines() {
    local overlay level path
    # shellcheck disable=SC2016 # backticks of Markdown
    printf '# overlay\twhat the tests proved; written by `make support-table`\n'
    for path in "$root"/overlays/*/overlay.toml; do
        overlay=$(basename "$(dirname "$path")")
        for level in "${levels[@]}"; do
            if [ -e "$proofs/overlays/$level/$overlay" ] ||
                { { [[ $seldom_levels == *" $level "* ]] || { [ "$level" = programs ] && [[ $seldom_programs == *" $overlay "* ]]; }; } &&
                    grep -qsx "$overlay"$'\t'"$level" "$overlays_tsv"; }; then
                printf '%s\t%s\n' "$overlay" "$level"
            fi
        done
    done
}

overlay_table() {
    local path overlay level cell
    echo '| overlay | schemas of Kubernetes | real programs | boots in QEMU | real control plane | its charts | pods on a real node |'
    echo '|---|---|---|---|---|---|---|'
    for path in "$root"/overlays/*/overlay.toml; do
        overlay=$(basename "$(dirname "$path")")
        printf '| [%s](overlays/%s/README.md) |' "$overlay" "$overlay"
        for level in "${levels[@]}"; do
            cell=–
            grep -qx "$overlay"$'\t'"$level" "$1" && cell=✓
            [ "$level" != charts ] || grep -q '^\[\[charts\]\]' "$path" || cell='has none'
            printf ' %s |' "$cell"
        done
        echo
    done
}

# A text with a table between its two marks: MARK TABLE FILE.
with_table() {
    awk -v table="$2" -v begin="<!-- $1: begin" -v end="<!-- $1: end -->" '
        index($0, end) { inside = 0 }
        !inside { print }
        index($0, begin) { inside = 1; while ((getline line < table) > 0) print line }' "$3"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
lines >"$work/tsv"
table "$work/tsv" >"$work/table"
overlay_lines >"$work/overlays"
overlay_table "$work/overlays" >"$work/overlay-table"
with_table support "$work/table" "$readme" >"$work/half"
with_table overlays "$work/overlay-table" "$work/half" >"$work/readme"
case ${1-} in
'')
    cp "$work/tsv" "$tsv"
    cp "$work/overlays" "$overlays_tsv"
    cp "$work/readme" "$readme"
    ;;
--check)
    { diff -u "$tsv" "$work/tsv" && diff -u "$overlays_tsv" "$work/overlays" && diff -u "$readme" "$work/readme"; } ||
        die "the tests proved something else than is written: run make support-table, and look at the difference"
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
