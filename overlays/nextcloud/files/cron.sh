#!/bin/sh
# Nextcloud's background jobs, every five minutes, one run after the other.
set -u

alive=/tmp/alive
touch "$alive"
while :; do
    if [ -f /var/www/html/config/config.php ] && grep -q "'installed' => true" /var/www/html/config/config.php; then
        php -f /var/www/html/cron.php || echo "a run of the background jobs failed"
    fi
    # The probe looks at its age: a run that hangs lets it grow old.
    touch "$alive"
    sleep 300 &
    # A wait, and not the sleep itself, is ended by a signal at once.
    trap 'kill $! 2>/dev/null; exit 0' TERM INT
    wait $!
done
