#!/bin/sh
# Installs WordPress once, and does its jobs every five minutes, one run after the other.
set -u

root=$WORDPRESS_ROOT
alive=/tmp/alive

# A wait, and not the sleep itself, is ended by a signal at once.
sleeping=
rest() {
    sleep "$1" &
    sleeping=$!
    wait "$sleeping"
    sleeping=
}
trap '[ -z "$sleeping" ] || kill "$sleeping" 2>/dev/null; exit 0' TERM INT

touch "$alive"
# The startup probe of WordPress looks for this file, too: nobody reaches a site that is not installed.
until [ -e "$STATE/installed" ]; do
    if ! [ -s "$root/wp-config.php" ] || ! php "$SCRIPTS/install.php" >/dev/null || ! [ -e "$STATE/installed" ]; then
        echo "WordPress or its database is not there yet"
        touch "$alive"
        rest "${PAUSE:-10}"
    fi
done
while :; do
    php "$root/wp-cron.php" >/dev/null || echo "a run of the jobs failed"
    # The probe looks at its age: a run that hangs lets it grow old.
    touch "$alive"
    rest 300
done
