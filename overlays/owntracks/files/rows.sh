#!/bin/sh
# Gives the database what the Recorder has filed. Each file is read on from where it was read to last, which the database keeps itself,
# in the transaction of the rows: whatever is cut off, the network, this pod or the power, no location is lost or there twice.
set -eu

pause=${PAUSE:-10}
alive=$RUN/alive

# A wait, and not the sleep itself, is ended by a signal at once.
sleeping=
rest() {
    sleep "$1" &
    sleeping=$!
    wait "$sleeping"
    sleeping=
}
trap '[ -z "$sleeping" ] || kill "$sleeping" 2>/dev/null; exit 0' TERM INT

sql() {
    psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 "$@"
}

# The lines of file $1 from byte $2 on, but for one that is still being written, in $RUN/lines: text without characters that the
# database takes for something else. How many bytes they had is in $RUN/bytes.
lines() {
    tail -c "+$(($2 + 1))" "$1" | head -c 4000000 >"$RUN/part"
    # All but what follows the last end of a line.
    rest_bytes=$(tail -n 1 "$RUN/part" | tr -d '\n' | wc -c)
    if [ "$(tail -c 1 "$RUN/part" | wc -l)" -eq 1 ]; then
        rest_bytes=0
    fi
    bytes=$(($(wc -c <"$RUN/part") - rest_bytes))
    head -c "$bytes" "$RUN/part" | LC_ALL=C tr -d '\000-\010\013-\037' | iconv -c -f UTF-8 -t UTF-8 |
        grep -E '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z	' >"$RUN/lines" || true
    echo "$bytes" >"$RUN/bytes"
}

# Files are rec/ACCOUNT/DEVICE/YYYY-MM.rec.
file() {
    name=${1#"$STORE/rec/"}
    account=${name%%/*}
    rest=${name#*/}
    device=${rest%%/*}
    from=$(echo 'SELECT bytes FROM owntracks_files WHERE name = :'"'name'" | sql --set "name=$name")
    from=${from:-0}
    size=$(wc -c <"$1")
    # A file that is shorter than it was is another one.
    [ "$size" -ge "$from" ] || from=0
    while [ "$size" -gt "$from" ]; do
        lines "$1" "$from"
        bytes=$(cat "$RUN/bytes")
        # The rest of a line is not there yet.
        [ "$bytes" -gt 0 ] || break
        cd "$RUN"
        sql --set "name=$name" --set "account=$account" --set "device=$device" --set "bytes=$((from + bytes))" \
            --file "$SCRIPTS/rows.sql"
        from=$((from + bytes))
    done
}

round() {
    sql --file "$SCRIPTS/tables.sql" || return 1
    find "$STORE/rec" -mindepth 3 -maxdepth 3 -type f -name '*.rec' | sort >"$RUN/files" || return 1
    while IFS= read -r path; do
        file "$path" || return 1
        touch "$alive"
    done <"$RUN/files"
}

while :; do
    # The probe looks at its age: a run that hangs lets it grow old. A database that is away is no fault of this pod.
    touch "$alive"
    if [ -d "$STORE/rec" ]; then
        (round) || echo "the rows could not be written: trying again"
    fi
    rest "$pause"
done
