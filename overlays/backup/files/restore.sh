#!/bin/sh
# Brings folders of the data disk back from a backup: those in FOLDERS, or all; from ARCHIVE, or the last one. Nothing that has
# something in it is overwritten. What was interrupted can be started again: folders come into their places whole.
set -eu
umask 077
. "$CONFIG/common.sh"

unlock
archive=${ARCHIVE:-$(borg list --last 1 --short)}
[ -n "$archive" ] || fail "the repository $REPOSITORY has no backup"
say "from the backup $archive"

# Names may have spaces.
borg list --short "::$archive" | sed -n 's|^\./||; s|/.*||; /^\.*$/!p' | sort -u >"$TMPDIR/there"
if [ -n "${FOLDERS:-}" ]; then
    printf '%s\n' $FOLDERS >"$TMPDIR/wanted"
else
    cp "$TMPDIR/there" "$TMPDIR/wanted"
fi

cd "$DATA"
wrong=''
while IFS= read -r name; do
    grep -qxF -e "$name" "$TMPDIR/there" || wrong="$wrong; the backup has no $name"
    if [ -d "$name" ] && [ -z "$(ls -A "$name")" ]; then
        continue
    fi
    [ ! -e "$name" ] || wrong="$wrong; $DATA_ON_NODE/$name has something in it"
done <"$TMPDIR/wanted"
[ -z "$wrong" ] || fail "nothing was restored${wrong}. Stop what uses a folder, and rename the folder"

part=.restore
rm -rf "$part"
mkdir "$part"
cd "$part"
set --
while IFS= read -r name; do
    set -- "$@" "$name"
done <"$TMPDIR/wanted"
[ $# -gt 0 ] || fail "the backup is empty"
borg extract --numeric-ids "::$archive" "$@" || fail "the backup could not be read: nothing was put into its place"
cd ..
sync
for name; do
    [ ! -d "$name" ] || rmdir "$name"
    mv "$part/$name" "$name"
    say "restored $DATA_ON_NODE/$name"
done
rmdir "$part"
sync
say "done"
