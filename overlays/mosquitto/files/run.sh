#!/bin/sh
# Starts the broker with the accounts and rules of the cluster file, and keeps its certificate new: one that is renewed is read again
# without a connection lost, and the first one starts the broker once more, with the listener for it.
set -eu
umask 077

# Passwords are hashed in memory: no argument has one, and no disk.
tr -d '\r' <"$SECRETS/users" | sed '/^[[:space:]]*$/d' >"$RUN/passwords"
# A second colon would end the password for mosquitto_passwd, which says nothing of it.
if grep -qv '^[^:]\{1,\}:[^:]\{1,\}$' "$RUN/passwords"; then
    echo "expected lines of account:password, with no colon in either" >&2
    exit 1
fi
mosquitto_passwd -U "$RUN/passwords"
cp "$CONFIG/rules" "$RUN/rules"

# What the certificate is, or that there is none.
certificate() {
    if [ -s "$TLS/tls.crt" ] && [ -s "$TLS/tls.key" ]; then
        cat "$TLS/tls.crt" "$TLS/tls.key" | sha256sum
    else
        echo none
    fi
}

start() {
    cp "$CONFIG/mosquitto.conf" "$RUN/mosquitto.conf"
    has=$(certificate)
    if [ "$has" != none ]; then
        cat "$CONFIG/tls.conf" >>"$RUN/mosquitto.conf"
    fi
    mosquitto -c "$RUN/mosquitto.conf" &
    broker=$!
}

# Looks at the certificate while the broker $1 runs, which began with the one $2.
watch() {
    had=$2 sleeping=
    trap '[ -z "$sleeping" ] || kill "$sleeping" 2>/dev/null; exit 0' TERM
    while :; do
        # A wait, and not the sleep itself, is ended by a signal at once.
        sleep "${LOOK:-30}" &
        sleeping=$!
        wait "$sleeping"
        now=$(certificate)
        if [ "$now" = "$had" ] || [ "$now" = none ]; then
            continue
        fi
        if [ "$had" = none ]; then
            echo "the certificate is there: starting once more, with TLS"
            : >"$RUN/again"
            kill -TERM "$1"
            exit 0
        fi
        echo "the certificate is a new one: reading it"
        kill -HUP "$1"
        had=$now
    done
}

# The broker writes down what it has in memory before it ends.
stop() {
    trap - TERM INT
    kill -TERM "$watcher" "$broker" 2>/dev/null || true
    wait "$broker" || exit $?
    exit 0
}

while :; do
    start
    watch "$broker" "$has" &
    watcher=$!
    trap stop TERM INT
    status=0
    wait "$broker" || status=$?
    kill -TERM "$watcher" 2>/dev/null || true
    [ -e "$RUN/again" ] || exit "$status"
    rm "$RUN/again"
done
