#!/bin/sh
# Installs WordPress once, and does its jobs every five minutes, one run after the other.
set -u

root=${WORDPRESS_ROOT:-/var/www/html}
alive=/tmp/alive

# A wait, and not the sleep itself, is ended by a signal at once.
rest() {
    sleep "$1" &
    wait $!
}
trap 'kill $! 2>/dev/null; exit 0' TERM INT

touch "$alive"
until [ -s "$root/wp-config.php" ] && php /opt/hcimage/install.php; do
    echo "WordPress or its database is not there yet"
    touch "$alive"
    rest 10
done
# The startup probe of WordPress looks for it: nobody reaches a site that is not installed.
touch "$STATE/installed"
while :; do
    php "$root/wp-cron.php" || echo "a run of the jobs failed"
    # The probe looks at its age: a run that hangs lets it grow old.
    touch "$alive"
    rest 300
done
