#!/usr/bin/env bash
# Makes the base images that the tests and the demo start from, once, and keeps them.
#
#   make.sh NAME...   make these if needed; print the path of each finished image, one a line
#   make.sh --all     the same for every base
#   make.sh --list    one line a base: name and what it proves
#   make.sh --checkers [--if-there]   make the root directory of checkers.sh, and print its path;
#                     --if-there: only print it, or nothing
#   make.sh --pods    make the root directory of pods.sh, and print its path
#   make.sh --unpacked PACKAGE...   unpack Debian packages for this machine, and print the path of the directory
#
# Only paths go to standard output; progress goes to standard error. An image is kept as
# <cache>/bases/<name>-<first 16 hex digits of the SHA-256 of its recipe>.img, so that a changed recipe makes
# a new image and an unchanged one costs nothing. <cache> is $HCIMAGE_TEST_CACHE, or hcimage-tests in the
# user's cache directory. The checkers are <cache>/checkers-<digits>.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=${HCIMAGE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/hcimage-tests}
cache=$top/bases

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
    recipe_files "$1" | xargs -d '\n' cat | digest
}

# Contents only: the same recipe in another directory is the same recipe.
digest() {
    sha256sum | cut -c 1-16
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
    local name=$1
    [ -f "$here/$name.sh" ] && grep -q '^PROVES=' "$here/$name.sh" ||
        die "no base called '$name'; 'make.sh --list' shows them"
    # shellcheck disable=SC2016 # expanded by the shell of root
    keep "$cache/$name-$(recipe_digest "$name").img" "$cache/$name.lock" "base image $name" \
        'source "$1/lib.sh" && run_recipe "$2" "$3"' "$name"
}

make_checkers() {
    local path
    path=$top/checkers-$(cat "$here/lib.sh" "$here/checkers.sh" | digest)
    [ "${1-}" != --if-there ] || [ -e "$path" ] || return 0
    # shellcheck disable=SC2016 # expanded by the shell of root
    keep "$path" "$top/checkers.lock" "the root of the checkers" \
        'source "$1/lib.sh" && source "$1/checkers.sh" && make_checkers "$3"' checkers
}

make_pods() {
    # shellcheck disable=SC2016 # expanded by the shell of root
    keep "$top/pods-$(cat "$here/lib.sh" "$here/pods.sh" | digest)" "$top/pods.lock" "the root of pods" \
        'source "$1/lib.sh" && source "$1/pods.sh" && make_pods "$3"' pods
}

make_unpacked() {
    local arch
    arch=$(dpkg --print-architecture)
    # shellcheck disable=SC2016,SC2086 # expanded by the shell of root; names of packages
    keep "$top/$1-$arch-$( (cat "$here/unpacked.sh" && echo "$*") | digest)" "$top/unpacked.lock" "the files of $*" \
        'source "$1/unpacked.sh" && make_unpacked "$3" $2' "$*"
}

# keep PATH LOCK WHAT SCRIPT NAME: prints PATH, which a shell of root has made if it was not there: its SCRIPT gets this
# directory, NAME and the path of what it makes.
keep() {
    local path=$1 lock=$2 what=$3 script=$4 name=$5 part started
    if [ ! -e "$path" ]; then
        mkdir -p "$(dirname "$path")"
        exec 9>"$lock"
        flock -n 9 || {
            printf 'waiting for another make.sh that makes %s\n' "$what" >&2
            flock 9
        }
        if [ ! -e "$path" ]; then
            started=$SECONDS
            printf 'making %s (kept afterwards as %s)\n' "$what" "$path" >&2
            part=$path.part
            as_root rm -rf --one-file-system "$part"
            # The lock stays with this process: a child that outlives it must not hold it.
            as_root bash -c "$script" make.sh "$here" "$name" "$part" >&2 9>&-
            as_root chown -R "$(id -u):$(id -g)" "$part"
            sync "$part"
            mv "$part" "$path"
            printf 'made %s in %d s\n' "$what" $((SECONDS - started)) >&2
        fi
        exec 9>&-
    fi
    printf '%s\n' "$path"
}

[ $# -gt 0 ] || usage
case $1 in
--list) list ;;
--checkers) make_checkers "${2-}" ;;
--pods) make_pods ;;
--unpacked) shift && make_unpacked "$@" ;;
# Unpacking and emulating each keep one core busy. All are tried, whichever fails.
--all) in_order | xargs -d '\n' -n 1 -P "$(nproc)" "${BASH_SOURCE[0]}" ;;
-*) usage ;;
*) for name in "$@"; do make_base "$name"; done ;;
esac
