#!/bin/sh
# Plays the entry script of the published image: root gives the files to www-data, runs the hooks as www-data, and starts Apache,
# which takes port 80 and becomes www-data. Nextcloud itself is played by a page that logs in to the database and to redis.
set -eu
html=/var/www/html
if [ ! -f "$html/status.php" ]; then
    cp /usr/src/nextcloud/status.php /usr/src/nextcloud/occ "$html/"
    mkdir -p "$html/config"
fi
chown -R www-data:www-data "$html"
as_www_data() {
    setpriv --reuid=33 --regid=33 --clear-groups "$@"
}
for hook in /docker-entrypoint-hooks.d/before-starting/*.sh; do
    as_www_data sh "$hook"
done
# "Installed" from the first start on.
as_www_data sh -c "echo \"<?php \\\$CONFIG = ['installed' => true];\" >$html/config/config.php; echo '<?php' >$html/cron.php"
mkdir -p /var/run/apache2 /var/log/apache2
exec apache2 -DFOREGROUND -f /etc/apache2/hcimage.conf
