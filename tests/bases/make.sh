#!/usr/bin/env bash
# Makes the base images that the tests and the demo start from, once, and keeps them.
#
#   make.sh NAME...   make these if needed; print the path of each finished image, one a line
#   make.sh --all     the same for every base
#   make.sh --list    one line a base: name and what it proves
#
# Only paths go to standard output; progress goes to standard error. An image is kept as
# <cache>/bases/<name>-<first 16 hex digits of the SHA-256 of its recipe>.img, so that a changed recipe makes
# a new image and an unchanged one costs nothing. <cache> is $HCIMAGE_TEST_CACHE, or hcimage-tests in the
# user's cache folder.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${HCIMAGE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hcimage-tests}/bases

die() {
    printf 'make.sh: %s\n' "$*" >&2
    exit 1
}

usage() {
    sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}

# A recipe is a script here that says what it proves; the rest are libraries.
recipes() {
    grep -l '^PROVES=' "$here"/*.sh | xargs -n1 basename | sed 's/\.sh$//'
}

# Of those that share debian-pi-lib.sh, where nearly all time goes, one comes first, and the others last: they wait for it.
in_order() {
    local shared='debian-pi-.*arm64'
    recipes | grep -x "$shared" | head -n 1
    recipes | grep -vx "$shared"
    recipes | grep -x "$shared" | tail -n +2
}

# The files that decide what the image of NAME contains: lib.sh, the recipe, and the libraries it sources.
recipe_files() {
    printf '%s\n' "$here/lib.sh" "$here/$1.sh"
    sed -n 's|^source "\$HERE/\(.*\)"$|\1|p' "$here/$1.sh" | sed "s|^|$here/|"
}

recipe_digest() {
    # Contents only: the same recipe in another folder is the same recipe.
    recipe_files "$1" | xargs -d '\n' cat | sha256sum | cut -c 1-16
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "making a base image needs root: run this as root or install sudo"
    fi
}

list() {
    local name
    for name in $(recipes); do
        printf '%-24s %s\n' "$name" "$(sed -n 's/^PROVES="\(.*\)"$/\1/p' "$here/$name.sh")"
    done
}

make_base() {
    local name=$1 image part started
    [ -f "$here/$name.sh" ] && grep -q '^PROVES=' "$here/$name.sh" ||
        die "no base called '$name'; 'make.sh --list' shows them"
    image=$cache/$name-$(recipe_digest "$name").img
    if [ ! -e "$image" ]; then
        mkdir -p "$cache"
        exec 9>"$cache/$name.lock"
        flock -n 9 || {
            printf 'waiting for another make.sh that makes %s\n' "$name" >&2
            flock 9
        }
        if [ ! -e "$image" ]; then
            started=$SECONDS
            printf 'making base image %s (kept afterwards in %s)\n' "$name" "$cache" >&2
            part=$image.part
            as_root rm -f "$part"
            # The lock stays with this process: a child that outlives it must not hold it.
            as_root bash -c 'source "$1/lib.sh" && run_recipe "$2" "$3"' make.sh "$here" "$name" "$part" >&2 9>&-
            as_root chown "$(id -u):$(id -g)" "$part"
            sync "$part"
            mv "$part" "$image"
            printf 'made %s in %d s\n' "$name" $((SECONDS - started)) >&2
        fi
        exec 9>&-
    fi
    printf '%s\n' "$image"
}

[ $# -gt 0 ] || usage
case $1 in
--list) list ;;
# Unpacking and emulating each keep one core busy. All are tried, whichever fails.
--all) in_order | xargs -d '\n' -n 1 -P "$(nproc)" "${BASH_SOURCE[0]}" ;;
-*) usage ;;
*) for name in "$@"; do make_base "$name"; done ;;
esac
