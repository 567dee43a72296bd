#!/bin/sh
# Runs as www-data at each start, after an installation or upgrade: what the cluster file says counts, not what it said when
# Nextcloud was installed.
set -eu

occ() {
    php /var/www/html/occ --no-interaction --no-ansi "$@"
}

if ! occ status 2>/dev/null | grep -q 'installed: true'; then
    echo "Nextcloud is not installed yet: its settings are left alone"
    exit 0
fi

place=0
for name in $HC_TRUSTED_DOMAINS; do
    occ config:system:set trusted_domains "$place" --value="$name"
    place=$((place + 1))
done
# Names that are there no longer.
while occ config:system:get trusted_domains "$place" >/dev/null 2>&1; do
    occ config:system:delete trusted_domains "$place"
    place=$((place + 1))
done

occ background:cron
# Heavy jobs of the day begin at this hour (UTC).
occ config:system:set maintenance_window_start --type=integer --value=1
if [ -n "${HC_PHONE_REGION:-}" ]; then
    occ config:system:set default_phone_region --value="$HC_PHONE_REGION"
fi
# An upgrade can bring indices that it does not make itself.
occ db:add-missing-indices
