# etcd for the stand-in of k3s: the program of Debian's package etcd-server, unpacked and never installed, because the
# package starts a service. Not a base image: `make.sh --etcd` fetches it.
# shellcheck shell=bash

fetch_etcd() {
    apt-get -qq -o Acquire::Retries=3 download "etcd-server:$1"
}

# make_etcd OUT ARCH: the directory OUT with usr/bin/etcd.
make_etcd() {
    local out=$1 arch=$2 work
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # this directory
    trap "rm -rf '$work'" EXIT
    # apt fetches as a user of its own.
    chmod 777 "$work"
    # The lists may be missing, or older than the archive.
    (cd "$work" && fetch_etcd "$arch") || { apt-get -qq update && (cd "$work" && fetch_etcd "$arch"); } || {
        echo "apt-get could not download etcd-server" >&2
        return 1
    }
    dpkg -x "$work"/etcd-server_*.deb "$out"
    [ -x "$out/usr/bin/etcd" ]
}
