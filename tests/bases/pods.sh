# The root directory that container images of `make node-judge` are made from, and that its servers on the LAN run in: Debian 12's
# programs in place of those that the overlays' own images have. Nothing of it is installed on the machine.
# Not a base image: `make.sh --pods` makes it.
# shellcheck shell=bash

PODS=mariadb-server,mariadb-client,redis-server,curl,ca-certificates,busybox-static,knot,knot-dnsutils
# Scripts, and what calls them.
PODS+=,base-files,coreutils,dash,debianutils,findutils,grep,libc-bin,mawk,sed,util-linux
# For the overlays postgresql and mosquitto.
PODS+=,postgresql-15,postgresql-client-15,mosquitto,mosquitto-clients
# For the page that plays Nextcloud.
PODS+=,haproxy,apache2,libapache2-mod-php,php-cli,php-mysql,php-redis

# make_pods OUT: the directory OUT. Packages are unpacked and not configured: no script of theirs runs.
make_pods() {
    local out=$1
    # shellcheck disable=SC2034 # for log in lib.sh
    NAME=pods
    need mmdebstrap:mmdebstrap
    WORK=$(mktemp -d "$(dirname "$out")/.pods.XXXXXX")
    chmod 755 "$WORK" # apt drops its rights while it fetches
    trap 'rm -rf --one-file-system "$WORK"' EXIT
    trap 'exit 130' INT TERM HUP
    fetch_system "$WORK/root" bookworm "$(dpkg --print-architecture)" extract "$PODS" \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr
    rm -rf "$WORK"/root/dev "$WORK"/root/var/cache/apt "$WORK"/root/var/lib/{apt,dpkg} "$WORK"/root/usr/share/{doc,man,locale}
    # What the scripts of the packages would have set up, as far as it is needed.
    ln -s php8.2 "$WORK/root/usr/bin/php"
    mkdir -p "$WORK/root/etc/php/8.2/apache2/conf.d"
    printf 'extension=%s\n' posix mysqlnd igbinary mysqli redis | write_file "$WORK/root/etc/php/8.2/apache2/conf.d/all.ini" 644
    mv "$WORK/root" "$out"
}
