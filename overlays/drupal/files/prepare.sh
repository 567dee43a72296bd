#!/bin/sh
# The folders of the data disk hide what the image has in their places, so it is copied into them at the first start. A copy that a
# power cut ended is made again. The settings are those of the cluster file, at each start.
set -eu

# With what is there once the copy is whole.
copy() {
    from=$SOURCE/$1 to=$TARGET/$1
    mark=$to/.hcimage-copying
    if [ -e "$to/$2" ] && [ ! -e "$mark" ]; then
        return
    fi
    : >"$mark"
    sync
    tar --create --file - --directory "$from" . | tar --extract --file - --directory "$to" --no-same-owner --no-overwrite-dir
    sync
    rm "$mark"
    echo "$1 is copied"
}

copy sites default/default.settings.php
copy modules README.txt
copy themes README.txt
mkdir -p "$TARGET/private/files" "$TARGET/private/config" "$TARGET/sites/default/files"

# Drupal takes the right to write from both once it is installed.
site=$TARGET/sites/default
chmod u+w "$site"
[ -e "$site/services.yml" ] || cp "$site/default.services.yml" "$site/services.yml"
cp "$SETTINGS" "$site/settings.php.new"
chmod 0440 "$site/settings.php.new"
mv -f "$site/settings.php.new" "$site/settings.php"
