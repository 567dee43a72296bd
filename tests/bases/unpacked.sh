# Programs of Debian packages that start a service where they are installed: unpacked and never installed. Not a base image:
# `make.sh --unpacked` makes it.
# shellcheck shell=bash

# make_unpacked OUT PACKAGE...: the directory OUT with the files of the packages, for this machine.
make_unpacked() {
    local out=$1 work deb
    shift
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # this directory
    trap "rm -rf '$work'" EXIT
    # apt fetches as a user of its own.
    chmod 777 "$work"
    # The lists may be missing, or older than the archive.
    (cd "$work" && fetch "$@") || { apt-get -qq update && (cd "$work" && fetch "$@"); } || {
        echo "apt-get could not download $*" >&2
        return 1
    }
    for deb in "$work"/*.deb; do
        dpkg -x "$deb" "$out"
    done
}

fetch() {
    apt-get -qq -o Acquire::Retries=3 download "$@"
}
