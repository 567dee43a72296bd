#!/bin/sh
# Backs up the data disk of a node with borg. Ends with 0 only where all that should be in the backup is in it.
set -eu
umask 077
. "$CONFIG/common.sh"

setting() {
    cat "$CONFIG/$1"
}

wrong=''

# The repository is made once. Where it was there before and is gone, something is wrong with the place, such as a disk that is not
# mounted there: a new one would hide that.
if ! borg info >"$TMPDIR/info" 2>&1; then
    if grep -q -e 'does not exist' -e 'is not a valid repository' "$TMPDIR/info"; then
        [ ! -f "$STATE/repository" ] ||
            fail "the repository $REPOSITORY is gone. If it is to begin anew, remove the file $STATE_ON_NODE/repository on $NODE"
        say "making the repository $REPOSITORY"
        borg init --encryption repokey-blake2 --make-parent-dirs || fail "the repository cannot be made"
    elif ! grep -q 'lock' "$TMPDIR/info"; then
        cat "$TMPDIR/info" >&2
        ask_host
        fail "the repository $REPOSITORY cannot be read"
    fi
fi
echo "$REPOSITORY" >"$STATE/repository"
unlock

# The dumps of this night, where this node has them.
for dump in $DUMPS; do
    if [ -z "$(find "$DATA/dumps/$dump.sql" -mmin -720 2>/dev/null)" ]; then
        wrong="$wrong; there is no dump of $dump from this night"
    fi
done

cd "$DATA"
if [ -s "$CONFIG/folders" ]; then
    set --
    while IFS= read -r folder; do
        if [ -e "$folder" ]; then
            set -- "$@" "./$folder"
        else
            wrong="$wrong; there is no folder $folder"
        fi
    done <"$CONFIG/folders"
    [ -z "$DUMPS" ] || set -- "$@" ./dumps
else
    set -- .
fi
[ $# -gt 0 ] || fail "nothing to back up$wrong"

# What applications change or remove meanwhile is theirs to do: the file is in the backup as it was read, and in the next one again.
say "backing up $DATA"
status=0
borg create --lock-wait 60 --compression zstd,3 --numeric-ids --exclude-caches --stats \
    --exclude-from "$CONFIG/exclude" "::$NODE-{utcnow:%Y-%m-%dT%H:%M:%S}" "$@" >"$TMPDIR/create" 2>&1 || status=$?
cat "$TMPDIR/create"
case $status in
    0) ;;
    1)
        grep -v -e 'file changed while we backed it up' -e 'No such file or directory' "$TMPDIR/create" |
            grep -e 'Errno' -e 'Permission' -e 'Input/output' && wrong="$wrong; files could not be read" ;;
    *) fail "the backup failed" ;;
esac

say "removing old backups"
borg prune --lock-wait 60 --glob-archives "$NODE-*" --keep-daily "$(setting keep-daily)" \
    --keep-weekly "$(setting keep-weekly)" --keep-monthly "$(setting keep-monthly)" || fail "old backups could not be removed"
borg compact --lock-wait 60 || fail "the room of old backups could not be given back"

if [ -z "$(find "$STATE/checked" -mtime "-$(setting check-days)" 2>/dev/null)" ]; then
    say "checking the repository"
    borg check --lock-wait 60 || fail "THE REPOSITORY IS DAMAGED: see what borg says above"
    touch "$STATE/checked"
fi

[ -z "$wrong" ] || fail "the backup lacks something$wrong"
touch "$STATE/succeeded"
say "done"

if [ -s "$SECRETS/ping-url" ]; then
    # The address is a secret, too: it is in no argument.
    printf 'url = "%s"\n' "$(tr -d '\r\n"\\' <"$SECRETS/ping-url")" |
        curl --config - --silent --fail --output /dev/null --max-time 30 --retry 3 || say "the ping was not taken"
fi
