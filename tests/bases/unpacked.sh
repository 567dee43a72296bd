# Programs of Debian packages that start a service where they are installed: unpacked and never installed. Not a base image:
# `make.sh --unpacked` makes it.
# shellcheck shell=bash

# make_unpacked OUT PACKAGE...: the directory OUT with the files of the packages, and of the libraries that their programs lack on this
# machine.
make_unpacked() {
    local out=$1 work package wanted
    shift
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # this directory
    trap "rm -rf '$work'" EXIT
    # apt fetches as a user of its own.
    chmod 777 "$work"
    wanted=("$@")
    while [ ${#wanted[@]} -gt 0 ]; do
        # The lists may be missing, or older than the archive.
        fetch "$work" "${wanted[@]}" || { apt-get -qq update && fetch "$work" "${wanted[@]}"; } || {
            echo "apt-get could not download ${wanted[*]}" >&2
            return 1
        }
        for package in "${wanted[@]}"; do
            dpkg -x "$work/$package"_*.deb "$out"
        done
        mapfile -t wanted < <(lacks_libraries "$out" && missing_libraries "$work")
    done
}

fetch() {
    (cd "$1" && apt-get -qq -o Acquire::Retries=3 download "${@:2}")
}

# Whether a program in the directory has not all of its libraries.
lacks_libraries() {
    local places
    places=$(find "$1" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
    find "$1" -type f -perm -100 -exec env LD_LIBRARY_PATH="$places" ldd {} + 2>/dev/null | grep -q 'not found'
}

# The packages of libraries that the packages in the directory name, which are neither in it nor installed.
missing_libraries() {
    local deb name
    for deb in "$1"/*.deb; do
        dpkg-deb --field "$deb" Pre-Depends Depends
    done | sed 's/^[A-Z][A-Za-z-]*://' | tr ',' '\n' | sed 's/[|(:].*//; s/ //g' | grep '^lib' | sort -u | while read -r name; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || compgen -G "$1/${name}_*.deb" >/dev/null ||
            printf '%s\n' "$name"
    done
}
