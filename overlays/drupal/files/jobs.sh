#!/bin/sh
# Installs Drupal once, and runs its cron every hour, one run after the other.
set -u

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
# The startup probe of Drupal looks for this file, too: nobody reaches a site that is not installed.
until [ -e "$STATE/installed" ]; do
    if ! php "$SCRIPTS/install.php" >/dev/null || ! [ -e "$STATE/installed" ]; then
        echo "the database is not there yet, or the installation has failed"
        touch "$alive"
        rest "${PAUSE:-10}"
    fi
done
while :; do
    php "$SCRIPTS/cron.php" >/dev/null || echo "a run of cron failed"
    # The probe looks at its age: a run that hangs lets it grow old.
    touch "$alive"
    rest 3600
done
